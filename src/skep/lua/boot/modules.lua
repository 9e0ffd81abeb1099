-- `require`: package.loaded, then package.searchers in order, the roots that Python searches among them. Loaded when
-- it is first called.
--
-- Written in Lua, so a module may yield while it loads.
local skep = ...
local limited, ask, package = skep.limited, skep.ask, skep.package
local loaded, preload = skep.loaded, skep.preload
local type, error, concat, utf8_len, tostring, setmetatable = type, error, concat, utf8_len, tostring, setmetatable
local load_text = skep.load

local function search_preload(name)
  local loader = preload[name]
  if loader == nil then
    return "no field package.preload['" .. name .. "']"
  end
  return loader, ":preload:"
end

-- A module that is found but broken ends the search: what the roots hold is what was meant.
local function search_roots(name)
  if not utf8_len(name) then
    return "no module has a name that is not UTF-8"
  end
  limited(false)
  local status, source, place = ask("find", name)
  limited(true)
  if status == "absent" then
    return source
  elseif status == "raised" then
    skep.trip("raised")
  elseif status == "refused" then
    error(source, 0)
  end
  local loader, e = load_text(source, "@" .. place)
  if not loader then
    error("error loading module '" .. name .. "': " .. e, 0)
  end
  return loader, place
end

local function seek(name)
  local tried, searchers = {}, package.searchers
  for i = 1, #searchers do
    local loader, extra = searchers[i](name)
    if type(loader) == "function" then
      return loader, extra
    elseif loader ~= nil then
      tried[#tried + 1] = "\n\t" .. tostring(loader)
    end
  end
  error("module '" .. name .. "' not found:" .. concat(tried), 3)
end

-- How often each module is being loaded right now. Another coroutine may load one that waits; a circle has no end.
local loading, CIRCLE = {}, 50
local Loading = { __close = function(mark)
  loading[mark.name] = loading[mark.name] - 1
end }

local function begin(name)
  local times = (loading[name] or 0) + 1
  if times > CIRCLE then
    error("module '" .. name .. "' requires itself", 3)
  end
  loading[name] = times
  return setmetatable({ name = name }, Loading)
end

local function require(name)
  if type(name) ~= "string" then
    error("bad argument #1 to 'require' (string expected)", 2)
  end
  if loaded[name] ~= nil then
    return loaded[name]
  end
  local loader, extra = seek(name)
  local mark <close> = begin(name)
  local value = loader(name, extra)
  if value ~= nil then
    loaded[name] = value
  elseif loaded[name] == nil then
    loaded[name] = true
  end
  return loaded[name], extra
end

return { require = require, search_preload = search_preload, search_roots = search_roots }
