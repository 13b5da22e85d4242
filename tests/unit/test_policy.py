"""The face that policies see."""

import dataclasses

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation
from mecsim.policy import Observation, Phase, Policy
from mecsim.registry import make_policy
from mecsim.world.world import World


@pytest.fixture(scope="module")
def snapshot(make_scenario):
    return World(make_scenario(), 1).instance(0.0)


def arrays_of(observation):
    groups = (observation, observation.instance, observation.instance.users, observation.instance.servers)
    found = [getattr(group, field.name) for group in groups for field in dataclasses.fields(group)]
    if observation.allocation is not None:
        found += [observation.allocation.server, *observation.allocation.columns]
    return [value for value in found if isinstance(value, np.ndarray)]


def test_a_bare_snapshot_is_seen_with_everyone_idle_and_nobody_pinned(snapshot):
    seen = Observation.of(snapshot, time_s=3.0)
    assert (seen.time_s, seen.epoch, seen.allocation) == (3.0, 0, None)
    assert seen.instance is snapshot
    assert seen.phase.tolist() == [Phase.IDLE] * 3
    assert seen.remaining.tolist() == [0.0] * 3
    assert np.isnan(seen.local_fraction).all()
    assert seen.pinned.tolist() == [False] * 3
    assert [seen.phase.dtype, seen.pinned.dtype] == [np.int8, np.bool_]


class Looker:
    """Keeps what it sees."""

    def __init__(self):
        self.seen = []

    def reset(self, info, rng):
        self.info = info

    def allocate(self, observation):
        self.seen.append(observation)
        return make_policy("nearest").allocate(observation)


@pytest.fixture(scope="module")
def looked(draw_scenario):
    scenario = draw_scenario(3, moving=True, changes={"reallocation.csi": "local_mean"})
    looker = Looker()
    Simulation(scenario, looker, 3).run()
    return scenario, World(scenario, 3), looker


def test_every_array_of_an_observation_is_read_only(looked, snapshot):
    _, _, looker = looked
    for observation in [*looker.seen[:3], Observation.of(snapshot)]:
        arrays = arrays_of(observation)
        assert len(arrays) >= 18
        for array in arrays:
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0


def test_an_observation_cannot_be_changed(snapshot):
    with pytest.raises(dataclasses.FrozenInstanceError):
        Observation.of(snapshot).time_s = 3


def test_what_is_known_before_a_run(looked):
    scenario, _, looker = looked
    info = looker.info
    assert (info.name, info.user_count, info.server_count) == (
        "test",
        scenario.users.count,
        scenario.servers.count,
    )
    assert (info.duration_s, info.period_s) == (scenario.duration_s, scenario.reallocation.period_s)


def test_epochs_are_a_period_apart_and_each_sees_the_allocation_of_the_one_before(looked):
    scenario, _, looker = looked
    assert [seen.epoch for seen in looker.seen] == list(range(len(looker.seen)))
    assert [seen.time_s for seen in looker.seen] == [
        k * scenario.reallocation.period_s for k in range(len(looker.seen))
    ]
    assert looker.seen[0].allocation is None
    assert all(seen.allocation is not None for seen in looker.seen[1:])


@pytest.mark.parametrize("csi", ["local_mean", "instantaneous"])
def test_gains_are_seen_as_the_csi_model_lets_them(draw_scenario, csi):
    scenario = draw_scenario(3, moving=True, changes={"reallocation.csi": csi})
    looker = Looker()
    Simulation(scenario, looker, 3).run()
    world = World(scenario, 3)
    for seen in looker.seen[:5]:
        assert (
            seen.instance.gain.tobytes()
            == world.all_gains(seen.time_s, fading=csi == "instantaneous").tobytes()
        )
        assert (
            seen.instance.gain.tobytes()
            != world.all_gains(seen.time_s, fading=csi != "instantaneous").tobytes()
        )


def test_the_snapshot_is_that_of_the_round_in_progress(draw_scenario):
    """Work drawn afresh for each round is seen from the round's start on, and until its end."""
    changes = {
        "workload.token_bits": {"uniform": [2e7, 2e8], "per": "round"},
        "workload.rounds": {"mode": "continuous"},
    }
    scenario = draw_scenario(3, moving=True, changes=changes)
    looker = Looker()
    record = Simulation(scenario, looker, 3).run()
    work, rounds = World(scenario, 3).workload, record.rounds
    for seen in looker.seen[1:]:
        for n in range(scenario.users.count):
            # The clock's own rounding apart, a round is in progress from its start to its end.
            mine = (rounds["user"] == n) & (rounds["start_s"] < seen.time_s - 1e-9)
            k = rounds["round"][mine].max()
            (row,) = np.flatnonzero((rounds["user"] == n) & (rounds["round"] == k))
            assert rounds["start_s"][row] + rounds["delay_s"][row] >= seen.time_s - 1e-9
            params, flops = work.work(np.array([n]), np.array([k]))
            assert (seen.instance.users.adapter_params[n], seen.instance.users.flops_per_param[n]) == (
                params[0],
                flops[0],
            )
            assert seen.local_fraction[n] == rounds["local_fraction"][row]


def test_phases_and_what_is_left_belong_together(looked):
    _, _, looker = looked
    for seen in looker.seen:
        idle = seen.phase == Phase.IDLE
        assert (seen.remaining[idle] == 0).all()
        assert (seen.remaining[~idle] > 0).all()
        assert (np.isnan(seen.local_fraction) == idle).all()
    assert len({phase for seen in looker.seen for phase in seen.phase.tolist()}) > 2


def test_anything_that_allocates_is_a_policy():
    assert isinstance(Looker(), Policy)
    assert not isinstance(object(), Policy)
