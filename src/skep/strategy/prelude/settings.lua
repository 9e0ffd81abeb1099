-- Budget and configuration: alc.budget_check, alc.fingerprint, alc.tuning.
local alc = alc

-- Whether anything may still be asked.
function alc.budget_check()
  local left = alc.budget_remaining()
  if left == nil then
    return true
  end
  for _, name in ipairs({ "llm_calls", "elapsed_ms", "tokens" }) do
    if type(left[name]) == "number" and left[name] <= 0 then
      return false
    end
  end
  return true
end

-- Eight hex digits of a text without regard to case and spacing: DJB2 over 32 bits.
function alc.fingerprint(value)
  local text = tostring(value):lower():gsub("%s+", " "):match("^ ?(.-) ?$")
  local hash = 5381
  for i = 1, #text do
    hash = (hash * 33 + text:byte(i)) & 0xffffffff
  end
  return ("%08x"):format(hash)
end

local function is_dict(value)
  return type(value) == "table" and value[1] == nil
end

local function merged(defaults, source)
  local result = {}
  for key, default in pairs(defaults) do
    local given = source[key]
    if key == "_schema" then
      given = nil
    elseif given == nil then
      given = default
    elseif is_dict(default) and type(given) == "table" then
      given = merged(default, given)
    end
    result[key] = given
  end
  return result
end

-- `defaults` with what `ctx` (or its part `opts.prefix`, where there is one) says otherwise.
function alc.tuning(defaults, ctx, opts)
  if type(defaults) ~= "table" then
    return defaults
  end
  local source, prefix = ctx or {}, opts and opts.prefix
  if prefix ~= nil and source[prefix] ~= nil then
    source = source[prefix]
    if type(source) ~= "table" then
      alc.log("warn", ("alc.tuning: %s is no table; the defaults count"):format(tostring(prefix)))
      source = {}
    end
  end
  return merged(defaults, source)
end
