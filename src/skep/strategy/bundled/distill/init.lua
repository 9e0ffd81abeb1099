--- Recursive summaries: a long text is cut into chunks, each is summarised, and the summaries are a shorter text that
--- is treated in the same way until one is left.
---
--- Jeff Wu, Long Ouyang, Daniel M. Ziegler, Nisan Stiennon, Ryan Lowe, Jan Leike, Paul Christiano: "Recursively
--- Summarizing Books with Human Feedback", 2021, arXiv:2109.10862. Theirs shows each chunk the summaries before it;
--- ours asks all chunks of a level at once, with an overlap instead.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "distill",
  version = "0.1.0",
  description = "Condenses a text of any length by summaries of summaries.",
  category = "extraction",
}

local MAX_CHUNKS = 1000

M.spec = {
  entries = {
    run = {
      input = S.input({
        text = S.optional(S.text),
        size = S.optional(S.count(200, 100000), 6000),
        overlap = S.optional(S.count(0, 10000), 200),
        words = S.optional(S.count(10, 2000), 150),
      }),
      result = S.shape({
        answer = S.string,
        chunks = S.count(1, MAX_CHUNKS),
        levels = S.array_of(S.count(1, MAX_CHUNKS), 1, 100),
      }),
    },
  },
}

local function cut(o, text)
  local chunks = alc.chunk(text, { mode = "chars", size = o.size, overlap = math.min(o.overlap, o.size // 2) })
  if #chunks > MAX_CHUNKS then
    error(("distill: the text makes %d chunks, at most %d are read: raise ctx.size"):format(#chunks, MAX_CHUNKS), 0)
  end
  return chunks
end

local function summarised(o, chunks)
  return alc.parallel(chunks, function(chunk, i)
    return K.paragraphs(
      o.text and "What is wanted:\n" .. o.task or nil,
      #chunks > 1 and ("Part %d of %d of a text:"):format(i, #chunks) or "Text:",
      chunk,
      ("Summarise it in at most %d words. Keep what matters most%s, and names and numbers exactly."):format(
        o.words,
        o.text and " for what is wanted" or ""
      )
    )
  end, K.options(o.llm, { post_fn = K.trim }))
end

local function condense(o)
  local chunks, levels = cut(o, o.text or o.task), {}
  while true do
    levels[#levels + 1] = #chunks
    alc.progress(#levels, 0, #chunks .. " parts")
    local summaries = summarised(o, chunks)
    if #summaries == 1 then
      return summaries[1], levels
    end
    local shorter = cut(o, table.concat(summaries, "\n\n"))
    if #shorter >= #chunks then
      error("distill: the summaries are no shorter than the text: lower ctx.words or raise ctx.size", 0)
    end
    chunks = shorter
  end
end

function M.run(ctx)
  local o = S.read("distill", ctx, M.spec.entries.run.input)
  local answer, levels = condense(o)
  ctx.result = { answer = answer, chunks = levels[1], levels = levels }
  return ctx
end

return M
