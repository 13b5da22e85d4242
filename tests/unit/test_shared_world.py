"""Runs that meet in one world share it, and what was computed of it."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
import pytest

from mecsim import load_scenario
from mecsim.results.load import load_results
from mecsim.study.compare import compare
from mecsim.study.plan import plan
from mecsim.study.policy_choice import PolicyChoice
from mecsim.study.pool import run_here
from mecsim.study.runner import execute
from mecsim.study.schedule import RunQueue, RunTimes
from mecsim.study.shared_world import SharedWorld, met_often, world_key
from mecsim.world import windows
from mecsim.world.kept_rows import KeptRows
from mecsim.world.world import World

SMOKE = load_scenario("smoke").with_changes({"duration_s": 15})
ALL = range(windows.WINDOW_BLOCKS)
POLICIES = ["nearest", "rucaa", "gucaa", "water_filling"]


def runs(names=POLICIES, replications=2):
    return plan(SMOKE, [PolicyChoice.of(name) for name in names], replications)


@pytest.fixture
def computed() -> Iterator[list[tuple[int, int, int, int]]]:
    """Return a list of (window, user, server, leg), one for each row that is computed."""
    rows: list[tuple[int, int, int, int]] = []
    inner = World._leg_gains

    def noted(world, users, servers, leg, start_s, blocks):
        window = [round(start_s / world.window_s)] * len(users)
        rows.extend(zip(window, users.tolist(), servers.tolist(), leg.tolist(), strict=True))
        return inner(world, users, servers, leg, start_s, blocks)

    with patch.object(World, "_leg_gains", noted):
        yield rows


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"channel.interference.model": "full_buffer"},
        {"channel.fading.block_s": 1.0},
        {"service.sharing": "work_conserving"},
        {"reallocation.csi": "instantaneous"},
    ],
    ids=str,
)
def test_no_bit_of_a_run_depends_on_who_was_in_its_world_before(changes) -> None:
    """Mutants rejected: rows kept without their window; gains kept for factors of the downlink."""
    shared, scenario = SharedWorld(), SMOKE.with_changes(changes)
    asked = plan(scenario, [PolicyChoice.of(name) for name in ("nearest", "rucaa")], 1)
    alone = [execute(run).digest() for run in asked]
    assert [execute(run, shared=shared).digest() for run in [*asked, asked[0]]] == [*alone, alone[0]]


def test_a_row_is_computed_once_for_all_runs_in_a_world(computed) -> None:
    """Mutant rejected: a world made anew for each run."""
    list(run_here(runs(["nearest", "gucaa", "rucaa"], 1), None, None))
    assert computed
    assert len(set(computed)) == len(computed)


def test_a_world_that_one_run_meets_is_not_kept() -> None:
    asked = runs()
    assert met_often(asked) == {world_key(run) for run in asked}
    assert met_often(asked[: len(POLICIES) + 1]) == {world_key(asked[0])}
    assert met_often(runs(["nearest"])) == frozenset()


def test_another_seed_is_another_world() -> None:
    """Mutant rejected: the world looked up by scenario alone."""
    shared, asked = SharedWorld(), runs(["nearest"])
    first = shared.of(asked[0])
    assert shared.of(asked[0]) is first
    other = shared.of(asked[1])
    assert other is not first
    assert other.digest() != first.digest()


def test_the_room_is_bounded() -> None:
    """Mutant rejected: rows kept beyond the room."""
    calls = []

    def compute(users, servers):
        calls.append(users.tolist())
        return np.repeat((users * 10.0 + servers)[:, None], len(ALL), axis=1)

    kept, servers = KeptRows(3 * 8 * len(ALL)), np.zeros(2, dtype=np.int64)
    kept.of("gain", np.array([0, 1]), servers, 0, ALL, compute)
    kept.of("gain", np.array([2, 3]), servers, 0, ALL, compute)  # there is room for one more only
    mixed = kept.of("gain", np.array([3, 1]), servers, 0, ALL, compute)
    assert mixed[:, 0].tolist() == [30.0, 10.0]
    kept.of("gain", np.array([0]), np.array([1]), 0, ALL, compute)
    kept.of("gain", np.array([0]), np.array([0]), 1, ALL, compute)
    assert calls == [[0, 1], [2, 3], [3], [0], [0]]


def test_a_worker_goes_on_with_the_world_that_it_has() -> None:
    """Mutant rejected: the longest first wherever it is, so that every run makes its world anew."""
    times = RunTimes()
    for name, wall_s in zip(POLICIES, (4.0, 3.0, 2.0, 1.0), strict=True):
        times.learn(plan(SMOKE, [PolicyChoice.of(name)], 1)[0], wall_s)
    waiting, last, order = RunQueue(runs(), times), None, []
    while waiting:
        last = waiting.take(last)
        order.append((last.seed, last.policy.label))
    assert order == [(seed, name) for seed in (0, 1) for name in POLICIES]


def test_workers_share_too(tmp_path) -> None:
    """In processes as in one: the same bits."""
    here, there = tmp_path / "here", tmp_path / "there"
    compare(SMOKE, ["nearest", "gucaa"], replications=2, out=here)
    compare(SMOKE, ["nearest", "gucaa"], replications=2, out=there, jobs=2)
    found = [{p.name: load_results(p).digest() for p in place.glob("[!.]*/")} for place in (here, there)]
    assert len(found[0]) == 4
    assert found[0] == found[1]
