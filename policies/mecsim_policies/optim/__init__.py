"""The library of the optimising policies: problems in shares, Newton steps, searches for associations."""
