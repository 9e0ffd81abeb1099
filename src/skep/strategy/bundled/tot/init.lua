--- Tree of thoughts, breadth first: from each state that is kept, propose next thoughts; value each new state; keep the
--- best; after the last step, answer from the best one.
---
--- Shunyu Yao, Dian Yu, Jeffrey Zhao, Izhak Shafran, Thomas L. Griffiths, Yuan Cao, Karthik Narasimhan: "Tree of
--- Thoughts: Deliberate Problem Solving with Large Language Models", NeurIPS 2023, arXiv:2305.10601.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "tot",
  version = "0.1.0",
  description = "Searches a tree of partial solutions breadth first, keeping the most promising.",
  category = "reasoning",
}

M.spec = {
  entries = {
    run = {
      input = S.input({
        steps = S.optional(S.count(1, 10), 3),
        thoughts = S.optional(S.count(1, 10), 3),
        breadth = S.optional(S.count(1, 10), 2),
      }),
      result = S.shape({
        answer = S.string,
        thoughts = S.array_of(S.string, 0, 10),
        value = S.number,
        states = S.count(0, 1000),
        stopped = S.one_of("steps", "no thoughts", "budget"),
      }),
    },
  },
}

-- The weights of the paper: one sure state outweighs many likely ones, and what cannot be read is not worth keeping.
local WORTH = { sure = 20.0, likely = 1.0, impossible = 0.001 }

local function so_far(o, thoughts)
  return K.paragraphs("Problem:\n" .. o.task, #thoughts > 0 and "Steps so far:\n" .. K.numbered(thoughts) or nil)
end

local function propose(o, frontier)
  return alc.parallel(frontier, function(state)
    return K.paragraphs(
      so_far(o, state.thoughts),
      ("Propose %d different next steps, one a line, numbered. Only the steps, no solution."):format(o.thoughts)
    )
  end, o.llm)
end

local function extended(state, thought)
  local thoughts = { table.unpack(state.thoughts) }
  thoughts[#thoughts + 1] = thought
  return { thoughts = thoughts }
end

local function children(o, frontier)
  local found = {}
  for i, said in ipairs(propose(o, frontier)) do
    for _, thought in ipairs(K.distinct(K.items(said, o.thoughts))) do
      found[#found + 1] = extended(frontier[i], thought)
    end
  end
  return found
end

local function value(o, states)
  local verdicts = alc.parallel(states, function(state)
    return K.paragraphs(
      so_far(o, state.thoughts),
      "Can these steps still lead to a right solution? Look a few steps ahead.",
      "End with a line `Value: sure`, `Value: likely` or `Value: impossible`."
    )
  end, o.llm)
  for i, said in ipairs(verdicts) do
    states[i].value = WORTH[K.word(said, "Value", { "sure", "likely", "impossible" }) or "unreadable"] or 0.0
    states[i].order = i
  end
end

local function best_of(o, states)
  table.sort(states, function(a, b)
    return a.value > b.value or (a.value == b.value and a.order < b.order)
  end)
  return { table.unpack(states, 1, math.min(o.breadth, #states)) }
end

local function search(o)
  local frontier, seen = { { thoughts = {}, value = 0.0 } }, 0
  for step = 1, o.steps do
    -- Proposals and values of this step, and the answer.
    if not K.affords(#frontier * (1 + o.thoughts) + 1) then
      return frontier, seen, "budget"
    end
    alc.progress(step, o.steps, #frontier .. " states")
    local states = children(o, frontier)
    if #states == 0 then
      return frontier, seen, "no thoughts"
    end
    value(o, states)
    seen = seen + #states
    frontier = best_of(o, states)
  end
  return frontier, seen, "steps"
end

function M.run(ctx)
  local o = S.read("tot", ctx, M.spec.entries.run.input)
  local frontier, seen, stopped = search(o)
  local best = frontier[1]
  local answer = alc.llm(K.paragraphs(
    so_far(o, best.thoughts),
    "Finish the solution from here. Give only the answer."
  ), o.llm)
  ctx.result = {
    answer = K.trim(answer),
    thoughts = array(best.thoughts),
    value = best.value,
    states = seen,
    stopped = stopped,
  }
  return ctx
end

return M
