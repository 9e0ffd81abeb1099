--- Self-Refine: answer, criticise the answer, refine it with everything said so far, until there is nothing to say.
---
--- Aman Madaan, Niket Tandon, Prakhar Gupta, Skyler Hallinan, Luyu Gao and others: "Self-Refine: Iterative Refinement
--- with Self-Feedback", NeurIPS 2023, arXiv:2303.17651.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "reflect",
  version = "0.1.0",
  description = "Criticises its own answer and refines it until nothing is left to improve.",
  category = "refinement",
}

M.spec = {
  entries = {
    run = {
      input = S.input({
        rounds = S.optional(S.count(1, 10), 3),
        criteria = S.optional(S.text, "correctness, completeness and clarity"),
      }),
      result = S.shape({
        answer = S.string,
        rounds = S.count(0, 10),
        stopped = S.one_of("good", "rounds", "budget"),
        history = S.array_of(S.shape({ answer = S.string, feedback = S.string }), 0, 10),
      }),
    },
  },
}

local function feedback_on(o, answer)
  return alc.llm(K.paragraphs(
    "Task:\n" .. o.task,
    "Answer:\n" .. answer,
    "Judge this answer by " .. o.criteria .. ". Name each problem exactly, and what would repair it.",
    "End with a line `Verdict: good` if nothing should be changed, else `Verdict: refine`."
  ), o.llm)
end

local function told(entry)
  return ("Answer:\n%s\n\nFeedback:\n%s"):format(entry.answer, entry.feedback)
end

local function refine(o, history)
  return K.trim(alc.llm(K.paragraphs(
    "Task:\n" .. o.task,
    table.concat(alc.map(history, told), "\n\n"),
    "Write a better answer that takes all feedback into account. Give only the answer."
  ), o.llm))
end

function M.run(ctx)
  local o = S.read("reflect", ctx, M.spec.entries.run.input)
  local answer, history = K.trim(alc.llm(o.task, o.llm)), {}
  local stopped = "rounds"
  for round = 1, o.rounds do
    if not K.affords(2) then
      stopped = "budget"
      break
    end
    alc.progress(round, o.rounds, "refining")
    local feedback = feedback_on(o, answer)
    if K.word(feedback, "Verdict", { "good" }) then
      stopped = "good"
      break
    end
    history[#history + 1] = { answer = answer, feedback = feedback }
    answer = refine(o, history)
  end
  ctx.result = { answer = answer, rounds = #history, stopped = stopped, history = array(history) }
  return ctx
end

return M
