-- alc.eval: a strategy against a scenario, by the package `evalframe`.
local alc = alc

-- evalframe reads its host from the global `std`.
local function provide_std()
  if rawget(_G, "std") ~= nil then
    return
  end
  _G.std = {
    json = { decode = alc.json_decode, encode = alc.json_encode },
    fs = {
      read = function(path)
        local file = io.open(path, "r")
        if file == nil then
          return nil
        end
        local text = file:read("a")
        file:close()
        return text
      end,
      is_file = function(path)
        local file = io.open(path, "r")
        return file ~= nil and file:close() and true
      end,
    },
    time = { now = alc.time },
  }
end

local function load_file(path)
  local file = io.open(path, "r")
  if file == nil then
    return nil
  end
  local source = file:read("a")
  file:close()
  local chunk, problem = load(source, "@" .. path, "t")
  if chunk == nil then
    error(problem, 0)
  end
  return chunk()
end

-- A scenario by name: a module, one of the home's scenarios, or a file.
local function resolve(name)
  local ok, spec = pcall(require, name)
  if not ok then
    local installed = alc._dirs.scenarios
    spec = installed and load_file(("%s/%s.lua"):format(installed, name)) or load_file(name)
  end
  if type(spec) ~= "table" then
    error(("alc.eval: could not resolve scenario '%s'"):format(name), 3)
  end
  return spec
end

local function bindings_of(ef, graders)
  local bindings = {}
  for i, grader in ipairs(graders) do
    local known = grader
    if type(grader) == "string" then
      known = ef.graders[grader]
      if known == nil then
        error(("alc.eval: unknown grader '%s'"):format(grader), 4)
      end
    end
    bindings[i] = ef.bind({ known })
  end
  return bindings
end

local function cases_of(ef, cases)
  local made = {}
  for i, case in ipairs(cases or {}) do
    if ef.is_case ~= nil and ef.is_case(case) then
      made[i] = case
    elseif type(case) == "table" and case.input ~= nil then
      local ok, as_case = pcall(ef.case, case)
      made[i] = ok and as_case or case
    else
      error(("alc.eval: case #%d must have an 'input' field"):format(i), 4)
    end
  end
  return made
end

-- A full form holds bindings of evalframe among its elements and is taken as it is.
local function spec_of(ef, scenario)
  local spec = {}
  if scenario[1] ~= nil then
    for key, value in pairs(scenario) do
      spec[key] = value
    end
    return spec
  end
  spec = bindings_of(ef, scenario.graders or { "exact_match" })
  spec.cases = cases_of(ef, scenario.cases)
  return spec
end

local function keep_card(report, strategy, scenario_name, opts)
  local figures = report.aggregated
  local card = alc.card.create({
    pkg = { name = opts.card_pkg or strategy },
    scenario = { name = scenario_name },
    stats = {
      pass_rate = figures.pass_rate,
      mean_score = figures.scores and figures.scores.mean,
      n = figures.total,
      passed = figures.passed,
    },
  })
  if type(report.results) == "table" and #report.results > 0 then
    alc.card.write_samples(card.card_id, report.results)
  end
  report.card_id = card.card_id
  alc.log("info", "alc.eval: card " .. card.card_id)
end

function alc.eval(scenario, strategy, opts)
  if type(scenario) ~= "string" and type(scenario) ~= "table" then
    error("alc.eval: scenario must be a name or a table", 2)
  end
  if type(strategy) ~= "string" then
    error("alc.eval: strategy must be a string", 2)
  end
  opts = opts or {}
  provide_std()
  local ok, ef = pcall(require, "evalframe")
  if not ok then
    error("alc.eval: evalframe not installed. Run alc_pkg_install to add it.", 2)
  end
  local name = type(scenario) == "string" and scenario or "inline"
  local spec = spec_of(ef, type(scenario) == "string" and resolve(scenario) or scenario)
  spec.provider = ef.providers.algocline({ strategy = strategy, opts = opts.strategy_opts })
  local report = ef.suite(strategy .. ":" .. name)(spec):run():to_table()
  if opts.auto_card then
    keep_card(report, strategy, name, opts)
  end
  return report
end
