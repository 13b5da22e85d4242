"""DASHF as literally as the paper has it, through cvxpy: slow, for checks."""
