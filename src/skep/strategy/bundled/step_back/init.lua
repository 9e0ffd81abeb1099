--- Step back: ask a more general question first, and reason from what its answer says.
---
--- Huaixiu Steven Zheng, Swaroop Mishra, Xinyun Chen, Heng-Tze Cheng, Ed H. Chi, Quoc V. Le, Denny Zhou: "Take a Step
--- Back: Evoking Reasoning via Abstraction in Large Language Models", ICLR 2024, arXiv:2310.06117.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "step_back",
  version = "0.1.0",
  description = "Asks for the principle behind a question first, and reasons from it.",
  category = "reasoning",
}

M.spec = {
  entries = {
    run = {
      input = S.input({ grounded = S.optional(S.boolean, false) }),
      result = S.shape({ answer = S.string, question = S.string, principles = S.string }),
    },
  },
}

local function abstracted(o)
  return K.trim(alc.llm(K.paragraphs(
    "Here is a question:\n" .. o.task,
    "Step back from its details: which more general question, about the concept or principle behind it, would help "
      .. "to answer it? Give only that question."
  ), o.llm))
end

local function reason(o, question, principles)
  return K.trim(alc.llm(K.paragraphs(
    "What is known in general:\n" .. question .. "\n" .. principles,
    "Question:\n" .. o.task,
    "Answer the question step by step from what is known in general, as far as it applies."
  ), o.llm))
end

function M.run(ctx)
  local o = S.read("step_back", ctx, M.spec.entries.run.input)
  local question = abstracted(o)
  -- The paper looks the principle up where it has something to look it up in.
  local principles = K.trim(alc.llm(question, K.options(o.llm, o.grounded and { grounded = true } or nil)))
  ctx.result = { answer = reason(o, question, principles), question = question, principles = principles }
  return ctx
end

return M
