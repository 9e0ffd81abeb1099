-- What Python gets back: one function for all acts, and the marks of what it sends.
return function(name, ...)
  return (acts[name] or skep.late("binding")[name])(...)
end, skep.in_object, skep.in_array, skep.in_end
