-- How Python runs scripts: compile once, call as often as it likes, each call in a guarded coroutine.
--
-- The memory limit is on only while a script runs: outside, an allocation that fails would end the whole process.
local skep = ...
local env, limited, ask, taken, offer = skep.env, skep.limited, skep.ask, skep.taken, skep.offer
local type, error, load, next, rawget, rawset, tostring = type, error, load, next, rawget, rawset, tostring
local resume, status, close, xpcall = coroutine.resume, coroutine.status, coroutine.close, xpcall
local traceback, getmetatable, utf8_len = debug.traceback, debug.getmetatable, utf8.len
local sub, gsub = string.sub, string.gsub
local take = skep.take
local guarded, spent, is_tripped = skep.guarded, skep.spent, skep.is_tripped
local null, MESSAGE, TRACEBACK = skep.null, skep.max_message, skep.max_traceback

local chunks, running, saved = {}, {}, {}

-- -- text of errors ----------------------------------------------------------------------------

local function clean(text, longest)
  if #text > longest then
    text = sub(text, 1, longest) .. "..."
  end
  if not utf8_len(text) then
    text = gsub(text, "[\128-\255]", "?")
  end
  return text
end

-- An error object's own __tostring is a script's code: it runs guarded.
local function described(e)
  local metatable = type(e) == "table" and getmetatable(e)
  if metatable and rawget(metatable, "__tostring") ~= nil then
    local co = guarded(tostring)
    limited(true)
    local ok, text = resume(co, e)
    limited(false)
    if ok and type(text) == "string" then
      return text
    end
  end
  return "(error object is a " .. type(e) .. " value)"
end

local function message(e)
  if type(e) == "number" then
    e = tostring(e)
  elseif type(e) ~= "string" then
    e = described(e)
  end
  return clean(e, MESSAGE)
end

local trace = ""

local function remember(e)
  if not is_tripped() then
    trace = traceback("", 2)
  end
  return e
end

-- -- calls -------------------------------------------------------------------------------------

local function evaluated(chunk, ...)
  local f = chunk()
  if type(f) ~= "function" then
    error("the script must return a function, it returned " .. (f == nil and "nothing" or "a " .. type(f)), 0)
  end
  return f(...)
end

local function restore(id)
  for name, value in next, saved[id] or {} do
    if value == null then
      value = nil
    end
    rawset(env, name, value)
  end
  saved[id] = nil
end

local function ended(id)
  running[id] = nil
  restore(id)
end

local function outcome(kind, value)
  local n, refused = offer(value)
  if n then
    return kind, n, skep.give(1)
  elseif refused.limit then
    return "limit", refused.limit
  end
  return "refused", refused.refused, clean(refused.place, MESSAGE)
end

local function failed(e)
  local text, where = message(e), clean(trace, TRACEBACK)
  local _, reason = spent()
  if reason then
    return "limit", reason
  end
  return "error", text, where
end

local function settle(id, co, alive, ok, value)
  limited(false)
  local _, reason = spent()
  if reason then
    ended(id)
    return "limit", reason
  elseif alive and status(co) == "suspended" then
    return outcome("yielded", ok)
  end
  ended(id)
  if not alive then
    return failed(ok)
  elseif not ok then
    return failed(value)
  end
  return outcome("done", value)
end

function skep.compile(id, source, name)
  limited(true)
  local chunk, e = load(source, "@" .. name, "t", env)
  limited(false)
  chunks[id] = chunk
  if not chunk then
    return "error", message(e)
  end
end

function skep.forget(id)
  chunks[id] = nil
end

-- Sets globals for one call; they are put back when it has ended.
function skep.bind(id)
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

local function begin(id, instructions, ...)
  trace = ""
  skep.reset_printed()
  skep.arm(instructions)
  local co = guarded(xpcall)
  running[id] = co
  limited(true)
  return settle(id, co, resume(co, ...))
end

function skep.hook(id, instructions, chunk, ...)
  take(...)
  return begin(id, instructions, evaluated, remember, chunks[chunk], taken())
end

function skep.run(id, instructions, chunk)
  return begin(id, instructions, chunks[chunk], remember)
end

function skep.resume(id, instructions)
  local co = running[id]
  skep.arm(instructions)
  limited(true)
  return settle(id, co, resume(co, taken()))
end

function skep.drop(id)
  ended(id)
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
function skep.host_function(id)
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

function skep.define(id, ...)
  local owner, path = env, { ... }
  for i = 1, #path - 1 do
    local inner = rawget(owner, path[i])
    if type(inner) ~= "table" then
      inner = {}
      rawset(owner, path[i], inner)
    end
    owner = inner
  end
  rawset(owner, path[#path], skep.host_function(id))
end

-- `host` for one call: pairs of name and id.
function skep.bind_host(id, ...)
  local names, functions = { ... }, {}
  for i = 1, #names, 2 do
    functions[names[i]] = skep.host_function(names[i + 1])
  end
  local before = saved[id] or {}
  local old = rawget(env, "host")
  before.host = old == nil and null or old
  saved[id] = before
  rawset(env, "host", functions)
end
