"""Arithmetic of instances whose numbers are extreme."""

import numpy as np

overflow_allowed = np.errstate(all="ignore")
"""Decorates methods that may overflow on the way: what they find is compared with a plain answer at the end.

A gain of 1e-300, say, is a link that carries nothing, and its rate, time and price are zero or infinite.
"""
