--- Chain of thought: reason step by step, then answer.
---
--- Jason Wei, Xuezhi Wang, Dale Schuurmans, Maarten Bosma, Brian Ichter, Fei Xia, Ed Chi, Quoc Le, Denny Zhou:
--- "Chain-of-Thought Prompting Elicits Reasoning in Large Language Models", NeurIPS 2022, arXiv:2201.11903.
--- Without examples, the two questions of Takeshi Kojima, Shixiang Shane Gu, Machel Reid, Yutaka Matsuo, Yusuke
--- Iwasawa: "Large Language Models are Zero-Shot Reasoners", NeurIPS 2022, arXiv:2205.11916.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "cot",
  version = "0.1.0",
  description = "Reasons step by step, then answers.",
  category = "reasoning",
}

local EXAMPLE = S.shape({ question = S.text, reasoning = S.text, answer = S.text })

M.spec = {
  entries = {
    run = {
      input = S.input({ examples = S.optional(S.array_of(EXAMPLE, 0, 20), {}) }),
      result = S.shape({ answer = S.string, reasoning = S.string }),
    },
  },
}

local function worked(example)
  return ("Question: %s\nReasoning: %s\nAnswer: %s"):format(example.question, example.reasoning, example.answer)
end

local function extract(task, reasoning, opts)
  return K.trim(alc.llm(K.paragraphs(
    task,
    "Reasoning:\n" .. reasoning,
    "What is the answer, according to this reasoning? Give only the answer."
  ), opts))
end

local function by_example(o)
  local shown = table.concat(alc.map(o.examples, worked), "\n\n")
  local reasoning = alc.llm(K.paragraphs(
    "Answer the last question as the others were answered: reason first, then write a line `Answer: ...`.",
    shown,
    "Question: " .. o.task
  ), o.llm)
  return reasoning, K.marked(reasoning, "Answer")
end

function M.run(ctx)
  local o = S.read("cot", ctx, M.spec.entries.run.input)
  local reasoning, answer
  if #o.examples > 0 then
    reasoning, answer = by_example(o)
  else
    reasoning = alc.llm(K.paragraphs(o.task, "Let us think step by step."), o.llm)
  end
  ctx.result = { answer = answer or extract(o.task, reasoning, o.llm), reasoning = reasoning }
  return ctx
end

return M
