-- What Python is told of an error. Loaded when the first one comes.
local skep = ...
local limited, guarded, spent = skep.limited, skep.guarded, skep.spent
local type, tostring, rawget, resume, sub, gsub = type, tostring, rawget, resume, sub, gsub
local getmetatable, utf8_len = getmetatable, utf8_len
local MESSAGE, TRACEBACK = skep.max_message, skep.max_traceback

local function clean(text, longest)
  if #text > longest then
    text = sub(text, 1, longest) .. "..."
  end
  if not utf8_len(text) then
    text = gsub(text, "[\128-\255]", "?")
  end
  return text
end

-- An error object's own __tostring is a script's code: it runs guarded.
local function described(e)
  local metatable = type(e) == "table" and getmetatable(e)
  if metatable and rawget(metatable, "__tostring") ~= nil then
    local co = guarded(tostring)
    limited(true)
    local ok, text = resume(co, e)
    limited(false)
    if ok and type(text) == "string" then
      return text
    end
  end
  return "(error object is a " .. type(e) .. " value)"
end

local function message(e)
  if type(e) == "number" then
    e = tostring(e)
  elseif type(e) ~= "string" then
    e = described(e)
  end
  return clean(e, MESSAGE)
end

local function failed(e, trace)
  local text, where = message(e), clean(trace, TRACEBACK)
  local _, reason = spent()
  if reason then
    return "limit", reason
  end
  return "error", text, where
end

return { clean = clean, message = message, failed = failed }
