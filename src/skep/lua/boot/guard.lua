-- The guard: counts what a script uses, in every coroutine, and ends it for good once a limit is passed.
--
-- Whatever catches an error (pcall, xpcall, a failed resume) costs a grain and looks whether the guard has tripped,
-- and a tripped guard raises at every instruction: nothing a script does keeps it going.
--
-- Where no stack is left, the hook itself fails, with an error like any other: the script gets no further without
-- catching it. But Lua calls no hook while a hook's error is on its way. So what a script would run then, an error
-- handler or what a coroutine that has died of it still has to close, must not run: see `handled` and `protected`.
local skep = ...
local ask, GRAIN, POLL = skep.ask, skep.grain, skep.poll_seconds
local clock, sethook, error, type = os.clock, debug.sethook, error, type
local co_create, co_resume, co_close = coroutine.create, coroutine.resume, coroutine.close
local raw_pcall, raw_xpcall, rawequal, select = pcall, xpcall, rawequal, select

local used, budget, tripped, next_poll, probing = 0, 0, nil, 0, false

local function look()
  if used >= budget then
    tripped = "instructions"
    return
  end
  local now = clock()
  if now >= next_poll then
    next_poll = now + POLL
    tripped = ask("poll")
  end
end

local function tick()
  if probing then
    probing = false
    sethook(tick, "", GRAIN)
  elseif not tripped then
    used = used + GRAIN
    look()
  end
  if tripped then
    sethook(tick, "", 1)
    error(tripped, 0)
  end
end

-- Creating a coroutine costs a grain: it may use one before its own hook counts it.
local function charge()
  used = used + GRAIN
  if not tripped then
    look()
  end
  if tripped then
    error(tripped, 0)
  end
end

local function caught(ok, ...)
  if not ok or tripped then
    if not tripped and ... == "not enough memory" then
      tripped = "memory"
    end
    charge()
  end
  return ok, ...
end

function skep.trip(reason)
  tripped = reason
  error(reason, 0)
end

-- `budget` is what is left of the call's instructions; `used` counts from there.
function skep.arm(instructions)
  used, budget, tripped, next_poll = 0, instructions, nil, 0
end

function skep.spent()
  return used, tripped
end

function skep.is_tripped()
  return tripped ~= nil
end

function skep.guarded(body)
  local co = co_create(body)
  sethook(co, tick, "", GRAIN)
  return co
end
local guarded = skep.guarded

function skep.pcall(...)
  return caught(raw_pcall(...))
end

-- Whether the hook is called here.
local function hooked()
  probing = true
  sethook(tick, "", 1)
  if not probing then
    return true
  end
  probing = false
  sethook(tick, "", GRAIN)
  return false
end

local function handled(handler)
  return function(e)
    if tripped or not hooked() then
      return e
    end
    return handler(e)
  end
end

function skep.xpcall(f, handler, ...)
  if type(handler) ~= "function" then
    error("bad argument #2 to 'xpcall' (function expected)", 2)
  end
  return caught(raw_xpcall(f, handled(handler), ...))
end

local function passed(ok, ...)
  if not ok then
    error((...), 0)
  end
  return ...
end

-- A coroutine that has closed everything when it dies: pcall lets the hook run again first.
local function protected(f)
  return guarded(function(...)
    return passed(raw_pcall(f, ...))
  end)
end

local function check_body(f, name)
  if type(f) ~= "function" then
    error("bad argument #1 to '" .. name .. "' (function expected)", 3)
  end
  charge()
end

local function relay(alive, ...)
  if alive and not tripped then
    return ...
  end
  charge()
  error((...), 2)
end

-- Closing goes on after an error: each handler would get its first grain for nothing where the hook fails.
local function check_room()
  if select(-1, raw_pcall(raw_pcall, raw_pcall, raw_pcall, rawequal, 1, 1)) ~= true then
    error("C stack overflow", 3)
  end
end

skep.coroutine = {
  create = function(f)
    check_body(f, "create")
    return protected(f)
  end,
  resume = function(...)
    return caught(co_resume(...))
  end,
  wrap = function(f)
    check_body(f, "wrap")
    local co = protected(f)
    return function(...)
      return relay(co_resume(co, ...))
    end
  end,
  close = function(...)
    charge()
    check_room()
    return caught(co_close(...))
  end,
  running = coroutine.running,
  status = coroutine.status,
  yield = coroutine.yield,
  isyieldable = coroutine.isyieldable,
}
