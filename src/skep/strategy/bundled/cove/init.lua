--- Chain of verification, factored: draft, plan questions that check the draft, answer each without seeing the draft,
--- then write again what the answers bear out.
---
--- Shehzaad Dhuliawala, Mojtaba Komeili, Jing Xu, Roberta Raileanu, Xian Li, Asli Celikyilmaz, Jason Weston:
--- "Chain-of-Verification Reduces Hallucination in Large Language Models", Findings of ACL 2024, arXiv:2309.11495.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "cove",
  version = "0.1.0",
  description = "Checks a draft by questions that are answered without it, then corrects it.",
  category = "validation",
}

M.spec = {
  entries = {
    run = {
      input = S.input({
        draft = S.optional(S.text),
        questions = S.optional(S.count(1, 30), 5),
        grounded = S.optional(S.boolean, false),
      }),
      result = S.shape({
        answer = S.string,
        draft = S.string,
        verified = S.boolean,
        checks = S.array_of(S.shape({ question = S.string, answer = S.string }), 0, 30),
      }),
    },
  },
}

local function plan(o, draft)
  return K.list(K.paragraphs(
    "Task:\n" .. o.task,
    "Draft of an answer:\n" .. draft,
    ("Write at most %d questions that check the facts in this draft, one fact each. Each must be understood without "
      .. "the draft, and must not say what the draft claims."):format(o.questions)
  ), o.llm, o.questions)
end

-- Each question alone: an answer that sees the draft repeats its mistakes.
local function answered(o, questions)
  return alc.parallel(questions, function(question)
    return K.options(o.llm, { prompt = question, grounded = o.grounded or nil })
  end, { post_fn = function(answer, question) return { question = question, answer = K.trim(answer) } end })
end

local function told(check)
  return ("Question: %s\nAnswer: %s"):format(check.question, check.answer)
end

local function corrected(o, draft, checks)
  return K.trim(alc.llm(K.paragraphs(
    "Task:\n" .. o.task,
    "Draft of an answer:\n" .. draft,
    "Checked since:\n" .. table.concat(alc.map(checks, told), "\n\n"),
    "Write the answer again. Correct what the checks contradict and leave out what they do not bear out. Give only "
      .. "the answer."
  ), o.llm))
end

function M.run(ctx)
  local o = S.read("cove", ctx, M.spec.entries.run.input)
  local draft = o.draft or K.trim(alc.llm(o.task, o.llm))
  local questions = plan(o, draft)
  if questions == nil then
    alc.log("warn", "cove: no questions could be read; the draft is not verified")
  end
  local checks = questions and answered(o, questions) or {}
  ctx.result = {
    answer = questions and corrected(o, draft, checks) or draft,
    draft = draft,
    verified = questions ~= nil,
    checks = array(checks),
  }
  return ctx
end

return M
