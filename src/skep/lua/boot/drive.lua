-- How Python runs scripts: compile once, call as often as it likes, each call in a guarded coroutine.
--
-- The memory limit is on only while a script runs: outside, an allocation that fails would end the whole process.
local skep = ...
local env, limited, taken, offer, take, late = skep.env, skep.limited, skep.taken, skep.offer, skep.take, skep.late
local guarded, spent, is_tripped = skep.guarded, skep.spent, skep.is_tripped
local type, error, load, xpcall, traceback = type, error, load, xpcall, debug.traceback
local resume, status = coroutine.resume, coroutine.status

local chunks, running, saved = {}, {}, {}
skep.chunks, skep.running, skep.saved = chunks, running, saved

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

local function ended(id)
  running[id] = nil
  if saved[id] then
    late("binding").restore(id)
  end
end

local function outcome(kind, value)
  local n, refused = offer(value)
  if n then
    return kind, n, skep.give(1)
  elseif refused.limit then
    return "limit", refused.limit
  end
  return "refused", refused.refused, late("failures").clean(refused.place, skep.max_message)
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
    return late("failures").failed(ok, trace)
  elseif not ok then
    return late("failures").failed(value, trace)
  end
  return outcome("done", value)
end

skep.settle = settle

-- What is dropped here is never looked at: it need not be fit to leave.
local function without_result(chunk)
  return function()
    local f = chunk()
    if type(f) ~= "function" then
      return f
    end
    return function(...)
      f(...)
    end
  end
end

function skep.compile(id, source, name, drops_result)
  limited(true)
  local chunk, e = load(source, "@" .. name, "t", env)
  limited(false)
  chunks[id] = chunk and drops_result and without_result(chunk) or chunk
  if not chunk then
    return "error", late("failures").message(e)
  end
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

function skep.drop(id)
  ended(id)
end
