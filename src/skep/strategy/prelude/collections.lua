-- Working through lists: alc.map, alc.reduce, alc.filter, alc.parallel.
local alc = alc

function alc.map(items, fn)
  local results = {}
  for i, item in ipairs(items) do
    results[i] = fn(item, i)
  end
  return results
end

-- Only a missing `init` takes the first item as the start; `false` is a start like any other.
function alc.reduce(items, fn, init)
  local acc, first = init, 1
  if acc == nil then
    acc, first = items[1], 2
  end
  for i = first, #items do
    acc = fn(acc, items[i], i)
  end
  return acc
end

function alc.filter(items, fn)
  local kept = {}
  for i, item in ipairs(items) do
    if fn(item, i) then
      kept[#kept + 1] = item
    end
  end
  return kept
end

-- What `prompt_fn` gave for one item, as an entry of a batch. Options that all items share are for those that
-- gave only their text.
local function entry_of(made, shared, index)
  if type(made) == "table" then
    if type(made.prompt) ~= "string" then
      error("alc.parallel: prompt_fn returned table without .prompt at index " .. index, 4)
    end
    return made
  end
  if type(made) ~= "string" then
    error(("alc.parallel: prompt_fn must return string or table, got %s at index %d"):format(type(made), index), 4)
  end
  local entry = {}
  for key, value in pairs(shared) do
    if key ~= "post_fn" then
      entry[key] = value
    end
  end
  entry.prompt = made
  return entry
end

local function entries_of(items, prompt_fn, shared)
  local entries = {}
  for i, item in ipairs(items) do
    entries[i] = entry_of(prompt_fn(item, i), shared, i)
  end
  return entries
end

-- One batch for all items: they are asked at once, and the answers come in their order.
function alc.parallel(items, prompt_fn, opts)
  if type(items) ~= "table" or #items == 0 then
    error("alc.parallel: items must be a non-empty array", 2)
  end
  if type(prompt_fn) ~= "function" then
    error("alc.parallel: prompt_fn must be a function", 2)
  end
  opts = opts or {}
  local responses = alc.llm_batch((entries_of(items, prompt_fn, opts)))
  if opts.post_fn == nil then
    return responses
  end
  local results = {}
  for i, response in ipairs(responses) do
    results[i] = opts.post_fn(response, items[i], i)
  end
  return results
end
