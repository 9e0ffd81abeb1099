-- What a script sees: an allow-list. The real globals stay out of its reach, and so does every Python object.
local skep = ...
local trusted = skep.trusted
local type, error, select, tostring, rawget = type, error, select, tostring, rawget
local setmetatable, raw_load, utf8_len = setmetatable, load, utf8.len
local concat, gsub, collect = table.concat, string.gsub, collectgarbage
local limited, ask = skep.limited, skep.ask

local env = {}
skep.env = env

for _, name in ipairs({
  "_VERSION", "assert", "error", "getmetatable", "ipairs", "next", "pairs", "rawequal", "rawget", "rawlen", "rawset",
  "select", "tonumber", "tostring", "type", "math", "string", "table", "utf8",
}) do
  env[name] = _G[name]
end
env._G, env.null, env.coroutine = env, skep.null, skep.coroutine
env.pcall, env.xpcall = skep.pcall, skep.xpcall
string.dump = nil

-- Metatables that every script shares.
debug.getmetatable("").__metatable = false
local objects = debug.getmetatable(skep.null)
objects.__index, objects.__newindex, objects.__call, objects.__metatable = nil, nil, nil, false
objects.__tostring = function()
  return "null"
end

-- All arrays share one: a finaliser that a script could put there would run, and the rest would stay for the next.
local is_array, metatable_of, replace_metatable = skep.is_array, debug.getmetatable, debug.setmetatable
is_array.__metatable = false

local function set_metatable(t, metatable)
  if metatable_of(t) == is_array then
    replace_metatable(t, nil)
  end
  return setmetatable(t, metatable)
end

-- Marks a table as a JSON array: an empty one is an object otherwise.
function env.array(t)
  return set_metatable(t == nil and {} or t, is_array)
end

-- A finaliser runs where no limit can reach it.
function env.setmetatable(t, metatable)
  if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
    error("__gc is not available: use a variable with <close>", 2)
  end
  return set_metatable(t, metatable)
end

local function read_all(reader)
  local pieces = {}
  repeat
    local piece = reader()
    if piece ~= nil and type(piece) ~= "string" then
      error("reader function must return a string", 3)
    end
    pieces[#pieces + 1] = piece
  until piece == nil or piece == ""
  return concat(pieces)
end

-- Text only: bytecode is not checked by Lua.
local function load_text(source, name, mode, ...)
  if type(source) == "function" then
    source = read_all(source)
  end
  local around = env
  if select("#", ...) > 0 then
    around = ...
  end
  return raw_load(source, name or "=(load)", "t", around)
end

env.load, skep.load = load_text, load_text

-- -- printing ----------------------------------------------------------------------------------

local printed = 0

function skep.reset_printed()
  printed = 0
end

local function emit(text)
  printed = printed + #text
  if printed > skep.max_output then
    skep.trip("output")
  end
  if not utf8_len(text) then
    text = gsub(text, "[\128-\255]", "?")
  end
  limited(false)
  if ask("write", text) then
    skep.trip("raised")
  end
  limited(true)
end

function env.print(...)
  local parts = {}
  for i = 1, select("#", ...) do
    parts[i] = tostring((select(i, ...)))
  end
  emit(concat(parts, "\t") .. "\n")
end

local sink = {}
function sink.write(self, ...)
  emit(concat({ ... }))
  return self
end
local function nothing() end
sink.flush, sink.setvbuf, sink.close = nothing, nothing, nothing

-- -- what depends on trust ---------------------------------------------------------------------

local clock = { time = os.time, clock = os.clock, date = os.date, difftime = os.difftime }
env.os = clock

function env.collectgarbage(what)
  if what == "count" then
    return collect("count")
  elseif trusted and (what == nil or what == "collect" or what == "step") then
    return collect(what)
  end
  error("collectgarbage: option '" .. tostring(what) .. "' is not available", 2)
end

if trusted then
  local later = skep.later
  clock.getenv, clock.remove, clock.rename = os.getenv, os.remove, os.rename
  debug.getmetatable(io.stdout).__metatable = false
  env.io = {
    open = io.open, lines = later("files", "lines"), type = io.type, tmpfile = io.tmpfile,
    stdout = sink, stderr = sink,
    write = function(...)
      return sink:write(...)
    end,
  }
  env.loadfile, env.dofile = later("files", "loadfile"), later("files", "dofile")
  env.debug = { traceback = debug.traceback, getinfo = later("files", "getinfo") }
end
