"""Operators: attempts that somebody outside takes, works on and completes (DESIGN section 8)."""
