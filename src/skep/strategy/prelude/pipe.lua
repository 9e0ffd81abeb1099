-- alc.pipe: strategies one after another, each given what the one before returned.
local alc = alc

local function stage_of(strategy, index)
  if type(strategy) == "function" then
    return ("(inline-%d)"):format(index), strategy
  end
  if type(strategy) ~= "string" then
    error(("alc.pipe: strategy[%d] must be a string or function"):format(index), 3)
  end
  local ok, package = pcall(require, strategy)
  if not ok then
    error(("alc.pipe: failed to load strategy '%s': %s"):format(strategy, tostring(package)), 3)
  end
  if type(package) ~= "table" or type(package.run) ~= "function" then
    error(("alc.pipe: strategy '%s' must export run(ctx)"):format(strategy), 3)
  end
  return strategy, package.run
end

local function next_task(result)
  return type(result) == "table" and alc.json_encode(result) or tostring(result)
end

local function run_stage(name, run, ctx)
  local returned = run(ctx)
  if type(returned) ~= "table" then
    error(("alc.pipe: strategy '%s' must return a table (ctx)"):format(name), 3)
  end
  return returned
end

function alc.pipe(strategies, ctx, opts)
  if type(strategies) ~= "table" or #strategies == 0 then
    error("alc.pipe: strategies must be a non-empty array", 2)
  end
  if type(ctx) ~= "table" then
    error("alc.pipe: ctx must be a table", 2)
  end
  opts = opts or {}
  local stops = (opts.on_error or "abort") == "abort"
  local current, history = {}, {}
  for key, value in pairs(ctx) do
    current[key] = value
  end
  for i, strategy in ipairs(strategies) do
    local name, run = stage_of(strategy, i)
    current.pipe_history = history
    local ok, returned
    if stops then
      ok, returned = true, run_stage(name, run, current)
    else
      ok, returned = pcall(run_stage, name, run, current)
    end
    if ok then
      current = returned
      history[#history + 1] = { strategy = name, result = current.result }
      if current.result ~= nil and i < #strategies then
        current.task = next_task(current.result)
      end
      if opts.on_stage then
        opts.on_stage(i, name, current)
      end
    else
      alc.log("warn", ("alc.pipe: strategy '%s' failed: %s"):format(name, tostring(returned)))
      history[#history + 1] = { strategy = name, error = tostring(returned) }
    end
  end
  current.pipe_history = history
  return current
end
