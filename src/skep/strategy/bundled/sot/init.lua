--- Skeleton of thought: write the points of an answer first, then all points at once, side by side.
---
--- Xuefei Ning, Zinan Lin, Zixuan Zhou, Zifu Wang, Huazhong Yang, Yu Wang: "Skeleton-of-Thought: Prompting LLMs for
--- Efficient Parallel Generation", ICLR 2024, arXiv:2307.15337.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "sot",
  version = "0.1.0",
  description = "Writes the skeleton of an answer, then all of its points side by side.",
  category = "generation",
}

M.spec = {
  entries = {
    run = {
      input = S.input({ points = S.optional(S.count(1, 30), 10) }),
      result = S.shape({
        answer = S.string,
        points = S.array_of(S.shape({ point = S.string, text = S.string }), 1, 30),
      }),
    },
  },
}

local function skeleton_of(o)
  local points = K.list(K.paragraphs(
    "Question:\n" .. o.task,
    ("Give only the skeleton of an answer: three to %d points, each of three to five words."):format(o.points)
  ), o.llm, o.points)
  if points == nil then
    error("sot: no skeleton could be read in two replies", 0)
  end
  return points
end

local function expanded(o, points)
  local skeleton = K.numbered(points)
  return alc.parallel(points, function(point, i)
    return K.paragraphs(
      "Question:\n" .. o.task,
      "Skeleton of the answer:\n" .. skeleton,
      ("Write point %d, `%s`, in one or two short sentences. Only this point, without its number."):format(i, point)
    )
  end, K.options(o.llm, { post_fn = function(text, point) return { point = point, text = K.trim(text) } end }))
end

function M.run(ctx)
  local o = S.read("sot", ctx, M.spec.entries.run.input)
  local points = expanded(o, skeleton_of(o))
  local answer = K.numbered(points, function(one) return one.point .. "\n" .. one.text end)
  ctx.result = { answer = answer, points = points }
  return ctx
end

return M
