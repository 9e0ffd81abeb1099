"""The Blueprint of `skep demo` and its workers."""
