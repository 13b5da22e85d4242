"""Learning in the same worlds: environments, and trained agents as policies.

With Gymnasium installed (``pip install 'mecsim[rl]'``), importing this registers ``mecsim/Association-v0``,
``mecsim/AssociationRatio-v0`` and ``mecsim/Full-v0``.

>>> import gymnasium, mecsim.rl
>>> env = gymnasium.make("mecsim/Association-v0", scenario="smoke")
"""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("gymnasium") is not None:
    from mecsim.rl.env import register

    register()
