--- Reflexion: try, have the attempt judged, put the lesson of a failure into words, and try again with these in mind.
---
--- Noah Shinn, Federico Cassano, Edward Berman, Ashwin Gopinath, Karthik Narasimhan, Shunyu Yao: "Reflexion: Language
--- Agents with Verbal Reinforcement Learning", NeurIPS 2023, arXiv:2303.11366.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "reflexion",
  version = "0.1.0",
  description = "Tries again after each failure, with the lessons of the failures before.",
  category = "refinement",
}

local TRIAL = S.shape({ answer = S.string, verdict = S.string, reflection = S.optional(S.string) })

M.spec = {
  entries = {
    run = {
      input = S.input({
        criteria = S.optional(S.text, "The answer is correct and does the whole task."),
        trials = S.optional(S.count(1, 20), 3),
        memory = S.optional(S.count(1, 10), 3),
      }),
      result = S.shape({
        answer = S.string,
        passed = S.boolean,
        trials = S.array_of(TRIAL, 1, 20),
        stopped = S.one_of("passed", "trials", "budget"),
      }),
    },
  },
}

-- Only the last few lessons: the paper bounds its memory to one to three.
local function lessons(o, trials)
  local kept = {}
  for i = math.max(1, #trials - o.memory + 1), #trials do
    kept[#kept + 1] = trials[i].reflection
  end
  return #kept > 0 and "Lessons of failed attempts:\n" .. K.numbered(kept) or nil
end

local function attempt(o, trials)
  return K.trim(alc.llm(K.paragraphs(o.task, lessons(o, trials)), o.llm))
end

local function judge(o, answer)
  return alc.llm(K.paragraphs(
    "Task:\n" .. o.task,
    "Attempt:\n" .. answer,
    "Does the attempt meet this? " .. o.criteria,
    "Say why, and end with a line `Verdict: pass` or `Verdict: fail`."
  ), o.llm)
end

local function reflect(o, trial)
  return K.trim(alc.llm(K.paragraphs(
    "Task:\n" .. o.task,
    "Your attempt:\n" .. trial.answer,
    "It failed:\n" .. trial.verdict,
    "In a few sentences: what went wrong, and what will you do differently next time?"
  ), o.llm))
end

-- A verdict that cannot be read is no pass.
local function try(o)
  local trials = {}
  for number = 1, o.trials do
    alc.progress(number, o.trials, "trying")
    local answer = attempt(o, trials)
    local trial = { answer = answer, verdict = judge(o, answer) }
    trials[number] = trial
    if K.word(trial.verdict, "Verdict", { "pass" }) then
      return trials, "passed"
    elseif number < o.trials then
      if not K.affords(3) then
        return trials, "budget"
      end
      trial.reflection = reflect(o, trial)
    end
  end
  return trials, "trials"
end

function M.run(ctx)
  local o = S.read("reflexion", ctx, M.spec.entries.run.input)
  local trials, stopped = try(o)
  ctx.result = {
    answer = trials[#trials].answer,
    passed = stopped == "passed",
    trials = trials,
    stopped = stopped,
  }
  return ctx
end

return M
