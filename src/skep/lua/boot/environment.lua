-- What a script sees: an allow-list. The real globals stay out of its reach, and so does every Python object.
local skep = ...
local trusted = skep.trusted
local type, error, select, tostring, rawget = type, error, select, tostring, rawget
local setmetatable, raw_load, utf8_len = setmetatable, load, utf8.len
local concat, gsub, open, io_lines, collect = table.concat, string.gsub, io.open, io.lines, collectgarbage
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

-- Marks a table as a JSON array: an empty one is an object otherwise.
function env.array(t)
  return setmetatable(t == nil and {} or t, skep.is_array)
end

-- A finaliser runs where no limit can reach it.
function env.setmetatable(t, metatable)
  if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
    error("__gc is not available: use a variable with <close>", 2)
  end
  return setmetatable(t, metatable)
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
function env.load(source, name, mode, ...)
  if type(source) == "function" then
    source = read_all(source)
  end
  local around = env
  if select("#", ...) > 0 then
    around = ...
  end
  return raw_load(source, name or "=(load)", "t", around)
end

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
function sink.flush() end
function sink.setvbuf() end
function sink.close() end

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
  clock.getenv, clock.remove, clock.rename = os.getenv, os.remove, os.rename
  debug.getmetatable(io.stdout).__metatable = false

  local function lines(name, ...)
    if type(name) ~= "string" then
      error("io.lines needs the name of a file", 2)
    end
    return io_lines(name, ...)
  end
  env.io = {
    open = open, lines = lines, type = io.type, tmpfile = io.tmpfile, stdout = sink, stderr = sink,
    write = function(...)
      return sink:write(...)
    end,
  }

  function env.loadfile(path, mode, ...)
    local file, e = open(path, "rb")
    if not file then
      return nil, e
    end
    local source = file:read("a")
    file:close()
    return env.load(source, "@" .. path, "t", ...)
  end
  function env.dofile(path)
    local chunk, e = env.loadfile(path)
    if not chunk then
      error(e, 0)
    end
    return chunk()
  end

  local traceback, getinfo = debug.traceback, debug.getinfo
  env.debug = {
    traceback = traceback,
    -- Names and lines only: never a function of the guard's.
    getinfo = function(f, what)
      if type(f) == "number" then
        f = f + 1
      elseif type(f) ~= "function" then
        error("debug.getinfo: level or function expected", 2)
      end
      local found = getinfo(f, gsub(what or "nSlu", "[^nSlu]", "") .. "")
      return found
    end,
  }
end
