"""What an attempt started, found and ended as a whole (R-tree).

`members procfs marks records ending removal leftovers guardian` need nothing but the standard library: the guardian
runs them in an interpreter without site packages.
"""
