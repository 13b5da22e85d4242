"""The upper bound of the SCR by prices, docs/model.md section 19, and branch and bound on top of it."""
