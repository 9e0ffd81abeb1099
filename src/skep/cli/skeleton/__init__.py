"""The files that `skep new` copies; `NAME` in them becomes the name that was asked for."""
