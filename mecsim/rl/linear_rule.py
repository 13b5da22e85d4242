"""A linear rule for the association and the share of the work that users do, found by search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from mecsim.errors import MecsimError
from mecsim.policy import Observation
from mecsim.rl.agent_file import read_agent
from mecsim.rl.observations import WORK_SCALE, gain_level, level
from mecsim.rl.pairs import PAIRS, associate
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, frozen
from mecsim.system.equal_split import equal_split

_SHARE_FEATURES = 4
SIZE = PAIRS - 1 + _SHARE_FEATURES
SHAPES = {"weights": (SIZE,)}
# Users join their strongest server, and half of the work is their own.
START = frozen([1.0, *np.zeros(SIZE - 1)])


class LinearRule:
    """Users join the server with the largest weighted sum of gain, load and whether it is theirs already.

    A user trains the share ``1 / (1 + exp(-s))`` itself, where s is a weighted sum of 1, the gain and the
    load of its server and the size of its work. Servers are shared equally.

    Parameters
    ----------
    weights : str or sequence of float
        File that ``mecsim train`` has written, or the seven weights; by default users join their strongest
        server and train half themselves.
    allow_training_seeds : bool
        Whether it may be run in worlds that it was trained in.
    """

    file_parameters: ClassVar[tuple[str, ...]] = ("weights",)

    def __init__(self, weights: str | Sequence[float] = "", allow_training_seeds: bool = False) -> None:
        self.allow_training_seeds, self.weights_sha256 = allow_training_seeds, ""
        self.training_seeds: frozenset[int] = frozenset()
        self.weights: Floats = START
        if isinstance(weights, str) and weights:
            file = read_agent(weights, "linear_rule", SHAPES)
            self.weights, self.weights_sha256 = file.numbers["weights"], file.sha256
            self.training_seeds = frozenset(file.training_seeds)
        elif not isinstance(weights, str):
            self.weights = np.asarray(weights, dtype=np.float64)
        if self.weights.shape != (SIZE,) or not np.isfinite(self.weights).all():
            raise MecsimError(f"weights = {weights}: must be a file, or {SIZE} finite numbers")

    def allocate(self, observation: Observation) -> Allocation:
        """Return the association and the shares by the rule, with an equal split."""
        pair, share = self.weights[: PAIRS - 1], self.weights[PAIRS - 1 :]
        server, _ = associate(observation, lambda features: np.asarray(features[:, 1:] @ pair))
        instance, everybody = observation.instance, np.arange(len(server))
        load = np.bincount(server, minlength=instance.server_count) / len(server)
        work = instance.users.adapter_params * instance.users.flops_per_param
        gain = gain_level(instance.gain[everybody, server])
        exponent = share @ np.stack([np.ones(len(server)), gain, load[server], level(work, WORK_SCALE)])
        own = 1.0 / (1.0 + np.exp(-np.clip(exponent, -30.0, 30.0)))
        return equal_split(instance, server, own)
