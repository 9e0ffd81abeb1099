"""Scripts that nobody vouches for: each call in a warm process that has given up everything (DESIGN section 9).

`pool` and `runner` are the host's side and what others use; `entry` and `inside` run in the process, which imports no
more than it needs.
"""
