"""Runs that would never end or fill the memory: refused by key, or stopped with the reason."""

import numpy as np
import pytest

import mecsim
from mecsim.engine import clock as clocks
from mecsim.engine import grant_log, recorder
from mecsim.engine.clock import Clock, EventKind
from mecsim.errors import RunFailed, ScenarioError
from mecsim.scenario import size
from mecsim.scenario.schema import Scenario
from mecsim.world.windows import WINDOW_BLOCKS
from mecsim.world.workload import Workload

LONG = {
    "duration_s": 1e9,
    "reallocation.period_s": 1000,
    "channel.fading.block_s": 1,
    "record.positions_s": 1e5,
    "users.mobility": {"model": "random_waypoint", "speed_mps": [1, 2]},
}
TOO_MUCH = {
    "reallocation.period_s": ({"reallocation.period_s": 5}, "calls of the policy"),
    "record.positions_s": ({"record.positions_s": 10}, "records of 3 users"),
    "channel.fading.block_s": ({"channel.fading.block_s": 0.01}, "blocks"),
    "workload.rounds.period_s": ({"workload.rounds": {"mode": "periodic", "period_s": 1e-3}}, "rounds"),
    "workload.rounds.rate_per_s": ({"workload.rounds": {"mode": "poisson", "rate_per_s": 1e3}}, "rounds"),
    "calendar.flash_crowds": (
        {
            "calendar.flash_crowds": [
                {"from_s": k, "to_s": k + 1, "users": 60_000, "at_m": [9, 9]} for k in range(2)
            ]
        },
        "at most 100000 users",
    ),
    "users.count": (
        {
            "users.count": 100_000,
            "record.positions_s": 1e9,
            "servers.positions_m": [[k, 1] for k in range(50)],
        },
        "2,000,000 links",
    ),
}


@pytest.mark.parametrize("key", TOO_MUCH)
def test_what_is_plainly_too_much_is_refused_by_key_and_line(make_scenario, key):
    """Mutant: a limit that is not looked at where the section has its default values."""
    changes, why = TOO_MUCH[key]
    with pytest.raises(ScenarioError) as caught:
        make_scenario(LONG | changes)
    assert f" {key}" in str(caught.value)
    assert why in str(caught.value)


@pytest.mark.parametrize("key", [key for key in TOO_MUCH if key.endswith(("_s",)) and "rate" not in key])
def test_the_bound_in_the_message_is_allowed(make_scenario, key):
    """Mutant: the bound rounded down, so that the number in the message is refused again."""
    with pytest.raises(ScenarioError) as caught:
        make_scenario(LONG | TOO_MUCH[key][0])
    bound = float(str(caught.value).split("must be >= ")[1].split(":")[0])
    changes = LONG | TOO_MUCH[key][0]
    if key.startswith("workload"):
        changes = changes | {"workload.rounds": {"mode": "periodic", "period_s": bound}}
    else:
        changes[key] = bound
    assert isinstance(make_scenario(changes), Scenario)


def test_defaults_are_looked_at_too(make_scenario):
    text = make_scenario({"duration_s": 60}).to_toml().replace("duration_s = 60.0", "duration_s = 1e9")
    with pytest.raises(ScenarioError, match=r"s\.toml:\d+: reallocation\.period_s = 5"):
        Scenario.from_toml(text, "s.toml")


def test_a_window_has_as_many_blocks_as_the_world_takes():
    assert size.BLOCKS_A_WINDOW == WINDOW_BLOCKS


def test_events_at_one_instant_are_bounded_and_the_message_says_which():
    """Mutant: no budget; the loop would go on for ever."""
    clock = Clock(duration_s=100.0, users=2)

    def again():
        clock.call_at(clock.now + 1e-9, EventKind.START, 0, again)

    again()
    with pytest.raises(RunFailed, match=r"t = .* of 100 s: 2\d\d,\d{3} events so far.*starts of rounds"):
        clock.run(until=100.0)


def test_as_many_events_in_all_are_allowed(monkeypatch):
    """Mutant: the budget counts all events, whatever the time reached."""
    monkeypatch.setattr(clocks, "_AT_ONCE", 50)
    monkeypatch.setattr(clocks, "MOST_EVENTS", 5000)
    clock, made = Clock(duration_s=100.0), []

    def again():
        made.append(clock.now)
        clock.call_at(clock.now + 0.05, EventKind.START, 0, again)

    again()
    clock.run(until=100.0)
    assert len(made) > 1900


def test_a_run_of_tiny_rounds_is_stopped(make_scenario, monkeypatch):
    monkeypatch.setattr(clocks, "_AT_ONCE", 500)
    monkeypatch.setattr(clocks, "_AT_ONCE_BY_USER", 0)
    monkeypatch.setattr(clocks, "_LOOKED_AT", 100)
    scenario = make_scenario({"workload.adapter_params": 0.1, "workload.token_bits": 40, "duration_s": 3600})
    with pytest.raises(RunFailed, match=r"of 3600 s: .*Most of the last are ends of phases"):
        mecsim.simulate(scenario, "nearest")


@pytest.mark.parametrize("module", [recorder, grant_log])
def test_tables_are_bounded(make_scenario, monkeypatch, module):
    """Mutant: rows are counted in one of the two tables only."""
    monkeypatch.setattr(grant_log, "MOST_BYTES", 2000)
    table = "allocations" if module is grant_log else "epochs"
    record = {"record.allocations": module is grant_log, "reallocation.period_s": 0.01}
    monkeypatch.setattr(recorder, "_CHUNK_ROWS", 8)
    with pytest.raises(RunFailed, match=f"the table of {table} has .* rows"):
        mecsim.simulate(make_scenario(record), "nearest")


@pytest.mark.parametrize(
    "rounds", [{"mode": "poisson", "rate_per_s": 50}, {"mode": "periodic", "period_s": 0.01}]
)
def test_arrivals_are_drawn_as_they_are_taken(make_scenario, rounds):
    """Mutant: all arrivals of a run up front, 5e10 of them here."""
    work = Workload(make_scenario({"workload.rounds": rounds}), 3)
    taken = work.arrivals(0, 1e9)
    first = [next(taken) for _ in range(1000)]
    assert first == work.arrivals_s(0, first[-1] + 1e-9).tolist()
    assert (np.diff(first) > 0).all()
