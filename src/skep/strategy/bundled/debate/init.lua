--- Multiagent debate: several agents answer, read each other's answers and reconsider; the majority at the end counts.
---
--- Yilun Du, Shuang Li, Antonio Torralba, Joshua B. Tenenbaum, Igor Mordatch: "Improving Factuality and Reasoning in
--- Language Models through Multiagent Debate", ICML 2024, arXiv:2305.14325.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "debate",
  version = "0.1.0",
  description = "Lets agents reconsider their answers in view of the others' until they agree.",
  category = "synthesis",
}

M.spec = {
  entries = {
    run = {
      input = S.input({
        agents = S.optional(S.count(2, 20), 3),
        rounds = S.optional(S.count(0, 10), 2),
        temperature = S.optional(S.between(0, 2), 0.7),
      }),
      result = S.shape({
        answer = S.string,
        votes = S.count(1, 20),
        answers = S.array_of(S.string, 1, 20),
        rounds = S.count(0, 10),
        unreadable = S.count(0, 20),
        stopped = S.one_of("agreed", "rounds", "budget"),
      }),
    },
  },
}

local FORM = "End with a line `Answer: ...` that holds the final answer and nothing else."

local function others(responses, agent)
  local said = {}
  for i, response in ipairs(responses) do
    if i ~= agent then
      said[#said + 1] = response
    end
  end
  return said
end

local function prompt_of(o, responses, agent)
  if responses == nil then
    return K.paragraphs(o.task, "Reason step by step.", FORM)
  end
  return K.paragraphs(
    "Question:\n" .. o.task,
    "Your last answer:\n" .. responses[agent],
    K.labelled("Another agent's answer", others(responses, agent)),
    "Take the other answers as advice: look where they or you may be wrong, and answer again, step by step.",
    FORM
  )
end

local function round(o, before)
  local batch = {}
  for agent = 1, o.agents do
    batch[agent] = K.options(o.llm, { temperature = o.temperature })
    batch[agent].prompt = prompt_of(o, before, agent)
  end
  return alc.llm_batch(batch)
end

local function answers_of(responses)
  local answers = {}
  for _, response in ipairs(responses) do
    answers[#answers + 1] = K.marked(response, "Answer")
  end
  return answers
end

-- All agents, and all the same: one that cannot be read has not agreed.
local function agreed(o, answers)
  local _, votes = K.majority(answers)
  return votes == o.agents
end

local function discuss(o)
  local responses = round(o)
  for turn = 1, o.rounds do
    if agreed(o, answers_of(responses)) then
      return responses, turn - 1, "agreed"
    elseif not K.affords(o.agents) then
      return responses, turn - 1, "budget"
    end
    alc.progress(turn, o.rounds, "debating")
    responses = round(o, responses)
  end
  return responses, o.rounds, agreed(o, answers_of(responses)) and "agreed" or "rounds"
end

function M.run(ctx)
  local o = S.read("debate", ctx, M.spec.entries.run.input)
  local responses, rounds, stopped = discuss(o)
  local answers = answers_of(responses)
  if #answers == 0 then
    error("debate: none of the agents gave an answer that can be read", 0)
  end
  local answer, votes = K.majority(answers)
  ctx.result = {
    answer = answer,
    votes = votes,
    answers = answers,
    rounds = rounds,
    unreadable = o.agents - #answers,
    stopped = stopped,
  }
  return ctx
end

return M
