--- Chain of density: a summary that says little is rewritten again and again, each time with what is still missing and
--- at the same length.
---
--- Griffin Adams, Alexander Fabbri, Faisal Ladhak, Eric Lehman, Noémie Elhadad: "From Sparse to Dense: GPT-4
--- Summarization with Chain of Density Prompting", NewSum 2023, arXiv:2309.04269. Theirs is one prompt for all steps;
--- ours asks step by step, so each step can be read and the budget can end it.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "cod",
  version = "0.1.0",
  description = "Makes a summary denser step by step, at the same length.",
  category = "optimization",
}

local STEP = S.shape({ summary = S.string, added = S.string })

M.spec = {
  entries = {
    run = {
      input = S.input({
        text = S.optional(S.text),
        steps = S.optional(S.count(1, 10), 5),
        words = S.optional(S.count(20, 1000), 80),
      }),
      result = S.shape({
        answer = S.string,
        steps = S.array_of(STEP, 1, 10),
        stopped = S.one_of("steps", "dense", "unreadable", "budget"),
      }),
    },
  },
}

local function source(o)
  return K.paragraphs(o.text and "What is wanted:\n" .. o.task or nil, "Text:\n" .. (o.text or o.task))
end

local function first_summary(o)
  return K.trim(alc.llm(K.paragraphs(
    source(o),
    ("Summarise the text in about %d words, in general terms, with few details."):format(o.words),
    "Give only the summary."
  ), o.llm))
end

local function densified(o, summary)
  return K.ask(K.paragraphs(
    source(o),
    "Summary:\n" .. summary,
    "Which one to three entities (names, numbers, events) of the text matter most and are missing in the summary? "
      .. ("Then rewrite it in about %d words: say everything that it says and the missing entities too, by wording "
      .. "it more tightly."):format(o.words)
  ), o.llm, function(said)
    local missing = K.marked(said, "Missing", "Summary")
    local denser = K.marked(said, "Summary")
    return missing and (denser or K.key(missing) == "none") and { missing = missing, summary = denser } or nil
  end, "Write `Missing: a; b` (or `Missing: none`), then `Summary:` and the new summary.")
end

local function chain(o)
  local steps = { { summary = first_summary(o), added = "" } }
  while #steps < o.steps do
    if not K.affords(1) then
      return steps, "budget"
    end
    local step = densified(o, steps[#steps].summary)
    if step == nil then
      alc.log("warn", "cod: a step could not be read; the summary before it is the last")
      return steps, "unreadable"
    elseif K.key(step.missing) == "none" then
      return steps, "dense"
    end
    steps[#steps + 1] = { summary = step.summary, added = step.missing }
    alc.progress(#steps, o.steps, "densifying")
  end
  return steps, "steps"
end

function M.run(ctx)
  local o = S.read("cod", ctx, M.spec.entries.run.input)
  local steps, stopped = chain(o)
  ctx.result = { answer = steps[#steps].summary, steps = steps, stopped = stopped }
  return ctx
end

return M
