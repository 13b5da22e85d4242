"""The same map elsewhere, turned and mirrored (docs/verification.md M7).

The bug it would catch: a law that depends on the place on the map instead of on distances.
"""

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation


def rounds_of(scenario, random_policy, seed):
    rounds = Simulation(scenario, random_policy(seed), seed).run().rounds
    order = np.lexsort((rounds["round"], rounds["user"]))
    return {name: column[order] for name, column in rounds.items()}


def assert_equal(before, after):
    """Everything is what it was, to 1e-9: distances round."""
    assert len(before["user"]) >= 5
    assert len(before["user"]) == len(after["user"])
    for name, column in before.items():
        if column.dtype.kind == "f":
            atol = 1e-9 * np.abs(column).max()
            np.testing.assert_allclose(after[name], column, rtol=1e-9, atol=atol, err_msg=name)
        else:
            assert (after[name] == column).all(), name


def moved(points, size, move):
    return [list(move(x, y, *size)) for x, y in points]


MOVES = {
    "mirrored": (lambda x, y, a, b: (a - x, y), lambda a, b: (a, b)),
    "turned by a quarter": (lambda x, y, a, b: (b - y, x), lambda a, b: (b, a)),
    "turned by a half": (lambda x, y, a, b: (a - x, b - y), lambda a, b: (a, b)),
    "moved away": (lambda x, y, a, b: (x + 130, y + 70), lambda a, b: (a + 200, b + 100)),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("seed", range(4))
def test_the_place_on_the_map_does_not_matter(draw_scenario, random_policy, move, seed):
    """M7, without shadowing, which is a field over the map; distances round, so 1e-9 and no bits."""
    rng = np.random.default_rng(seed)
    flat = {
        "users.mobility": {"model": "static"}, "channel.shadowing.sigma_db": 0,
        "workload.rounds": {"mode": "continuous", "think_s": 0.5}, "area.size_m": [600, 400],
        "servers.positions_m": (rng.random((2, 2)) * [600, 400]).tolist(),
        "users.positions_m": (rng.random((4, 2)) * [600, 400]).tolist(), "users.count": 4,
    } | same_for_all()  # fmt: skip
    here = draw_scenario(seed, moving=True, changes=flat)
    point, size = MOVES[move]
    there = here.with_changes({
        "area.size_m": list(size(600, 400)),
        "servers.positions_m": moved(flat["servers.positions_m"], (600, 400), point),
        "users.positions_m": moved(flat["users.positions_m"], (600, 400), point),
    })  # fmt: skip
    before, after = (rounds_of(s, random_policy, seed) for s in (here, there))
    assert_equal(before, after)
    wrong = there.with_changes({"servers.positions_m": there.servers.positions_m[::-1]})
    with pytest.raises(AssertionError):
        assert_equal(before, rounds_of(wrong, random_policy, seed))


def same_for_all():
    """Return changes that give all servers and all users the same devices."""
    card = {"peak_tflops": 15, "board_power_w": 250}
    each = {"max_power_w": 1.0, "gpu": card, "gpu_count": 2, "gpu_utilisation": 0.5, "epochs": 1}
    return {f"{group}.{key}": value for group in ("servers", "users") for key, value in each.items()} | {
        "servers.bandwidth_mhz": 20
    }
