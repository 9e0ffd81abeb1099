--- Least to most: split a problem into easier ones, and solve them in order, each with the answers of those before.
---
--- Denny Zhou, Nathanael Schärli, Le Hou, Jason Wei, Nathan Scales, Xuezhi Wang, Dale Schuurmans, Claire Cui,
--- Olivier Bousquet, Quoc Le, Ed Chi: "Least-to-Most Prompting Enables Complex Reasoning in Large Language Models",
--- ICLR 2023, arXiv:2205.10625.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "least_to_most",
  version = "0.1.0",
  description = "Splits a problem into easier ones and solves them in order, the whole problem last.",
  category = "reasoning",
}

M.spec = {
  entries = {
    run = {
      input = S.input({ parts = S.optional(S.count(1, 20), 6) }),
      result = S.shape({
        answer = S.string,
        steps = S.array_of(S.shape({ question = S.string, answer = S.string }), 1, 21),
      }),
    },
  },
}

local function reduce(o)
  local parts = K.list(K.paragraphs(
    "Problem:\n" .. o.task,
    ("To solve it, which easier questions must be answered first? At most %d, the easiest first, each of use for "
      .. "those after it."):format(o.parts)
  ), o.llm, o.parts)
  if parts == nil then
    alc.log("warn", "least_to_most: no easier questions could be read; the problem is solved at once")
    parts = {}
  end
  if #parts == 0 or K.key(parts[#parts]) ~= K.key(o.task) then
    parts[#parts + 1] = o.task
  end
  return parts
end

local function told(step)
  return ("Question: %s\nAnswer: %s"):format(step.question, step.answer)
end

local function solve(o, steps, question)
  return K.trim(alc.llm(K.paragraphs(
    "Problem:\n" .. o.task,
    table.concat(alc.map(steps, told), "\n\n"),
    "Question: " .. question,
    "Answer this question, with the help of the answers above."
  ), o.llm))
end

function M.run(ctx)
  local o = S.read("least_to_most", ctx, M.spec.entries.run.input)
  local steps, parts = {}, reduce(o)
  for i, question in ipairs(parts) do
    alc.progress(i, #parts, "solving")
    steps[i] = { question = question, answer = solve(o, steps, question) }
  end
  ctx.result = { answer = steps[#steps].answer, steps = steps }
  return ctx
end

return M
