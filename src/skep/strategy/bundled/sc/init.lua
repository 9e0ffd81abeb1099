--- Self-consistency: several reasoning paths for one question, and the answer that most of them reach.
---
--- Xuezhi Wang, Jason Wei, Dale Schuurmans, Quoc Le, Ed Chi, Sharan Narang, Aakanksha Chowdhery, Denny Zhou:
--- "Self-Consistency Improves Chain of Thought Reasoning in Language Models", ICLR 2023, arXiv:2203.11171.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "sc",
  version = "0.1.0",
  description = "Takes the answer that most of several reasoning paths reach.",
  category = "aggregation",
}

M.spec = {
  entries = {
    run = {
      input = S.input({
        paths = S.optional(S.count(1, 100), 5),
        temperature = S.optional(S.between(0, 2), 0.7),
      }),
      result = S.shape({
        answer = S.string,
        votes = S.count(1, 100),
        agreement = S.between(0, 1),
        answers = S.array_of(S.string, 1, 100),
        unreadable = S.count(0, 100),
      }),
    },
  },
}

local function sample(o)
  return K.samples(o.paths, K.paragraphs(
    o.task,
    "Think step by step. End with a line `Answer: ...` that holds the final answer and nothing else."
  ), K.options(o.llm, { temperature = o.temperature }))
end

function M.run(ctx)
  local o = S.read("sc", ctx, M.spec.entries.run.input)
  local answers = {}
  for _, path in ipairs(sample(o)) do
    answers[#answers + 1] = K.marked(path, "Answer")
  end
  if #answers == 0 then
    error("sc: none of the paths ended with an answer", 0)
  end
  local answer, votes = K.majority(answers)
  ctx.result = {
    answer = answer,
    votes = votes,
    agreement = votes / #answers,
    answers = answers,
    unreadable = o.paths - #answers,
  }
  alc.stats.record("sc.agreement", ctx.result.agreement)
  return ctx
end

return M
