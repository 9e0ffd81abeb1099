--- Plan and solve (PS+): make a plan, carry it out step by step with care for details, then read off the answer.
---
--- Lei Wang, Wanyu Xu, Yihuai Lan, Zhiqiang Hu, Yunshi Lan, Roy Ka-Wei Lee, Ee-Peng Lim: "Plan-and-Solve Prompting:
--- Improving Zero-Shot Chain-of-Thought Reasoning by Large Language Models", ACL 2023, arXiv:2305.04091.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "plan_solve",
  version = "0.1.0",
  description = "Makes a plan, carries it out step by step, then answers.",
  category = "reasoning",
}

M.spec = {
  entries = {
    run = {
      input = S.input({ detailed = S.optional(S.boolean, true) }),
      result = S.shape({ answer = S.string, solution = S.string }),
    },
  },
}

local PLAN = "First understand the problem and make a plan. Then carry the plan out, step by step."
-- What PS+ adds to PS.
local DETAILS = "Before the plan, write down the given quantities and facts that matter. Work out each intermediate "
  .. "result with care for calculation and common sense."

function M.run(ctx)
  local o = S.read("plan_solve", ctx, M.spec.entries.run.input)
  local solution = alc.llm(K.paragraphs(o.task, PLAN, o.detailed and DETAILS or nil), o.llm)
  local answer = alc.llm(K.paragraphs(
    o.task,
    "Solution:\n" .. solution,
    "So what is the answer? Give only the answer."
  ), o.llm)
  ctx.result = { answer = K.trim(answer), solution = solution }
  return ctx
end

return M
