-- Variables, host functions and coroutines: what calls other than hooks need. Loaded when the first of them comes.
local skep = ...
local env, limited, ask, take, taken, offer = skep.env, skep.limited, skep.ask, skep.take, skep.taken, skep.offer
local null, chunks, running, saved, settle = skep.null, skep.chunks, skep.running, skep.saved, skep.settle
local type, error, next, rawget, rawset, resume = type, error, next, rawget, rawset, resume

local binding = {}

function binding.forget(id)
  chunks[id] = nil
end

-- Sets globals for one call; they are put back when it has ended.
function binding.bind(id)
  local before = {}
  for name, value in next, (taken()) do
    local old = rawget(env, name)
    before[name] = old == nil and null or old
    if value == null then
      value = nil
    end
    rawset(env, name, value)
  end
  saved[id] = before
end

function binding.resume(id, instructions)
  local co = running[id]
  skep.arm(instructions)
  limited(true)
  return settle(id, co, resume(co, taken()))
end

-- -- host functions ----------------------------------------------------------------------------

local function receive(state, ...)
  if state == "error" then
    limited(true)
    error((...), 0)
  elseif state == "raised" then
    skep.trip("raised")
  end
  take(...)
  if state == "more" then
    return receive(ask("more"))
  end
  limited(true)
  return taken()
end

-- A function that gives its first argument to Python and returns what comes back.
local function host_function(id)
  return function(value)
    local n, refused = offer(value)
    if not n then
      local what = refused.limit and "passes the limit " .. refused.limit or "holds " .. refused.refused
      error("a host function cannot take a value that " .. what, 2)
    end
    limited(false)
    return receive(ask("call", id, skep.give_all()))
  end
end

function binding.define(id, ...)
  local owner, path = env, { ... }
  for i = 1, #path - 1 do
    local inner = rawget(owner, path[i])
    if type(inner) ~= "table" then
      inner = {}
      rawset(owner, path[i], inner)
    end
    owner = inner
  end
  rawset(owner, path[#path], host_function(id))
end

-- `host` for one call: pairs of name and id.
function binding.bind_host(id, ...)
  local names, functions = { ... }, {}
  for i = 1, #names, 2 do
    functions[names[i]] = host_function(names[i + 1])
  end
  local before = saved[id] or {}
  local old = rawget(env, "host")
  before.host = old == nil and null or old
  saved[id] = before
  rawset(env, "host", functions)
end

-- Puts the globals back.
function binding.restore(id)
  for name, value in next, saved[id] do
    if value == null then
      value = nil
    end
    rawset(env, name, value)
  end
  saved[id] = nil
end

return binding
