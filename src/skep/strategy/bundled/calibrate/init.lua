--- Verbalised confidence: several times, the best guesses each with a probability; the answers are weighed by them.
---
--- Katherine Tian, Eric Mitchell, Allan Zhou, Archit Sharma, Rafael Rafailov, Huaxiu Yao, Chelsea Finn, Christopher
--- Manning: "Just Ask for Calibration", EMNLP 2023, arXiv:2305.14975 (the question, top-k). Miao Xiong, Zhiyuan Hu,
--- Xinyang Lu, Yifei Li, Jie Fu, Junxian He, Bryan Hooi: "Can LLMs Express Their Uncertainty?", ICLR 2024,
--- arXiv:2306.13063 (several samples, Avg-Conf).
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "calibrate",
  version = "0.1.0",
  description = "Answers with a confidence, and says whether it is high enough.",
  category = "meta",
}

local GUESS = S.shape({ answer = S.string, confidence = S.between(0, 1) })

M.spec = {
  entries = {
    run = {
      input = S.input({
        guesses = S.optional(S.count(1, 10), 4),
        samples = S.optional(S.count(1, 50), 3),
        threshold = S.optional(S.between(0, 1), 0.7),
        temperature = S.optional(S.between(0, 2), 0.7),
      }),
      result = S.shape({
        answer = S.string,
        confidence = S.between(0, 1),
        confident = S.boolean,
        guesses = S.array_of(GUESS, 1, 50),
        unreadable = S.count(0, 50),
      }),
    },
  },
}

local function asked(o)
  return K.samples(o.samples, K.paragraphs(
    o.task,
    ("Give your %d best guesses, and for each the probability that it is right, from 0 to 1."):format(o.guesses),
    "One guess a line, the likeliest first: `1. guess | probability`. Nothing else."
  ), K.options(o.llm, { temperature = o.temperature }))
end

local function probability(text, percent)
  local number = tonumber(text)
  number = number and percent == "%" and number / 100 or number
  return number and number >= 0 and number <= 1 and number or nil
end

-- The guess of one sample that it holds likeliest.
local function top_guess(o, said)
  local best
  for _, line in ipairs(K.items(said, o.guesses)) do
    local answer, number, percent = line:match("^(.-)%s*|%s*([%d%.]+)%s*(%%?)%s*$")
    local confidence = probability(number, percent)
    if confidence and answer ~= "" and (best == nil or confidence > best.confidence) then
      best = { answer = answer, confidence = confidence }
    end
  end
  return best
end

-- Of the whole stated confidence, the share that each answer holds; a single sample's own word is all there is.
local function averaged(tops)
  local total, by_key, guesses = 0, {}, {}
  for _, top in ipairs(tops) do
    local key = K.key(top.answer)
    if by_key[key] == nil then
      by_key[key] = { answer = top.answer, confidence = 0 }
      guesses[#guesses + 1] = by_key[key]
    end
    by_key[key].confidence = by_key[key].confidence + top.confidence
    total = total + top.confidence
  end
  for _, guess in ipairs(guesses) do
    guess.confidence = #tops == 1 and guess.confidence or total > 0 and guess.confidence / total or 0
  end
  return guesses
end

local function likeliest(guesses)
  return alc.reduce(guesses, function(best, guess) return guess.confidence > best.confidence and guess or best end)
end

function M.run(ctx)
  local o = S.read("calibrate", ctx, M.spec.entries.run.input)
  local tops = {}
  for _, said in ipairs(asked(o)) do
    tops[#tops + 1] = top_guess(o, said)
  end
  if #tops == 0 then
    error("calibrate: none of the samples held a guess with a probability", 0)
  end
  local guesses = averaged(tops)
  local best = likeliest(guesses)
  ctx.result = {
    answer = best.answer,
    confidence = best.confidence,
    confident = best.confidence >= o.threshold,
    guesses = guesses,
    unreadable = o.samples - #tops,
  }
  alc.stats.record("calibrate.confidence", best.confidence)
  return ctx
end

return M
