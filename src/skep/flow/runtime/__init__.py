"""How a compiled flow is carried out; `skep.flow.machine` is its face."""
