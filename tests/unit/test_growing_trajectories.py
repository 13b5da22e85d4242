"""Trajectories that are drawn as far as a run gets are those that are drawn at once."""

from typing import Literal

import numpy as np
import pytest

import mecsim
from mecsim import MobilityModel
from mecsim.errors import PluginError, RunFailed, ScenarioError
from mecsim.world.mobility import trajectories
from mecsim.world.mobility.legs import held_velocities
from mecsim.world.world import World

SPEEDS = {"speed_mps": [5, 30]}
MODELS = {
    "random_waypoint": SPEEDS,
    "manhattan": {"street_spacing_m": 40, **SPEEDS},
    "gauss_markov": {"memory": 0.9, "mean_speed_mps": 9, "sigma_mps": 3, "step_s": 2.0},
    "group": {"groups": 2, "radius_m": 20, "member_speed_mps": [1, 2], **SPEEDS},
    "static": {},
}


@pytest.mark.parametrize("model", MODELS)
def test_the_same_bits_as_at_once(make_scenario, monkeypatch, model):
    """Mutant: the streams go on where they were, instead of starting again."""
    scenario = make_scenario({"users.mobility": {"model": model, **MODELS[model]}, "duration_s": 700})
    whole = World(scenario, 5)
    monkeypatch.setattr(trajectories, "FIRST_S", 20.0)
    users = np.arange(3)
    early, late = World(scenario, 5), World(scenario, 5)
    times_s = [0.0, 21.0, 400.0, 7.0, 699.0]
    for time_s in times_s:
        assert np.array_equal(early.gain(users, users % 2, time_s), whole.gain(users, users % 2, time_s))
    for window in (25, 3, 10):  # backwards too
        assert np.array_equal(
            late.gain_window(users, users % 2, window), whole.gain_window(users, users % 2, window)
        )
    assert np.array_equal(late.position_m(users, 699.0), whole.position_m(users, 699.0))
    assert early.moving == late.moving == whole.moving


def test_a_very_long_run_draws_its_beginning_only(make_scenario):
    scenario = make_scenario({
        "users.mobility": {"model": "random_waypoint", "speed_mps": [1, 2]}, "duration_s": 1e9,
        "reallocation.period_s": 1e4, "record.positions_s": 1e6, "channel.fading.block_s": 1,
    })  # fmt: skip
    world = World(scenario, 1)
    assert len(world.trajectories.legs.start_s) < 2000
    world.position_m(np.array([0]), np.array([1e6]))
    assert world.trajectories.legs.start_s[world.trajectories.first[1:] - 1].min() > 1e6


def test_users_who_stand_for_long_move_in_the_end(make_scenario, monkeypatch):
    """Mutant: who stands in the first part is taken to stand for ever, and the gains are kept."""
    monkeypatch.setattr(trajectories, "FIRST_S", 1.0)
    changes = {"model": "random_waypoint", "speed_mps": [1, 2], "pause_s": [1e4, 1e4]}
    scenario = make_scenario({"users.mobility": changes, "users.count": 1, "duration_s": 3e4})
    assert World(scenario, 1).moving


def test_too_many_legs_are_refused_with_the_time(make_scenario, monkeypatch):
    monkeypatch.setattr(trajectories, "MOST_LEGS", 5000)
    scenario = make_scenario({"users.mobility": {"model": "random_waypoint", **SPEEDS}, "duration_s": 1e5})
    world = World(scenario, 1)
    with pytest.raises(RunFailed, match=r"t = 90000 s: the trajectories have .* more than 5,000"):
        world.position_m(np.array([0]), np.array([9e4]))


def test_users_who_turn_often_are_drawn_for_less_time(make_scenario):
    """Mutant: two hours of legs of a millisecond each before the first event."""
    fast = {"users.mobility": {"model": "random_waypoint", "speed_mps": [30, 30]}, "area.size_m": [1, 1]}
    places = {"servers.positions_m": [[0, 0], [1, 1]], "duration_s": 1e4}
    world = World(make_scenario(fast | places), 1)
    assert len(world.trajectories.legs.start_s) < 200_000
    with pytest.raises(ScenarioError, match=r"users\.mobility\.speed_mps = .*100 turns a second"):
        make_scenario(fast | places | {"users.mobility.speed_mps": [40, 40]})


def test_a_crowd_on_a_disc_far_larger_than_the_area_finds_its_places(make_scenario):
    """Mutant: places drawn on the disc until one lies in the area, 1e12 trials each here."""
    crowd = {"from_s": 0, "to_s": 1, "users": 5, "at_m": [200, 200], "radius_m": 1e6}
    world = World(make_scenario({"calendar.flash_crowds": [crowd], "area.size_m": [1000, 400]}), 1)
    place_m = world.position_m(np.arange(3, 8), 1.0)
    assert ((place_m >= 0) & (place_m <= [1000, 400])).all()
    assert len(np.unique(place_m)) == 10


class Forgetful(MobilityModel):
    """Another past for each time that it is asked for."""

    model: Literal["forgetful"] = "forgetful"

    def legs(self, size_m, seed, user, until_s):
        start_s = np.array([0.0, 1.0])
        return held_velocities(start_s, np.full((2, 2), until_s % 100), np.array([[1.0, 0.0], [0.0, 0.0]]))


def test_a_plug_in_with_another_past_is_named(make_scenario, monkeypatch):
    monkeypatch.setattr(trajectories, "FIRST_S", 2.0)
    mecsim.register_mobility("forgetful", Forgetful)
    scenario = make_scenario({"users.mobility": {"model": "forgetful"}, "duration_s": 9})
    with pytest.raises(PluginError, match=r"until a later time than 2 s it gives other legs"):
        mecsim.simulate(scenario, "nearest")
