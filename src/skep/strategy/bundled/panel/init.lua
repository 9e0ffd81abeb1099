--- Multi-expert prompting: experts that the question calls for answer on their own; their answers are combined by the
--- seven steps of the nominal group technique, and the best of the combined and the single answers is chosen.
---
--- Do Xuan Long, Duong Ngoc Yen, Luu Anh Tuan, Kenji Kawaguchi, Min-Yen Kan, Nancy F. Chen: "Multi-expert Prompting
--- Improves Reliability, Safety and Usefulness of Large Language Models", EMNLP 2024, arXiv:2411.00492.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "panel",
  version = "0.1.0",
  description = "Asks several experts that the question calls for, and combines what they say.",
  category = "synthesis",
}

M.spec = {
  entries = {
    run = {
      input = S.input({
        experts = S.optional(S.array_of(S.text, 1, 10)),
        n = S.optional(S.count(1, 10), 3),
      }),
      result = S.shape({
        answer = S.string,
        experts = S.array_of(S.shape({ expert = S.string, answer = S.string }), 1, 10),
        report = S.string,
      }),
    },
  },
}

local function invited(o)
  local experts = K.list(K.paragraphs(
    "Question:\n" .. o.task,
    ("Which %d experts, of different fields, would answer it best together? For each: the role, a colon, and what "
      .. "they know in one sentence."):format(o.n)
  ), o.llm, o.n)
  if experts == nil then
    error("panel: no experts could be read in two replies", 0)
  end
  return experts
end

local function answers_of(o, experts)
  return alc.parallel(experts, function(expert)
    return K.options(o.llm, { system = "You are an expert. " .. expert, prompt = o.task })
  end, { post_fn = function(answer, expert) return { expert = expert, answer = K.trim(answer) } end })
end

local STEPS = K.numbered({
  "Views that most experts share.",
  "Views on which they contradict each other.",
  "For each contradiction, which view holds, and why.",
  "Views that only one expert has.",
  "All views to keep, from steps 1, 3 and 4.",
  "An answer made of these views.",
  "The best answer: that one, or an expert's own if it is more accurate and useful.",
})

local function combined(o, given)
  local said = alc.map(given, function(one) return one.expert .. "\n" .. one.answer end)
  return alc.llm(K.paragraphs(
    "Question:\n" .. o.task,
    K.labelled("Expert", said),
    "Work through these steps, in writing:\n" .. STEPS,
    "End with a line `Answer:` and after it the best answer in full, written for who asked."
  ), o.llm)
end

function M.run(ctx)
  local o = S.read("panel", ctx, M.spec.entries.run.input)
  local given = answers_of(o, o.experts or invited(o))
  local report = combined(o, given)
  local answer = K.marked(report, "Answer")
  if answer == nil then
    alc.log("warn", "panel: the report marks no answer; all of it is the answer")
  end
  ctx.result = { answer = answer or K.trim(report), experts = given, report = report }
  return ctx
end

return M
