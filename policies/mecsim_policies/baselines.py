"""Baselines without optimisation, docs/model.md section 4: rules for association, full power, equal split."""

from __future__ import annotations

import numpy as np

from mecsim.policy import Observation, ScenarioInfo
from mecsim.system.allocation import Allocation
from mecsim_policies.optim.fixed_fraction import FixedFraction
from mecsim_policies.optim.rules import equal_split, fewest_users_first, keep_pinned, strongest_server


class Rucaa(FixedFraction):
    """RUCAA: a server drawn uniformly at random for each user, equal split.

    The draw is made once for a run: a user stays with the server it was given.
    """

    def __init__(self, local_fraction: float = 0.5) -> None:
        super().__init__(local_fraction)
        self._draw = 0

    def reset(self, info: ScenarioInfo, rng: np.random.Generator) -> None:
        """Draw the key that fixes the association for the whole run."""
        self._draw = int(rng.integers(2**62))

    def allocate(self, observation: Observation) -> Allocation:
        """Return the random association with an equal split."""
        instance = observation.instance
        rng = np.random.default_rng(self._draw)
        server = rng.integers(instance.server_count, size=instance.user_count)
        return equal_split(instance, keep_pinned(observation, server), self.local_fraction)


class Gucaa(FixedFraction):
    """GUCAA: each user in turn joins the server with the fewest users, equal split."""

    def allocate(self, observation: Observation) -> Allocation:
        """Return the balanced association with an equal split."""
        return equal_split(observation.instance, fewest_users_first(observation), self.local_fraction)


class Nearest(FixedFraction):
    """Each user joins the server with the largest gain, equal split."""

    def allocate(self, observation: Observation) -> Allocation:
        """Return the strongest-gain association with an equal split."""
        return equal_split(observation.instance, strongest_server(observation), self.local_fraction)


class LocalOnly(Nearest):
    """Users train the whole adapter themselves (phi = 1) and send it to the strongest server."""

    def __init__(self) -> None:
        super().__init__(local_fraction=1.0)


class EdgeOnly(Nearest):
    """The strongest server trains the whole adapter (phi = 0) and sends it back."""

    def __init__(self) -> None:
        super().__init__(local_fraction=0.0)
