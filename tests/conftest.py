"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes is the machine's affair: speed has benchmarks, never a timed test.
settings.register_profile("skep", deadline=None)
settings.load_profile("skep")
