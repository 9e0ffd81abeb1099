-- alc.json_encode and alc.json_decode, with the published rules: a table with a first item is an array, names are
-- sorted, a float keeps its point, and what is no number is null.
local alc, null, decode = alc, null, _host.decode
local type, rawlen, getmetatable, math_type, error = type, rawlen, getmetatable, math.type, error
local sort, concat, format, gsub, utf8_len = table.sort, table.concat, string.format, string.gsub, utf8.len
local HUGE, MAX_DEPTH = math.huge, 100
local ARRAY = getmetatable(array({}))

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }
for byte = 0, 31 do
  local char = string.char(byte)
  ESCAPES[char] = ESCAPES[char] or format("\\u%04x", byte)
end

local function quoted(text)
  if not utf8_len(text) then
    error("alc.json_encode: a string is not valid UTF-8", 0)
  end
  return '"' .. gsub(text, '[\0-\31"\\]', ESCAPES) .. '"'
end

local encoded

local function encoded_array(value, depth)
  local items = {}
  for i = 1, rawlen(value) do
    items[i] = encoded(value[i], depth + 1)
  end
  return "[" .. concat(items, ",") .. "]"
end

local function encoded_object(value, depth)
  local names = {}
  for name in next, value do
    if type(name) ~= "string" then
      error("alc.json_encode: an object key is a " .. type(name) .. ", not a string", 0)
    end
    names[#names + 1] = name
  end
  sort(names)
  for i, name in ipairs(names) do
    names[i] = quoted(name) .. ":" .. encoded(value[name], depth + 1)
  end
  return "{" .. concat(names, ",") .. "}"
end

local function encoded_number(value)
  if math_type(value) == "integer" then
    return format("%d", value)
  elseif value ~= value or value == HUGE or value == -HUGE then
    return "null"
  end
  return tostring(value)
end

function encoded(value, depth)
  local kind = type(value)
  if kind == "string" then
    return quoted(value)
  elseif kind == "number" then
    return encoded_number(value)
  elseif kind == "boolean" then
    return tostring(value)
  elseif value == nil or value == null then
    return "null"
  elseif kind ~= "table" then
    error("alc.json_encode: a " .. kind .. " has no JSON form", 0)
  elseif depth > MAX_DEPTH then
    error("alc.json_encode: a table is recursive or nested too deep", 0)
  elseif rawlen(value) > 0 then
    return encoded_array(value, depth)
  elseif next(value) == nil and getmetatable(value) == ARRAY then
    return "[]"
  end
  return encoded_object(value, depth)
end

function alc.json_encode(value)
  return encoded(value, 1)
end

function alc.json_decode(text)
  if type(text) ~= "string" and type(text) ~= "number" then
    error("alc.json_decode: a string is needed, not a " .. type(text), 2)
  end
  local value = decode(tostring(text))
  if value == nil then
    return null
  end
  return value
end
