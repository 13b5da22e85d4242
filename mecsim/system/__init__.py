"""The static system of one snapshot: users, servers, gains, an allocation, and what it costs.

docs/model.md sections 1 and 2: arrays in, arrays out, SI units, no randomness and no time.
"""
