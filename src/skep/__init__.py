"""skep: a long-running host for swarms of agents."""
