--- Universal self-consistency: several free answers, and the model itself says which agrees most with the others.
---
--- Xinyun Chen, Renat Aksitov, Uri Alon, Jie Ren, Kefan Xiao, Pengcheng Yin, Sushant Prakash, Charles Sutton,
--- Xuezhi Wang, Denny Zhou: "Universal Self-Consistency for Large Language Model Generation", 2023, arXiv:2311.17311.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "usc",
  version = "0.1.0",
  description = "Chooses, of several free-form answers, the one that is most consistent with the rest.",
  category = "aggregation",
}

M.spec = {
  entries = {
    run = {
      input = S.input({
        samples = S.optional(S.count(2, 50), 5),
        temperature = S.optional(S.between(0, 2), 0.7),
      }),
      result = S.shape({
        answer = S.string,
        choice = S.count(1, 50),
        decided = S.boolean,
        answers = S.array_of(S.string, 2, 50),
      }),
    },
  },
}

local function choose(o, answers)
  return K.ask(K.paragraphs(
    "Several responses were given to this task:\n" .. o.task,
    K.labelled("Response", answers),
    "Which response agrees most with the majority of them? Compare what they say, not how."
  ), o.llm, function(said)
    return K.choice(K.marked(said, "Choice"), #answers)
  end, "End with a line `Choice: N`, N being the number of a response.")
end

function M.run(ctx)
  local o = S.read("usc", ctx, M.spec.entries.run.input)
  local answers = K.samples(o.samples, o.task, K.options(o.llm, { temperature = o.temperature }))
  local choice = choose(o, answers)
  if choice == nil then
    alc.log("warn", "usc: no choice could be read; the first answer is taken")
  end
  ctx.result = {
    answer = answers[choice or 1],
    choice = choice or 1,
    decided = choice ~= nil,
    answers = answers,
  }
  return ctx
end

return M
