"""Strategies as workers: a step's input is `ctx`, its queries are Questions of the run (DESIGN section 10)."""
