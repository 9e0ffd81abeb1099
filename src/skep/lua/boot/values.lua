-- Values cross as a flat stream of tokens: scalars, and marks around arrays and objects.
--
-- Tables are read raw: no metamethod of a script runs here. What Python sends is marked with two tables and a
-- third for the end; what Python gets is marked with objects of its own, which it knows again.
local skep = ...
local type, next, rawget, select, error, pcall = type, next, rawget, select, error, pcall
local getmetatable, setmetatable = debug.getmetatable, setmetatable
local math_type, utf8_len, unpack, HUGE = math.type, utf8.len, table.unpack, math.huge
local null, OBJECT, ARRAY, END = skep.null, skep.out_object, skep.out_array, skep.out_end
local BATCH, ask = skep.batch, skep.ask

local is_array = {}
skep.is_array = is_array

-- -- in: Python -> Lua -------------------------------------------------------------------------

local IN_OBJECT, IN_ARRAY, IN_END = {}, {}, {}
skep.in_object, skep.in_array, skep.in_end = IN_OBJECT, IN_ARRAY, IN_END

local taken, count = {}, 0
local parents, owner, key, index, depth = {}, nil, nil, nil, 0

local function place(value)
  if depth == 0 then
    count = count + 1
    taken[count] = value
  elseif index then
    index = index + 1
    owner[index] = value
  elseif key == nil then
    key = value
  else
    owner[key], key = value, nil
  end
end

local function open(object, start)
  depth = depth + 1
  parents[depth] = { owner, key, index }
  owner, key, index = object, nil, start
end

local function shut()
  local done, above = owner, parents[depth]
  parents[depth], depth = nil, depth - 1
  owner, key, index = above[1], above[2], above[3]
  place(done)
end

-- Takes the next tokens; a value may come in several batches.
function skep.take(...)
  local tokens = { ... }
  for i = 1, select("#", ...) do
    local token = tokens[i]
    if token == IN_OBJECT then
      open({}, nil)
    elseif token == IN_ARRAY then
      open(setmetatable({}, is_array), 0)
    elseif token == IN_END then
      shut()
    else
      if token == nil and depth > 0 then
        token = null
      end
      if key ~= nil then -- only an object waits for a value
        owner[key], key = token, nil
      else
        place(token)
      end
    end
  end
end

-- The values taken since the last call.
function skep.taken()
  local values, n = taken, count
  taken, count, depth, owner, key, index = {}, 0, 0, nil, nil, nil
  return unpack(values, 1, n)
end

-- -- out: Lua -> Python ------------------------------------------------------------------------

local tokens, n, size, max_size, max_depth
local trail = {}

local function refuse(what, level)
  local place = ""
  for i = 1, level do
    local step = trail[i]
    place = place .. (type(step) == "string" and "." .. step or "[" .. step .. "]")
  end
  error({ refused = what, place = place }, 0)
end

local function put(token, bytes)
  n, size = n + 1, size + bytes
  if size > max_size then
    error({ limit = "output" }, 0)
  end
  tokens[n] = token
end

local function put_text(text, level)
  if not utf8_len(text) then
    refuse("text that is not UTF-8", level)
  end
  put(text, #text + 3)
end

local put_table

local function put_value(value, level)
  local kind = type(value)
  if kind == "string" then
    put_text(value, level)
  elseif kind == "number" then
    if value ~= value or value == HUGE or value == -HUGE then
      refuse("a number that is not finite", level)
    end
    put(value, 2)
  elseif kind == "boolean" then
    put(value, 5)
  elseif kind == "table" then
    put_table(value, level + 1)
  elseif value == nil or value == null then
    put(null, 5)
  else
    refuse("a " .. kind, level)
  end
end

local function put_array(array, length, level)
  put(ARRAY, 2)
  for i = 1, length do
    trail[level] = i
    put_value(rawget(array, i), level)
  end
  put(END, 0)
end

-- Names only, 1..n only, or nothing at all: anything else has no JSON form.
local function fault(object)
  for name in next, object do
    if type(name) ~= "string" and (math_type(name) ~= "integer" or name < 1) then
      return "a table with the key " .. (math_type(name) and name or "of type " .. type(name))
    end
  end
  return "a table with both names and numbers as keys"
end

-- Many values are texts: they take a short cut, for a call costs more than a token.
local function put_object(object, level)
  put(OBJECT, 2)
  for name, value in next, object do
    if type(name) ~= "string" then
      refuse(fault(object), level - 1)
    elseif not utf8_len(name) then
      refuse("a name that is not UTF-8", level - 1)
    end
    trail[level] = name
    put(name, #name + 3)
    if type(value) == "string" then
      put_text(value, level)
    else
      put_value(value, level)
    end
  end
  put(END, 0)
end

local function length_of(array, level)
  local numbers, highest = 0, 0
  for name in next, array do
    if math_type(name) ~= "integer" or name < 1 then
      refuse(fault(array), level - 1)
    end
    numbers = numbers + 1
    if name > highest then
      highest = name
    end
  end
  if highest ~= numbers then
    refuse("an array with holes (put null there)", level - 1)
  end
  return numbers
end

function put_table(object, level)
  if level > max_depth then
    error({ limit = "depth" }, 0)
  end
  local first = next(object)
  if type(first) == "string" or first == nil and getmetatable(object) ~= is_array then
    put_object(object, level)
  else
    put_array(object, length_of(object, level), level)
  end
end

-- Makes the tokens of a value, ready for `skep.give`: their number, or nil and what is wrong with the value.
function skep.offer(value)
  tokens, n, size, max_size, max_depth = {}, 0, 0, skep.max_output, skep.max_depth
  local ok, e = pcall(put_value, value, 0)
  if ok then
    return n
  elseif type(e) ~= "table" then
    error(e, 0)
  end
  return nil, e
end

-- The next tokens from `first` on.
function skep.give(first)
  local last = first + BATCH - 1
  return unpack(tokens, first, last < n and last or n)
end

-- The same for Python: never a single value, which it would get bare.
function skep.give_more(first)
  return true, skep.give(first)
end

-- Hands over the tokens of the last offer, a batch at a time; returns the rest.
function skep.give_all()
  local first = 1
  while n - first >= BATCH do
    ask("send", skep.give(first))
    first = first + BATCH
  end
  return skep.give(first)
end
