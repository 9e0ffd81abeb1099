-- The state's own globals go: what no part has kept is not even there any more, and a VM is smaller for it.
local skep = ...
local next, registry, globals = next, debug.getregistry(), _G
for name in next, registry._LOADED do
  registry._LOADED[name] = nil
end
registry._LOADED, registry._PRELOAD = skep.env.package.loaded, {} -- a traceback takes names of functions from it
for name in next, globals do
  globals[name] = nil
end
