"""DASHF: Dinkelbach, alternating optimisation, SDR, Hungarian rounding, fractional programming."""
