--- System 2 attention: rewrite the context so that only what matters is left, then answer from that alone.
---
--- Jason Weston, Sainbayar Sukhbaatar: "System 2 Attention (is something you might need too)", 2023, arXiv:2311.11829.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "s2a",
  version = "0.1.0",
  description = "Removes what is irrelevant or suggestive from the context, then answers from the rest.",
  category = "preprocessing",
}

M.spec = {
  entries = {
    run = {
      input = S.input({ text = S.optional(S.text) }),
      result = S.shape({ answer = S.string, context = S.string, question = S.string }),
    },
  },
}

local function sections(answer)
  local question = K.marked(answer, "Question")
  return question and { question = question, context = K.marked(answer, "Context", "Question") or "" }
end

local function regenerate(o)
  local text = K.paragraphs(o.text, o.task)
  local found = K.ask(K.paragraphs(
    "Text by a user:\n" .. text,
    "Take out of it what is needed to answer well: the facts that bear on the question, without opinions, hints at a "
      .. "wanted answer and things beside the point. Then the question itself, without the user's own leaning."
  ), o.llm, sections, "Write two sections that begin with the lines `Context:` and `Question:`.")
  if found == nil then
    alc.log("warn", "s2a: the rewritten text could not be read; the text is used as it is")
  end
  return found or { context = o.text or "", question = o.task }
end

function M.run(ctx)
  local o = S.read("s2a", ctx, M.spec.entries.run.input)
  local kept = regenerate(o)
  -- The first text is left out here: what the model sees, it attends to.
  local answer = alc.llm(K.paragraphs(kept.context, kept.question), o.llm)
  ctx.result = { answer = K.trim(answer), context = kept.context, question = kept.question }
  return ctx
end

return M
