-- What only trusted scripts may call, and few do. Loaded when the first of it is called.
local skep = ...
local type, error, gsub, open, io_lines, find_info = type, error, gsub, open, io_lines, getinfo
local load_text = skep.load

local function lines(name, ...)
  if type(name) ~= "string" then
    error("io.lines needs the name of a file", 2)
  end
  return io_lines(name, ...)
end

local function loadfile(path, mode, ...)
  local file, e = open(path, "rb")
  if not file then
    return nil, e
  end
  local source = file:read("a")
  file:close()
  return load_text(source, "@" .. path, "t", ...)
end

local function dofile(path)
  local chunk, e = loadfile(path)
  if not chunk then
    error(e, 0)
  end
  return chunk()
end

-- Names and lines only: never a function of the guard's.
local function getinfo(f, what)
  if type(f) == "number" then
    f = f + 1
  elseif type(f) ~= "function" then
    error("debug.getinfo: level or function expected", 2)
  end
  local found = find_info(f, gsub(what or "nSlu", "[^nSlu]", "") .. "")
  return found
end

return { lines = lines, loadfile = loadfile, dofile = dofile, getinfo = getinfo }
