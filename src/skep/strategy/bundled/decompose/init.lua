--- Decomposed prompting: a controller asks for one sub-task after the other, each done by the handler that it names,
--- until it says that the last answer is the answer to the whole.
---
--- Tushar Khot, Harsh Trivedi, Matthew Finlayson, Yao Fu, Kyle Richardson, Peter Clark, Ashish Sabharwal: "Decomposed
--- Prompting: A Modular Approach for Solving Complex Tasks", ICLR 2023, arXiv:2210.02406.
local S, K = require("skep_shapes"), require("skep_kit")
local M = {}

M.meta = {
  name = "decompose",
  version = "0.1.0",
  description = "Hands one sub-task after the other to the handler that suits it.",
  category = "planning",
}

local HANDLER = S.shape({ name = S.text, instructions = S.text })
local ANSWER = { name = "answer", instructions = "Answer the question. Give only the answer." }
local STEP = S.shape({ handler = S.string, question = S.string, answer = S.string })

M.spec = {
  entries = {
    run = {
      input = S.input({
        handlers = S.optional(S.array_of(HANDLER, 1, 20), { ANSWER }),
        steps = S.optional(S.count(1, 30), 8),
      }),
      result = S.shape({
        answer = S.string,
        steps = S.array_of(STEP, 1, 30),
        stopped = S.one_of("done", "steps", "budget"),
      }),
    },
  },
}

local function told(step)
  return ("[%s] %s\n-> %s"):format(step.handler, step.question, step.answer)
end

local function offered(handler)
  return ("[%s] %s"):format(handler.name, handler.instructions)
end

local function named(o, name)
  for _, handler in ipairs(o.handlers) do
    if K.key(handler.name) == K.key(name) then
      return handler
    end
  end
  return nil
end

-- "[handler] question", or the end, which needs a step to end with.
local function next_step(o, steps)
  return K.ask(K.paragraphs(
    "Task:\n" .. o.task,
    "Handlers:\n" .. table.concat(alc.map(o.handlers, offered), "\n"),
    #steps > 0 and "So far:\n" .. table.concat(alc.map(steps, told), "\n") or nil,
    "What is the next sub-task, small enough for one handler, that can be understood without anything above? If the "
      .. "last answer already does the whole task, there is none."
  ), o.llm, function(said)
    local line = K.marked(said, "Next")
    if line and #steps > 0 and line:lower():find("^%W*done") then
      return {}
    end
    local name, question = (line or ""):match("^%[(.-)%]%s*(.+)$")
    local handler = name and named(o, name)
    return handler and { handler = handler, question = question }
  end, "End with a line `Next: [handler] sub-task`, or `Next: done`.")
end

local function work(o)
  local steps = {}
  while #steps < o.steps do
    if #steps > 0 and not K.affords(2) then
      return steps, "budget"
    end
    local step = next_step(o, steps)
    if step == nil then
      error("decompose: the next sub-task could not be read in two replies", 0)
    elseif step.handler == nil then
      return steps, "done"
    end
    local answer = K.trim(alc.llm(K.paragraphs(step.handler.instructions, step.question), o.llm))
    steps[#steps + 1] = { handler = step.handler.name, question = step.question, answer = answer }
    alc.progress(#steps, o.steps, step.handler.name)
  end
  return steps, "steps"
end

function M.run(ctx)
  local o = S.read("decompose", ctx, M.spec.entries.run.input)
  local steps, stopped = work(o)
  ctx.result = { answer = steps[#steps].answer, steps = steps, stopped = stopped }
  return ctx
end

return M
