--- UCB1: candidates are arms, a verdict on one is a pull; the next pull goes where the mean reward and what is still
--- unknown about it are highest together, so doubtful good candidates are looked at more often than bad ones.
---
--- Peter Auer, Nicolò Cesa-Bianchi, Paul Fischer: "Finite-time Analysis of the Multiarmed Bandit Problem", Machine
--- Learning 47, 2002, doi:10.1023/A:1013689704352.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "ucb",
  version = "0.1.0",
  description = "Spends its judgements on the candidates that may be best (UCB1).",
  category = "selection",
}

local ARM = S.shape({ candidate = S.string, pulls = S.count(0, 200), mean = S.between(0, 1) })

M.spec = {
  entries = {
    run = {
      input = S.input({
        candidates = S.optional(S.array_of(S.text, 2, 20)),
        n = S.optional(S.count(2, 20), 4),
        pulls = S.optional(S.count(1, 200), 12),
        exploration = S.optional(S.between(0, 100), 2),
        temperature = S.optional(S.between(0, 2), 0.7),
      }),
      result = S.shape({
        answer = S.string,
        arms = S.array_of(ARM, 2, 20),
        stopped = S.one_of("pulls", "budget"),
        unreadable = S.count(0, 220),
      }),
    },
  },
}

local function question(o, arm)
  return K.paragraphs(
    "Task:\n" .. o.task,
    "Answer:\n" .. arm.candidate,
    "How good is this answer? Look for what could be wrong with it, then score it from 1 (useless) to 10 (perfect).",
    "End with a line `Score: N`."
  )
end

-- A reward in [0, 1]; a verdict that cannot be read is a reward in the middle, and counted.
local function credit(seen, arm, said)
  local score = alc.parse_score(K.marked(said, "Score") or "", false)
  if not score then
    seen.unreadable = seen.unreadable + 1
  end
  local reward = score and (score - 1) / 9 or 0.5
  arm.mean = (arm.mean * arm.pulls + reward) / (arm.pulls + 1)
  arm.pulls = arm.pulls + 1
end

local function bound(o, arm, total)
  return arm.mean + math.sqrt(o.exploration * math.log(total) / arm.pulls)
end

local function best(arms, value)
  local found
  for _, arm in ipairs(arms) do
    if found == nil or value(arm) > value(found) then
      found = arm
    end
  end
  return found
end

local function pull_each(o, opts, seen, arms)
  local verdicts = alc.parallel(arms, function(arm) return question(o, arm) end, opts)
  for i, said in ipairs(verdicts) do
    credit(seen, arms[i], said)
  end
end

function M.run(ctx)
  local o = S.read("ucb", ctx, M.spec.entries.run.input)
  local opts = K.options(o.llm, { temperature = o.temperature })
  local arms = alc.map(o.candidates or K.samples(o.n, o.task, opts), function(candidate)
    return { candidate = K.trim(candidate), pulls = 0, mean = 0.0 }
  end)
  local seen = { unreadable = 0 }
  pull_each(o, opts, seen, arms)
  local stopped = "pulls"
  for total = #arms, o.pulls - 1 do
    if not K.affords(1) then
      stopped = "budget"
      break
    end
    local arm = best(arms, function(one) return bound(o, one, total) end)
    credit(seen, arm, alc.llm(question(o, arm), opts))
    alc.progress(total + 1, o.pulls, "judging")
  end
  local winner = best(arms, function(arm) return arm.mean end)
  ctx.result = { answer = winner.candidate, arms = arms, stopped = stopped, unreadable = seen.unreadable }
  return ctx
end

return M
