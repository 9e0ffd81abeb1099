-- What a strategy asks of its host: alc.llm, alc.llm_batch, alc.fork and the small calls around them.
--
-- Every argument that leaves is JSON text, so the rules of alc.json_encode hold for all of them.
local alc, host, null = alc, _host, null
local encode = alc.json_encode
local running, isyieldable, yield = coroutine.running, coroutine.isyieldable, coroutine.yield
local type, error, tostring, pairs, ipairs, select = type, error, tostring, pairs, ipairs, select
local tointeger, floor = math.tointeger, math.floor
local original_time, original_date, seed_random = os.time, os.date, math.randomseed

local started, random_seed = _started, _random_seed
local main
local moment, reads = 0, 0

-- -- waiting -----------------------------------------------------------------------------------

-- The session's own coroutine yields. Where it cannot (inside table.sort, gsub, a package's coroutine), the thread
-- waits.
local function waited(answer)
  if answer == nil then
    if running() == main and isyieldable() then
      answer = yield(true)
    else
      answer = host.wait(true)
    end
  end
  moment, reads = answer.at, 0
  return answer.replies
end

local function text_of(reply)
  if reply.error ~= nil then
    error(reply.error, 0)
  end
  return reply.text
end

-- -- asking ------------------------------------------------------------------------------------

local function text_argument(value, what)
  if type(value) ~= "string" and type(value) ~= "number" then
    error(("bad argument: %s must be a string, got %s"):format(what, type(value)), 3)
  end
  return tostring(value)
end

local function is_plain(value)
  return type(value) == "string" or type(value) == "number" or type(value) == "boolean" or type(value) == "table"
end

-- Options are read leniently: one of a wrong type is not there. Those that nobody here knows go along.
local function query_of(prompt, opts)
  local query, options = { prompt = prompt }, {}
  for name, value in pairs(type(opts) == "table" and opts or {}) do
    if name == "system" then
      query.system = (type(value) == "string" or type(value) == "number") and tostring(value) or nil
    elseif name == "max_tokens" then
      local count = type(value) == "number" and tointeger(value) or nil
      query.max_tokens = count ~= nil and count >= 0 and count <= 0xffffffff and count or nil
    elseif name == "grounded" or name == "underspecified" then
      query[name] = value ~= false and value ~= null or nil
    elseif name ~= "prompt" and type(name) == "string" and is_plain(value) then
      options[name] = value
    end
  end
  if next(options) ~= nil then
    query.options = options
  end
  return query
end

function alc.llm(prompt, opts)
  local query = query_of(text_argument(prompt, "prompt"), opts)
  return text_of(waited(host.ask(encode({ query })))[1])
end

function alc.llm_batch(items)
  if type(items) ~= "table" then
    error("alc.llm_batch: items must be an array, got " .. type(items), 2)
  end
  local queries = {}
  for i, item in ipairs(items) do
    if type(item) ~= "table" then
      error(("alc.llm_batch: item #%d must be a table, got %s"):format(i, type(item)), 2)
    end
    queries[i] = query_of(text_argument(item.prompt, ("prompt of item #%d"):format(i)), item)
    if type(item.system) ~= "string" then
      queries[i].system = nil
    end
  end
  if #queries == 0 then
    error("alc.llm_batch: empty items array", 2)
  end
  local texts = {}
  for i, reply in ipairs(waited(host.ask(encode(queries)))) do
    texts[i] = text_of(reply)
  end
  return texts
end

function alc.fork(strategies, ctx, opts)
  if type(strategies) ~= "table" or #strategies == 0 then
    error("alc.fork: strategies must be a non-empty array", 2)
  end
  if type(ctx) ~= "table" then
    error("alc.fork: ctx must be a table", 2)
  end
  for _, name in ipairs(strategies) do
    if type(name) ~= "string" or not name:match("^[%w_][%w_-]*$") then
      error(("alc.fork: invalid strategy name '%s' (letters, digits, _ and - only)"):format(tostring(name)), 2)
    end
  end
  local entries = waited(host.fork(encode({ strategies = strategies, ctx = ctx })))
  if type(opts) == "table" and (opts.on_error == "abort" or opts.on_error == "fail") then
    for _, entry in ipairs(entries) do
      if not entry.ok then
        error(("alc.fork: strategy '%s' failed: %s"):format(entry.strategy, entry.error), 2)
      end
    end
  end
  return entries
end

-- -- small calls -------------------------------------------------------------------------------

local function call(name, ...)
  local arguments = array({ ... })
  for i = 1, select("#", ...) do
    if arguments[i] == nil then
      arguments[i] = null
    end
  end
  local reply = host.call(encode({ name, arguments }))
  return reply
end

-- A name of the host as a function of Lua: packages look at its type.
local function remote(name)
  return function(...)
    return (call(name, ...))
  end
end

alc._dirs = _dirs

alc.state = { keys = remote("state.keys") }
for name, arguments in pairs({ set = 2, delete = 1, has = 1, set_nx = 2, incr = 3 }) do
  alc.state[name] = function(key, value, default)
    key = text_argument(key, "key")
    if arguments == 1 then
      return call("state." .. name, key)
    elseif arguments == 2 then
      return call("state." .. name, key, value)
    end
    return call("state." .. name, key, value, default)
  end
end

function alc.state.get(key, default)
  local stored = call("state.get", text_argument(key, "key"))
  if stored.found then
    return stored.value
  end
  return default
end

function alc.state.update(key, fn, default)
  local value = fn(alc.state.get(key, default))
  alc.state.set(key, value)
  return value
end

alc.card = {}
for _, name in ipairs({
  "create", "get", "list", "append", "get_by_alias", "alias_set", "alias_list", "find", "write_samples",
  "read_samples", "lineage", "sink_backfill",
}) do
  alc.card[name] = remote("card." .. name)
end

alc.stats = { record = remote("stats.record"), get = remote("stats.get") }
alc.progress = remote("progress")
alc.budget_remaining = remote("budget_remaining")

function alc.log(level, message)
  host.log({ tostring(level), tostring(message) })
end

function alc.match_enum(text, candidates, opts)
  return host.match_enum({ text_argument(text, "text"), candidates, opts and opts.threshold or 0.7 })
end

function alc.match_bool(text)
  return host.match_bool(text_argument(text, "text"))
end

function alc.chunk(text, opts)
  opts = opts or {}
  return host.chunk({
    text_argument(text, "text"),
    type(opts.mode) == "string" and opts.mode or "lines",
    tointeger(opts.size) or 50,
    tointeger(opts.overlap) or 0,
  })
end

-- -- time and chance ---------------------------------------------------------------------------

-- The moment of the last answer and a microsecond for each look since: the same in every replay.
local function now()
  reads = reads + 1
  return moment / 1000 + reads * 1e-6
end

alc.time = now

function os.time(moment_table)
  if moment_table ~= nil then
    return original_time(moment_table)
  end
  return floor(now())
end

function os.clock()
  return now() - started / 1000
end

function os.date(form, when)
  return original_date(form, when or floor(now()))
end

os.getenv = remote("os.getenv")

function math.randomseed(...)
  if select("#", ...) == 0 then
    return seed_random(random_seed)
  end
  return seed_random(...)
end

-- -- entry -------------------------------------------------------------------------------------

local function at_start(at)
  main, moment, reads = running(), at, 0
end

-- A chunk of its own, so its lines are its own; only its first value counts.
function _run_code(source, name, at)
  at_start(at)
  local chunk, problem = load(source, "=" .. name, "t")
  if chunk == nil then
    error(problem, 0)
  end
  local result = chunk()
  return encode(result)
end

function _run_strategy(name, at)
  at_start(at)
  local package = require(name)
  if type(package) ~= "table" or type(package.run) ~= "function" then
    error(("strategy '%s' must export run(ctx)"):format(name), 0)
  end
  local result = package.run(ctx)
  return encode(result)
end
