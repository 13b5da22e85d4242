"""What policies see of the channel: kind, age and error (docs/model.md 11)."""

import math

import numpy as np
import pytest

from mecsim.world.csi import CsiModel, mean_log_power
from mecsim.world.world import World

WALK = {"users.mobility": {"model": "random_waypoint", "speed_mps": [5, 15]}, "users.count": 5}
URBAN = {"channel.path_loss": "umi", "channel.fading": {"model": "rician", "k_db": 10}}


@pytest.fixture
def knowing(make_scenario):
    """Return a function from changes to the world and what is known of it."""

    def know(seed=3, **changes):
        named = {f"reallocation.{key}": value for key, value in changes.pop("control", {}).items()}
        world = World(make_scenario(WALK | named | changes), seed)
        return world, CsiModel(world, seed)

    return know


def seen(known, time_s):
    """Return the gains of everybody."""
    return known.gains(time_s, np.arange(known._world.user_count))


@pytest.mark.parametrize(("csi", "fading"), [("local_mean", False), ("instantaneous", True)])
def test_the_kind_of_gain(knowing, csi, fading):
    world, known = knowing(control={"csi": csi})
    assert (seen(known, 20.0) == world.all_gains(20.0, fading=fading)).all()
    assert known.is_true == fading


def test_the_effective_gain_is_the_local_mean_times_a_factor(knowing):
    world, known = knowing(control={"csi": "effective"})
    np.testing.assert_allclose(
        seen(known, 20.0), world.all_gains(20.0, fading=False) * math.exp(-0.5772156649), rtol=1e-9
    )


def test_only_links_with_a_direct_wave_have_its_factor(knowing):
    """K = 10 dB: E[ln |h|^2] is -0.0953 where there is line of sight, -0.5772 elsewhere."""
    world, known = knowing(control={"csi": "effective"}, **URBAN, **{"users.count": 30})
    users, servers = np.arange(30)[:, None], np.arange(2)
    clear = world.line_of_sight(users, servers, np.array(20.0))
    assert clear.any()
    assert not clear.all()
    factor = seen(known, 20.0) / world.all_gains(20.0, fading=False)
    np.testing.assert_allclose(np.log(factor[clear]), mean_log_power(10.0), rtol=1e-9)
    np.testing.assert_allclose(np.log(factor[~clear]), mean_log_power(), rtol=1e-9)


@pytest.mark.parametrize("model", ["none", "ergodic"])
def test_without_fading_to_average_the_effective_gain_is_the_local_mean(knowing, model):
    """In ergodic mode the snapshot's own rates are mean rates already."""
    world, known = knowing(control={"csi": "effective"}, **{"channel.fading.model": model})
    assert (seen(known, 20.0) == world.all_gains(20.0, fading=False)).all()
    assert known.is_true


@pytest.mark.parametrize("csi", ["local_mean", "instantaneous"])
def test_old_gains_are_those_of_then(knowing, csi):
    world, known = knowing(control={"csi": csi, "csi_delay_s": 7.5})
    assert (seen(known, 20.0) == world.all_gains(12.5, fading=csi == "instantaneous")).all()
    assert (seen(known, 3.0) == world.all_gains(0.0, fading=csi == "instantaneous")).all()
    assert not known.is_true


def test_interference_is_as_old_as_the_gains(knowing):
    world, known = knowing(control={"csi_delay_s": 7.5}, **{"channel.interference.model": "full_buffer"})
    assert (known.downlink_shares(20.0, np.arange(5)) == world.all_downlink_shares(12.5)).all()


def test_errors_are_the_worlds_and_their_size_is_a_factor(knowing):
    world, one = knowing(control={"csi_error_db": 1.0})
    _, again = knowing(control={"csi_error_db": 1.0})
    _, three = knowing(control={"csi_error_db": 3.0})
    _, other = knowing(seed=4, control={"csi_error_db": 1.0})
    assert (seen(one, 20.0) == seen(again, 20.0)).all()
    exact = world.all_gains(20.0, fading=False)
    np.testing.assert_allclose(np.log(seen(three, 20.0) / exact), 3 * np.log(seen(one, 20.0) / exact))
    assert (seen(other, 20.0) != seen(one, 20.0)).all()
    assert not one.is_true


def test_another_user_changes_nobodys_errors(knowing):
    """D5. Mutant: errors drawn for all users from one stream."""
    few, more = (knowing(control={"csi_error_db": 2.0}, **{"users.count": n})[1] for n in (3, 8))
    assert (seen(more, 20.0)[:3] == seen(few, 20.0)).all()


def test_some_users_are_seen_as_among_all(knowing):
    """Mutant: the errors or the direct waves of the first users for whoever is there."""
    control = {"csi": "effective", "csi_error_db": 2.0, "csi_delay_s": 1.0}
    _, known = knowing(control=control, **URBAN, **{"users.count": 30})
    some = np.array([3, 17, 29])
    assert (known.gains(20.0, some) == seen(known, 20.0)[some]).all()
