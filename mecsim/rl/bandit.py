"""A contextual bandit: linear upper confidence bounds of what each user gains at each server.

The context of a pair is its features (:data:`~mecsim.rl.pairs.PAIR_FEATURES`), the reward of a user is minus
the weighted delay and energy of a round that it has finished, and all pairs share one linear model.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mecsim.errors import MecsimError
from mecsim.policy import Observation
from mecsim.rl.agent_file import AgentFile, read_agent
from mecsim.rl.pairs import PAIRS, associate
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats
from mecsim.system.equal_split import equal_split

SHAPES = {"gram": (PAIRS, PAIRS), "response": (PAIRS,)}
# A weak belief that a larger gain is better: without training users join their strongest server.
_PRIOR = np.array([0.0, 1.0, 0.0, 0.0])


class Bandit:
    """Users join the server with the largest estimate; equal split, and half of the work is their own.

    Parameters
    ----------
    weights : str
        File that ``mecsim train`` has written; without one users join their strongest server.
    exploration : float
        How many standard deviations are added to an estimate; 0 to judge it, more while it learns.
    allow_training_seeds : bool
        Whether it may be run in worlds that it was trained in.

    References
    ----------
    Li, Chu, Langford and Schapire (2010), "A contextual-bandit approach to personalized news article
    recommendation": LinUCB.
    """

    file_parameters: ClassVar[tuple[str, ...]] = ("weights",)

    def __init__(
        self, weights: str = "", exploration: float = 0.0, allow_training_seeds: bool = False
    ) -> None:
        if not 0 <= exploration < np.inf:
            raise MecsimError(f"exploration = {exploration}: must be a number >= 0")
        self.exploration, self.allow_training_seeds = exploration, allow_training_seeds
        self.gram, self.response = np.eye(PAIRS), _PRIOR.copy()
        self.training_seeds: frozenset[int] = frozenset()
        self.weights_sha256 = ""
        self.chosen_features: Floats = np.zeros((0, PAIRS))
        if weights:
            self.take(read_agent(weights, "bandit", SHAPES))

    def take(self, file: AgentFile) -> None:
        """Take what a file has."""
        self.gram, self.response = file.numbers["gram"], file.numbers["response"]
        self.training_seeds, self.weights_sha256 = frozenset(file.training_seeds), file.sha256

    def allocate(self, observation: Observation) -> Allocation:
        """Return the association by upper confidence bounds, with an equal split."""
        inverse: Floats = np.asarray(np.linalg.inv(self.gram), dtype=np.float64)
        mean = inverse @ self.response

        def bound(features: Floats) -> Floats:
            spread = np.sqrt(np.einsum("mi,ij,mj->m", features, inverse, features))
            return np.asarray(features @ mean + self.exploration * spread)

        server, self.chosen_features = associate(observation, bound)
        return equal_split(observation.instance, server, 0.5)

    def learn(self, features: Floats, reward: float) -> None:
        """Take the reward of one user, whose pair had these features, (PAIRS,)."""
        self.gram = self.gram + np.outer(features, features)
        self.response = self.response + reward * features
