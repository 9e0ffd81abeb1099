-- No mail address leaves in a result, and a result without words is none.
return function(ctx, out)
  local text = out.value:gsub("[%w.+-]+@[%w.-]+%w", "<address>")
  return {value = text, ok = text:find("%w") ~= nil}
end
