--- FActScore: break a text into facts, check each alone, and score the text by the share that is supported.
---
--- Sewon Min, Kalpesh Krishna, Xinxi Lyu, Mike Lewis, Wen-tau Yih, Pang Wei Koh, Mohit Iyyer, Luke Zettlemoyer,
--- Hannaneh Hajishirzi: "FActScore: Fine-grained Atomic Evaluation of Factual Precision in Long Form Text Generation",
--- EMNLP 2023, arXiv:2305.14251.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "factscore",
  version = "0.1.0",
  description = "Scores a text by the share of its single facts that are supported.",
  category = "validation",
}

local FACT = S.shape({ fact = S.string, supported = S.boolean })

M.spec = {
  entries = {
    run = {
      input = S.input({
        text = S.optional(S.text),
        knowledge = S.optional(S.text),
        facts = S.optional(S.count(1, 500), 100),
        gamma = S.optional(S.between(0, 100), 0),
      }),
      result = S.shape({
        answer = S.string,
        score = S.optional(S.between(0, 1)),
        supported = S.count(0, 500),
        total = S.count(0, 500),
        facts = S.array_of(FACT, 0, 500),
        unreadable = S.count(0, 500),
        dropped = S.count(0, 100000),
      }),
    },
  },
}

local function sentences(text)
  local found = {}
  for part in (text:gsub("([%.!?]['\"%)]?)%s+(%u)", "%1\n%2") .. "\n"):gmatch("([^\n]*)\n") do
    found[#found + 1] = part:find("%w") and K.trim(part) or nil
  end
  return found
end

-- Facts of all sentences; sentences and facts beyond the limit are dropped and counted.
local function facts_of(o, text)
  local parts = sentences(text)
  local facts, dropped = {}, math.max(0, #parts - o.facts)
  if #parts == 0 then
    return facts, dropped
  end
  parts = { table.unpack(parts, 1, #parts - dropped) }
  local lists = alc.parallel(parts, function(sentence)
    return K.paragraphs(
      "Topic:\n" .. o.task,
      "Break this sentence into independent facts, each a short sentence of its own that is understood alone:",
      sentence,
      "Write one fact a line, numbered; nothing if it states none."
    )
  end, o.llm)
  for _, list in ipairs(lists) do
    for _, fact in ipairs(K.items(list, math.maxinteger)) do
      if #facts < o.facts then
        facts[#facts + 1] = fact
      else
        dropped = dropped + 1
      end
    end
  end
  return facts, dropped
end

local function checked(o, facts)
  return alc.parallel(facts, function(fact)
    return K.options(o.llm, {
      grounded = o.knowledge == nil or nil,
      prompt = K.paragraphs(
        o.knowledge and "Knowledge:\n" .. o.knowledge,
        "Topic:\n" .. o.task,
        "Statement:\n" .. fact,
        o.knowledge and "Does the knowledge support the statement?" or "Is the statement true?",
        "End with a line `Verdict: true` or `Verdict: false`."
      ),
    })
  end, { post_fn = function(said) return K.word(said, "Verdict", { "true", "false" }) or "none" end })
end

-- The length penalty of the published tool, off by default: few facts are easy to get right.
local function scored(o, supported, total)
  local penalty = total < o.gamma and math.exp(1 - o.gamma / total) or 1.0
  return penalty * supported / total
end

function M.run(ctx)
  local o = S.read("factscore", ctx, M.spec.entries.run.input)
  local text = o.text or K.trim(alc.llm(o.task, o.llm))
  local facts, dropped = facts_of(o, text)
  local result = { answer = text, total = #facts, supported = 0, unreadable = 0, dropped = dropped, facts = array({}) }
  for i, verdict in ipairs(#facts > 0 and checked(o, facts) or {}) do
    result.supported = result.supported + (verdict == "true" and 1 or 0)
    result.unreadable = result.unreadable + (verdict == "none" and 1 or 0)
    result.facts[i] = { fact = facts[i], supported = verdict == "true" }
  end
  -- A text that states nothing is neither right nor wrong.
  result.score = #facts > 0 and scored(o, result.supported, #facts) or nil
  if result.score ~= nil then
    alc.stats.record("factscore.score", result.score)
  end
  ctx.result = result
  return ctx
end

return M
