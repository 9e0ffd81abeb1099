-- `package`, and `require` until it is first called: then comes what does the work.
local skep = ...
local env, later = skep.env, skep.later

local loaded, preload = {}, {}
for _, name in ipairs({ "string", "table", "math", "utf8", "coroutine", "os", "io", "debug" }) do
  loaded[name] = env[name]
end

local package = {
  loaded = loaded, preload = preload, path = "", cpath = "", config = "/\n;\n?\n!\n-\n",
  searchers = { later("modules", "search_preload"), later("modules", "search_roots") },
}
skep.package, skep.loaded, skep.preload = package, loaded, preload -- a script may put others into `package`
env.package, env.require = package, later("modules", "require")
loaded.package, loaded._G = package, env
