"""A contextual bandit: linear upper confidence bounds of what each user gains at each server.

An arm is a server and a share of the work that the user does itself. Its context is the features of the pair
(:data:`~mecsim.rl.pairs.PAIR_FEATURES`), the share, its square and its product with the gain. The reward of a
user is minus the weighted delay and energy of a round, and all users and arms share one linear model.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from mecsim.errors import MecsimError
from mecsim.policy import Observation
from mecsim.rl.agent_file import AgentFile, read_agent
from mecsim.rl.pairs import PAIRS, associate
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, frozen
from mecsim.system.equal_split import equal_split

FRACTIONS = frozen([0.5, 0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0])
"""The shares of its work from which a user's is chosen; of equal ones the first."""

ARM = PAIRS + 3
SHAPES = {"gram": (ARM, ARM), "response": (ARM,)}
# A weak belief that a larger gain is better: without training users join their strongest server.
_PRIOR = np.eye(ARM)[1]


class Bandit:
    """Each user takes the server and the share of its work with the largest estimate; equal split.

    Parameters
    ----------
    weights : str
        File that ``mecsim train`` has written; without one users join their strongest server
        and do half of the work.
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
        self.gram, self.response = np.eye(ARM), _PRIOR.copy()
        self.training_seeds: frozenset[int] = frozenset()
        self.weights_sha256 = ""
        self.chosen_features: Floats = np.zeros((0, ARM))
        if weights:
            self.take(read_agent(weights, "bandit", SHAPES))

    def take(self, file: AgentFile) -> None:
        """Take what a file has."""
        self.gram, self.response = file.numbers["gram"], file.numbers["response"]
        self.training_seeds, self.weights_sha256 = frozenset(file.training_seeds), file.sha256

    def allocate(self, observation: Observation) -> Allocation:
        """Return servers and shares by upper confidence bounds, with an equal split."""
        inverse: Floats = np.asarray(np.linalg.inv(self.gram), dtype=np.float64)
        mean = inverse @ self.response

        def bounds(arms: Floats) -> Floats:
            estimate = arms @ mean
            if self.exploration:
                estimate = estimate + self.exploration * np.sqrt(
                    np.einsum("...i,ij,...j->...", arms, inverse, arms)
                )
            return np.asarray(estimate)

        server, pairs = associate(observation, lambda pairs: bounds(_arms(pairs)).max(axis=1))
        arms = _arms(pairs)
        chosen = bounds(arms).argmax(axis=1)
        self.chosen_features = arms[np.arange(len(server)), chosen]
        return equal_split(observation.instance, server, FRACTIONS[chosen])

    def learn(self, features: Floats, reward: float) -> None:
        """Take the reward of one user, whose pair had these features, (ARM,)."""
        self.gram = self.gram + np.outer(features, features)
        self.response = self.response + reward * features


def _arms(pairs: Floats) -> Floats:
    """Return the features of each share for pairs (K, PAIRS), (K, shares, ARM)."""
    arms = np.empty((len(pairs), len(FRACTIONS), ARM))
    arms[:, :, :PAIRS] = pairs[:, None, :]
    arms[:, :, PAIRS], arms[:, :, PAIRS + 1] = FRACTIONS, FRACTIONS**2
    arms[:, :, PAIRS + 2] = FRACTIONS * pairs[:, None, 1]
    return arms
