"""Many environments at once: the same bits in one process, in forks and in fresh processes."""

from functools import partial

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="the rl extra is not installed")
import mecsim.rl  # noqa: E402, F401 - registers the environments

SEEDS = [3, 9]


def episode(vector):
    """Return all observations and rewards of a few steps of fixed actions."""
    try:
        seen, _ = vector.reset(seed=SEEDS)
        found, rng = [seen], np.random.default_rng(1)
        for _ in range(14):  # past the end of an episode of 12
            seen, reward, _, truncated, _ = vector.step(rng.integers(2, size=(2, 4)))
            found += [seen, reward, truncated]
        return found
    finally:
        vector.close()


# With the module that registers it in its name, as a fresh process knows of no environment.
made = partial(gymnasium.make, "mecsim.rl:mecsim/Association-v0", scenario="smoke", disable_env_checker=True)


@pytest.fixture(scope="module")
def expected():
    found = episode(gymnasium.vector.SyncVectorEnv([made] * 2))
    assert not np.array_equal(found[0][0], found[0][1])  # the worlds differ
    return found


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_processes_give_the_same_bits(start, expected):
    """Mutant: a number of BLAS threads that depends on the process."""
    found = episode(gymnasium.vector.AsyncVectorEnv([made] * 2, context=start))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
