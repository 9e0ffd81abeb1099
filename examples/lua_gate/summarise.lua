-- The worker: the first sentence of the text. `_PROMPT` is the input of its step.
emit{type = "progress", stage = "reading", note = #_PROMPT .. " bytes"}
return _PROMPT:match("^.-[.!?]%f[%s\0]") or _PROMPT
