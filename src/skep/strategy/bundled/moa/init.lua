--- Mixture of agents: layers of proposers, each of which sees all answers of the layer before, and an aggregator.
---
--- Junlin Wang, Jue Wang, Ben Athiwaratkun, Ce Zhang, James Zou: "Mixture-of-Agents Enhances Large Language Model
--- Capabilities", ICLR 2025, arXiv:2406.04692.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "moa",
  version = "0.1.0",
  description = "Answers in layers: every proposer of a layer builds on all answers of the one before.",
  category = "aggregation",
}

M.spec = {
  entries = {
    run = {
      input = S.input({
        n = S.optional(S.count(1, 20), 3),
        layers = S.optional(S.count(1, 6), 2),
        models = S.optional(S.array_of(S.text, 1, 20)),
        aggregator = S.optional(S.text),
        temperature = S.optional(S.between(0, 2), 0.7),
      }),
      result = S.shape({
        answer = S.string,
        layers = S.array_of(S.array_of(S.string, 1, 20), 1, 6),
      }),
    },
  },
}

local SYNTHESIZE = "You are given answers of several models to the user's question. Make one answer of them, better "
  .. "than each: check what they say, some of it may be wrong or one-sided; do not just repeat them. Answer the user "
  .. "directly."

local function question(o, before, opts)
  local query = K.options(o.llm, opts)
  query.prompt = o.task
  if before ~= nil then
    query.system = K.paragraphs(o.llm.system, SYNTHESIZE, K.labelled("Answer", before))
  end
  return query
end

local function layer(o, before)
  local batch = {}
  for i = 1, o.n do
    local model = o.models and o.models[(i - 1) % #o.models + 1]
    batch[i] = question(o, before, { temperature = o.temperature })
    batch[i].model = model or batch[i].model
  end
  return alc.map(alc.llm_batch(batch), K.trim)
end

local function aggregate(o, before)
  local query = question(o, before)
  query.model = o.aggregator or query.model
  return K.trim(alc.llm(query.prompt, query))
end

function M.run(ctx)
  local o = S.read("moa", ctx, M.spec.entries.run.input)
  local layers = {}
  for i = 1, o.layers do
    alc.progress(i, o.layers + 1, "proposing")
    layers[i] = layer(o, layers[i - 1])
  end
  ctx.result = { answer = aggregate(o, layers[#layers]), layers = layers }
  return ctx
end

return M
