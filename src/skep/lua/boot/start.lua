-- The table through which the parts know each other, and what Python hands in.
local skep, as_function = { null = python.none }, python.as_function
local on, off, poll, write, find, call, send, more
on, off, poll, write, find, call, send, more, skep.out_object, skep.out_array, skep.out_end,
  skep.trusted, skep.max_output, skep.max_depth = ...

-- As Lua functions, for as userdata they are Python objects.
skep.on, skep.off, skep.poll, skep.write = as_function(on), as_function(off), as_function(poll), as_function(write)
skep.find, skep.call, skep.send, skep.more = as_function(find), as_function(call), as_function(send), as_function(more)
