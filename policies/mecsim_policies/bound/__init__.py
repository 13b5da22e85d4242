"""The upper bound of the SCR by prices, and branch and bound on top of it."""
