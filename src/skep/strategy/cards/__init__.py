"""Cards: records of runs, written once (strategy runtime, 6.2)."""
