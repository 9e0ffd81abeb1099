"""Evaluations of strategies: kept, listed, compared (strategy runtime, 6.3)."""
