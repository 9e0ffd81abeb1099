-- Who may work, and how often: an error refuses the attempt before its worker starts.
local most_attempts = {summarise = 2}

return function(ctx)
  local most = most_attempts[ctx.agent]
  if most == nil then
    error(ctx.agent .. " is not on the list", 0)
  end
  if ctx.attempt > most then
    error(ctx.agent .. " had its " .. most .. " attempts", 0)
  end
end
