"""Actions as vectors: what they say, and that they are the actions of the parts."""

import numpy as np
import pytest

from mecsim.errors import InvalidAllocation, MecsimError
from mecsim.rl.actions import FORMS, ActionCode
from mecsim.rl.flat_actions import FlatActionCode

gymnasium = pytest.importorskip("gymnasium", reason="the rl extra is not installed")
from gymnasium.utils.env_checker import check_env  # noqa: E402

from mecsim.rl.env import ENVIRONMENTS, AllocationEnv  # noqa: E402


@pytest.mark.parametrize("form", FORMS)
def test_a_vector_holds_preferences_and_shares(form):
    """Mutants: shares from 0 to 1 in the vector; the preferences of a server beside those of the next."""
    code = ActionCode(form, 3, 2)
    flat = FlatActionCode(code)
    rng = np.random.default_rng(1)
    shares = {name: rng.uniform(size=3) for name in code.shares}
    action = {"server": np.array([1, 0, 1]), **shares} if shares else np.array([1, 0, 1])
    vector = flat.vector(action)
    np.testing.assert_array_equal(vector[:6], [-1, 1, 1, -1, -1, 1])
    again = flat.action(vector)
    if not shares:
        np.testing.assert_array_equal(again, action)
        return
    assert list(again) == list(action)
    for name, values in action.items():
        np.testing.assert_allclose(again[name], values, atol=1e-7)
    beyond = flat.action(3 * np.sign(vector))
    assert all(set(beyond[name]) <= {0.0, 1.0} for name in shares)


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.filterwarnings("error")
def test_the_checker_has_nothing_to_say(name):
    env = gymnasium.make(name, scenario="smoke", action="flat", disable_env_checker=True)
    check_env(env.unwrapped, skip_render_check=True)


def test_it_is_the_environment_of_the_parts():
    parts, flat = AllocationEnv("smoke", form="ratio"), AllocationEnv("smoke", form="ratio", action="flat")
    for env in (parts, flat):
        env.reset(seed=2)
        env.action_space.seed(1)
    for _ in range(4):
        vector = flat.action_space.sample()
        seen, reward, *_ = flat.step(vector)
        expected, expected_reward, *_ = parts.step(FlatActionCode(parts.code).action(vector))
        np.testing.assert_array_equal(seen, expected)
        assert reward == expected_reward
    assert flat.action_space.contains(flat.encode(flat.observation.allocation))


@pytest.mark.parametrize(
    ("vector", "told"),
    [
        ([0.0] * 11, r"shape \(11,\): the shape must be \(12,\), preferences of slots x servers, local_frac"),
        ([0.0] * 11 + [np.nan], r"action\[11\] = nan: must be a finite number"),
        ({"server": 1}, "action = array of object: must be an array of numbers"),
        ([0.0] * 11 + [1j], "action = array of complex128: must be an array of numbers"),
        ([[0.0], [0.0, 1.0]], "action: must be an array of numbers"),
    ],
)
def test_hostile_vectors_are_refused(vector, told):
    env = AllocationEnv("smoke", form="ratio", action="flat")
    env.reset(seed=1)
    with pytest.raises(InvalidAllocation, match=told):
        env.step(vector)
    with pytest.raises(MecsimError, match=r"action = flatt: must be 'parts' or 'flat'; did you mean 'flat'"):
        AllocationEnv("smoke", action="flatt")
