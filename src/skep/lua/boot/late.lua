-- Parts that few scripts need come when they are needed: loading everything costs a new VM time and memory.
local skep = ...
local ask, limited, load, assert = skep.ask, skep.limited, load, assert
local parts = {}

-- The globals are gone by then.
local libraries = {
  type = type, error = error, next = next, rawget = rawget, rawset = rawset, tostring = tostring,
  setmetatable = setmetatable, getmetatable = debug.getmetatable, resume = coroutine.resume,
  sub = string.sub, gsub = string.gsub, concat = table.concat, utf8_len = utf8.len,
  open = io.open, io_lines = io.lines, getinfo = debug.getinfo,
}

-- What a part returns; `scripted` when a script runs.
local function late(name, scripted)
  local part = parts[name]
  if not part then
    if scripted then
      limited(false)
    end
    local code = ask("part", name)
    if scripted then
      limited(true)
    end
    part = assert(load(code, "=skep", "b", libraries))(skep)
    parts[name] = part
  end
  return part
end
skep.late = late

-- The function `name` of a part, for scripts.
function skep.later(part, name)
  return function(...)
    return late(part, true)[name](...)
  end
end
