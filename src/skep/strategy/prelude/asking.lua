-- Ways to ask: alc.cache, alc.ground, alc.specify, alc.llm_safe, alc.llm_json.
local alc = alc

local MAX_ENTRIES = 256
local answers, order = {}, {}
local hits, misses = 0, 0

-- Everything that could change the answer is in the key; what steers the cache itself is not.
local function key_of(prompt, opts)
  if opts.cache_key ~= nil then
    return "key:" .. tostring(opts.cache_key)
  end
  local told = {}
  for name, value in pairs(opts) do
    if name ~= "cache_key" and name ~= "cache_skip" then
      told[name] = value
    end
  end
  return "prompt:" .. alc.json_encode({ prompt = tostring(prompt), opts = told })
end

local function remember(key, answer)
  answers[key] = answer
  order[#order + 1] = key
  if #order > MAX_ENTRIES then
    answers[table.remove(order, 1)] = nil
  end
end

function alc.cache(prompt, opts)
  opts = opts or {}
  if opts.cache_skip then
    return alc.llm(prompt, opts)
  end
  local key = key_of(prompt, opts)
  if answers[key] ~= nil then
    hits = hits + 1
    alc.log("debug", "alc.cache: hit " .. alc.fingerprint(key))
    return answers[key]
  end
  local answer = alc.llm(prompt, opts)
  misses = misses + 1
  alc.log("debug", "alc.cache: miss " .. alc.fingerprint(key))
  if answers[key] == nil then
    remember(key, answer)
  end
  return answer
end

function alc.cache_info()
  return { entries = #order, hits = hits, misses = misses, max_entries = MAX_ENTRIES }
end

function alc.cache_clear()
  answers, order = {}, {}
  hits, misses = 0, 0
end

local function with(opts, key, value)
  local copy = {}
  for name, given in pairs(opts or {}) do
    copy[name] = given
  end
  copy[key] = value
  return copy
end

function alc.ground(claim, opts)
  return alc.llm(claim, with(opts, "grounded", true))
end

function alc.specify(prompt, opts)
  return alc.llm(prompt, with(opts, "underspecified", true))
end

-- An answer, or `default` when there is none: also when the budget is spent.
function alc.llm_safe(prompt, opts, default)
  local ok, answer = pcall(alc.llm, prompt, opts)
  if ok then
    return answer
  end
  alc.log("warn", "alc.llm_safe: " .. tostring(answer))
  return default
end

local ONLY_JSON = "Answer with valid JSON and nothing else: no code fence, no explanation."

local function again(prompt, raw)
  return table.concat({
    "Your last response was not valid JSON.",
    "Previous output:\n" .. raw,
    "Correct it. Return only the JSON.",
    "Original request:\n" .. prompt,
  }, "\n\n")
end

-- A table out of the answer, and the answer; with one more try when the first held no JSON.
function alc.llm_json(prompt, opts)
  local raw = alc.llm(prompt, opts)
  local value = alc.json_extract(raw)
  if value then
    return value, raw
  end
  alc.log("warn", "alc.llm_json: JSON parse failed, retrying")
  raw = alc.llm(again(tostring(prompt), raw), with(opts, "system", ONLY_JSON))
  value = alc.json_extract(raw)
  if value == nil then
    alc.log("warn", "alc.llm_json: JSON parse failed again")
  end
  return value, raw
end
