--- Debate before a judge: two debaters commit to an answer each, argue in turn, and a third says who is right.
---
--- Geoffrey Irving, Paul Christiano, Dario Amodei: "AI safety via debate", 2018, arXiv:1805.00899.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "triad",
  version = "0.1.0",
  description = "Lets two debaters argue for their answers before a judge.",
  category = "adversarial",
}

M.spec = {
  entries = {
    run = {
      input = S.input({ rounds = S.optional(S.count(1, 6), 2) }),
      result = S.shape({
        answer = S.string,
        winner = S.one_of("A", "B", "both"),
        answers = S.array_of(S.string, 2, 2),
        statements = S.array_of(S.shape({ speaker = S.one_of("A", "B"), text = S.string }), 0, 12),
        verdict = S.string,
      }),
    },
  },
}

-- Both commit before either sees what the other says.
local function commit(o)
  return alc.parallel({ "A", "B" }, function(name)
    return K.paragraphs(
      ("You are debater %s of two. Which answer to this question will you defend?"):format(name),
      o.task,
      "Give only the answer, in a sentence or two."
    )
  end, K.options(o.llm, { post_fn = K.trim }))
end

local function transcript(o, answers, statements)
  local lines = { "Question:\n" .. o.task, "Answer of A:\n" .. answers[1], "Answer of B:\n" .. answers[2] }
  for _, statement in ipairs(statements) do
    lines[#lines + 1] = ("%s says:\n%s"):format(statement.speaker, statement.text)
  end
  return table.concat(lines, "\n\n")
end

local function argue(o, answers)
  local statements = {}
  for turn = 1, 2 * o.rounds do
    local speaker = turn % 2 == 1 and "A" or "B"
    alc.progress(turn, 2 * o.rounds, "arguing")
    statements[turn] = {
      speaker = speaker,
      text = K.trim(alc.llm(K.paragraphs(
        transcript(o, answers, statements),
        ("You are %s. Make one short statement that shows the judge why your answer is right, or where the other "
          .. "errs. It must be true: the other may expose it."):format(speaker)
      ), o.llm)),
    }
  end
  return statements
end

local function judge(o, answers, statements)
  local winner, verdict = K.ask(K.paragraphs(
    transcript(o, answers, statements),
    "You are the judge. Who is right? Go by what was shown, not by how it was said."
  ), o.llm, function(said)
    return K.word(said, "Winner", { "A", "B" })
  end, "End with a line `Winner: A` or `Winner: B`.")
  if winner == nil then
    error("triad: the judge named no winner in two replies", 0)
  end
  return winner, verdict
end

function M.run(ctx)
  local o = S.read("triad", ctx, M.spec.entries.run.input)
  local answers = commit(o)
  local statements, winner, verdict = {}, "both", "Both gave the same answer."
  if K.key(answers[1]) ~= K.key(answers[2]) then
    statements = argue(o, answers)
    winner, verdict = judge(o, answers, statements)
  end
  ctx.result = {
    answer = answers[winner == "B" and 2 or 1],
    winner = winner,
    answers = answers,
    statements = array(statements),
    verdict = verdict,
  }
  return ctx
end

return M
