"""The engine against its slow twin where users of a trace come, are away in gaps, come back and go."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from mecsim import load_scenario
from mecsim.engine.roster import Roster
from mecsim.engine.simulation import Simulation
from mecsim.testing.reference_visits import VisitsEngine

TWIN = runpy.run_path(str(Path(__file__).with_name("test_twin.py")))

ROWS = "t_s,user_id,x_m,y_m\n" + "".join(
    f"{t},{user},{100 + 3 * t + 50 * k},{200 + t}\n"
    for k, (user, times) in enumerate(
        {"a": (0, 30, 60, 95), "b": (0, 11.3, 47.7, 95), "c": (7.1, 21.9, 58.3, 70.3)}.items()
    )
    for t in times
)


@pytest.fixture
def visits(tmp_path):
    def make(sharing):
        (tmp_path / "t.csv").write_text(ROWS, "utf-8")
        mobility = {"model": "trace", "file": str(tmp_path / "t.csv"), "gaps": "away", "largest_gap_s": 35.0}
        return load_scenario("smoke").with_changes({
            "users.mobility": mobility,
            "users.count": 3,
            "area.size_m": [1000, 1000],
            "duration_s": 90.0,
            "warmup_s": 0.0,
            "reallocation.period_s": 4.0,
            "reallocation.csi": "instantaneous",
            "service.sharing": sharing,
            "channel.fading.block_s": 0.1,
            "workload.rounds": {"mode": "continuous", "think_s": 0.3},
        })  # fmt: skip

    return make


def compare(scenario, random_policy):
    policies = [TWIN["Watched"](random_policy(5)) for _ in range(2)]
    twin = VisitsEngine(scenario, policies[0], 5)
    expected = TWIN["expected_rows"](twin.run())
    record = Simulation(scenario, policies[1], 5).run()
    TWIN["assert_same_rounds"](record.rounds, expected)
    TWIN["assert_same_sight"](policies[1].seen, policies[0].seen)
    np.testing.assert_allclose(record.ledger["user_meter_j"], twin.user_meter_j, rtol=1e-9)
    return twin, expected


@pytest.mark.parametrize("sharing", ["reserved", "work_conserving"])
def test_every_round_of_users_who_come_and_go(visits, random_policy, sharing):
    twin, expected = compare(visits(sharing), random_policy)
    assert [len(visit) for visit in twin.visits_s] == [1, 1, 2]
    assert (expected["outcome"] == "dropped").sum() >= 2
    assert (expected["wait_s"] > 0).sum() >= 2


def test_a_return_that_is_taken_for_one_long_stay_is_noticed(visits, random_policy, monkeypatch):
    """Mutant: who comes back has waited since it first came."""
    scenario = visits("reserved")
    add_again = Roster.add_again

    def forgetful(roster, user, now_s):
        add_again(roster, user, now_s)
        roster.since_s[user] = roster.entered_s[user]

    monkeypatch.setattr(Roster, "add_again", forgetful)
    with pytest.raises(AssertionError):
        compare(scenario, random_policy)
