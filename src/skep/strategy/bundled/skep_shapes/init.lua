-- Shapes of JSON values: what a strategy takes and gives (its `M.spec`), and the check of it.
--
-- A shape is plain data, so a host can show it as JSON. Fields that no shape names are left alone: a ctx also carries
-- what other strategies of a pipe read.
local S = {}

S.any = { kind = "any" }
S.string = { kind = "string" }
S.text = { kind = "string", filled = true }
S.number = { kind = "number" }
S.boolean = { kind = "boolean" }
S.object = { kind = "object" }

function S.between(min, max)
  return { kind = "number", min = min, max = max }
end

function S.count(min, max)
  return { kind = "integer", min = min, max = max }
end

function S.one_of(...)
  return { kind = "one_of", values = { ... } }
end

function S.array_of(item, min, max)
  return { kind = "array", item = item, min = min or 0, max = max or 1000 }
end

function S.shape(fields)
  return { kind = "object", fields = fields }
end

function S.optional(shape, default)
  local copy = { optional = true, default = default }
  for key, value in pairs(shape) do
    copy[key] = value
  end
  return copy
end

-- Options of every question that a strategy asks. Others go to the model as they are; the last two are the strategy's.
local ASKING = {
  system = S.optional(S.text),
  max_tokens = S.optional(S.count(1, 1000000)),
  temperature = S.optional(S.between(0, 2)),
  model = S.optional(S.text),
  prompt = { kind = "nothing", optional = true },
  post_fn = { kind = "nothing", optional = true },
}

-- The ctx of a strategy: its task, how to ask, and what is its own.
function S.input(fields)
  local all = { task = S.text, llm = S.optional(S.shape(ASKING), {}) }
  for name, shape in pairs(fields or {}) do
    all[name] = shape
  end
  return S.shape(all)
end

-- -- checking ----------------------------------------------------------------------------------

local function described(shape)
  local kind = shape.kind
  if kind == "string" then
    return shape.filled and "a string that is not blank" or "a string"
  elseif kind == "one_of" then
    return "one of " .. table.concat(shape.values, ", ")
  elseif kind == "array" then
    return ("an array of %d to %d items"):format(shape.min, shape.max)
  elseif kind == "integer" or (kind == "number" and shape.min ~= nil) then
    local what = kind == "integer" and "a whole number" or "a number"
    return ("%s from %s to %s"):format(what, shape.min, shape.max)
  end
  return ({ nothing = "left out", object = "an object" })[kind] or "a " .. kind
end

local function absent(value)
  return value == nil or value == null
end

local function is_array(value, shape)
  if type(value) ~= "table" then
    return false
  end
  local count = 0
  for _ in pairs(value) do
    count = count + 1
  end
  return count == #value and count >= shape.min and count <= shape.max
end

local function in_bounds(value, shape)
  return value == value and value >= (shape.min or -math.huge) and value <= (shape.max or math.huge)
end

local is_kind = {
  any = function() return true end,
  nothing = function() return false end,
  string = function(value, shape)
    return type(value) == "string" and (not shape.filled or value:find("%S") ~= nil)
  end,
  number = function(value, shape) return type(value) == "number" and in_bounds(value, shape) end,
  integer = function(value, shape) return math.type(value) == "integer" and in_bounds(value, shape) end,
  boolean = function(value) return type(value) == "boolean" end,
  object = function(value) return type(value) == "table" and value[1] == nil end,
  array = is_array,
  one_of = function(value, shape)
    for _, known in ipairs(shape.values) do
      if value == known then
        return true
      end
    end
    return false
  end,
}

local function told(value, shape, path)
  if shape.kind == "string" and type(value) == "string" then
    return path .. " must not be blank"
  end
  return ("%s must be %s"):format(path, shape.filled and "a string" or described(shape))
end

local function sorted_names(fields)
  local names = {}
  for name in pairs(fields) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

-- Whether a value has a shape; if not, what is wrong and where: "ctx.items[2] must be a string".
function S.check(value, shape, path)
  path = path or "value"
  if absent(value) and shape.optional then
    return true
  end
  if not is_kind[shape.kind](value, shape) then
    return false, told(value, shape, path)
  end
  for _, name in ipairs(sorted_names(shape.fields or {})) do
    local ok, problem = S.check(value[name], shape.fields[name], path .. "." .. name)
    if not ok then
      return false, problem
    end
  end
  for i, item in ipairs(shape.item and value or {}) do
    local ok, problem = S.check(item, shape.item, ("%s[%d]"):format(path, i))
    if not ok then
      return false, problem
    end
  end
  return true
end

-- The fields of a ctx that the shape names, with defaults where they are missing; an error that says what is wrong.
function S.read(strategy, ctx, shape)
  local ok, problem = S.check(ctx, shape, "ctx")
  if not ok then
    error(strategy .. ": " .. problem, 0)
  end
  local options = {}
  for name, field in pairs(shape.fields) do
    local given = ctx[name]
    if absent(given) then
      given = field.default
    end
    options[name] = given
  end
  return options
end

return S
