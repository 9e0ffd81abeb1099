-- Parts of `alc` that are loaded when a script first looks at one of their names: most scripts use few.
local alc, part = alc, _host.part
local rawget, rawset, setmetatable, next, assert, load = rawget, rawset, setmetatable, next, assert, load

local PARTS = {
  collections = { "map", "reduce", "filter", "parallel" },
  parsing = { "vote", "parse_score", "parse_number", "json_extract" },
  asking = { "cache", "cache_info", "cache_clear", "ground", "specify", "llm_safe", "llm_json" },
  settings = { "budget_check", "fingerprint", "tuning" },
  pipe = { "pipe" },
  eval = { "eval" },
}

local part_of = {}
for name, functions in next, PARTS do
  for _, held in ipairs(functions) do
    part_of[held] = name
  end
end

local function load_part(name)
  for _, held in ipairs(PARTS[name]) do
    part_of[held] = nil
  end
  assert(load(part(name), "=alc." .. name, "t"))()
end

-- Whoever goes through `alc` to copy it gets all of it.
local function load_all()
  for name, functions in next, PARTS do
    if part_of[functions[1]] ~= nil then
      load_part(name)
    end
  end
end

setmetatable(alc, {
  __index = function(_, name)
    local missing = part_of[name]
    if missing == nil then
      return nil
    end
    load_part(missing)
    return rawget(alc, name)
  end,
  -- What a script puts in place of a function stays, whatever else of its part is loaded later.
  __newindex = function(_, name, value)
    if part_of[name] ~= nil then
      load_part(part_of[name])
    end
    rawset(alc, name, value)
  end,
  __pairs = function()
    load_all()
    return next, alc, nil
  end,
})

alc.math = setmetatable({}, {
  __index = function(functions, name)
    setmetatable(functions, nil)
    assert(load(part("math"), "=alc.math", "t"))()
    return functions[name]
  end,
})
