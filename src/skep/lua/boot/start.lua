-- The table through which the parts know each other, and what Python hands in.
--
-- `limited` and `ask` become Lua functions here: as userdata they would be Python objects in a script's reach.
local limited, ask, out_object, out_array, out_end, trusted, max_output, max_depth = ...
local skep = {
  null = python.none, limited = python.as_function(limited), ask = python.as_function(ask),
  out_object = out_object, out_array = out_array, out_end = out_end,
  trusted = trusted, max_output = max_output, max_depth = max_depth,
}
