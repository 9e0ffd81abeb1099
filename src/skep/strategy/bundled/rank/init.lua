--- Pairwise ranking: each candidate against each other, in both orders, so that the place of an answer does not count.
---
--- Zhen Qin, Rolf Jagerman, Kai Hui, Honglei Zhuang, Junru Wu and others: "Large Language Models are Effective Text
--- Rankers with Pairwise Ranking Prompting" (PRP-Allpair), Findings of NAACL 2024, arXiv:2306.17563.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "rank",
  version = "0.1.0",
  description = "Ranks candidate answers by comparing each pair in both orders.",
  category = "selection",
}

local RANKED = S.shape({ candidate = S.string, points = S.number, index = S.count(1, 20) })

M.spec = {
  entries = {
    run = {
      input = S.input({
        candidates = S.optional(S.array_of(S.text, 2, 20)),
        n = S.optional(S.count(2, 20), 4),
        temperature = S.optional(S.between(0, 2), 0.7),
      }),
      result = S.shape({ answer = S.string, ranking = S.array_of(RANKED, 2, 20), unreadable = S.count(0, 380) }),
    },
  },
}

local function generated(o)
  return alc.map(K.samples(o.n, o.task, K.options(o.llm, { temperature = o.temperature })), K.trim)
end

local function all_pairs(n)
  local pairs_of = {}
  for first = 1, n do
    for second = 1, n do
      if first ~= second then
        pairs_of[#pairs_of + 1] = { first, second }
      end
    end
  end
  return pairs_of
end

local function compared(o, candidates, duels)
  return alc.parallel(duels, function(duel)
    return K.paragraphs(
      "Task:\n" .. o.task,
      "Answer A:\n" .. candidates[duel[1]],
      "Answer B:\n" .. candidates[duel[2]],
      "Which answer does the task better? End with a line `Choice: A` or `Choice: B`."
    )
  end, K.options(o.llm, { post_fn = function(said) return K.word(said, "Choice", { "A", "B" }) or "none" end }))
end

-- A candidate that wins in both orders has a whole point of that pair; otherwise each has a half.
local function points_of(n, duels, verdicts)
  local points, unreadable = {}, 0
  for i = 1, n do
    points[i] = 0.0
  end
  for i, duel in ipairs(duels) do
    local first = ({ A = 1, B = 0, none = 0.5 })[verdicts[i]]
    unreadable = unreadable + (verdicts[i] == "none" and 1 or 0)
    points[duel[1]] = points[duel[1]] + first / 2
    points[duel[2]] = points[duel[2]] + (1 - first) / 2
  end
  return points, unreadable
end

local function ranking_of(candidates, points)
  local ranking = {}
  for i, candidate in ipairs(candidates) do
    ranking[i] = { candidate = candidate, points = points[i], index = i }
  end
  table.sort(ranking, function(a, b)
    return a.points > b.points or (a.points == b.points and a.index < b.index)
  end)
  return ranking
end

function M.run(ctx)
  local o = S.read("rank", ctx, M.spec.entries.run.input)
  local candidates = o.candidates or generated(o)
  local duels = all_pairs(#candidates)
  local points, unreadable = points_of(#candidates, duels, compared(o, candidates, duels))
  local ranking = ranking_of(candidates, points)
  ctx.result = { answer = ranking[1].candidate, ranking = ranking, unreadable = unreadable }
  return ctx
end

return M
