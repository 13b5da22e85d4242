"""What comes from a process of foreign code may be anything: it is described, and ends no command.

Mutants, each seen to fail here: the traceback of a KeyError, TypeError, OverflowError or RecursionError.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from mecsim import load_instance, load_scenario, make_policy
from mecsim.cli import solve_commands
from mecsim.errors import InvalidAllocation, PolicyFailed
from mecsim.study import apart, examine, isolated_run
from mecsim.study.isolation import client
from mecsim.study.isolation.ending import Ending
from mecsim.study.isolation.wire import Garbled, send
from mecsim.study.outcome import failure
from mecsim.study.plan import Run
from mecsim.study.policy_choice import PolicyChoice

ROOT = Path(__file__).parents[1]
CHOICE = PolicyChoice("mine.py:Mine", {}, "Mine")
RUN = Run(load_scenario("smoke"), CHOICE, 0)
KNOWN = {"run_id": RUN.run_id, "metrics": None, "delays": None, "notes": [], "wall_s": 1.0,
         "error": "", "details": "", "failure_kind": "", "origin": "new"}  # fmt: skip
INSTANCE = load_instance(ROOT / "data" / "instances" / "n6m2.json")


def sound() -> dict[str, Any]:
    """Return what an honest process sends as the solution of a policy."""
    return solve_commands._plain(make_policy("nearest"), "Mine", INSTANCE)


@pytest.mark.parametrize(
    "value", [None, 5, [], {}, KNOWN, KNOWN | {"metrics": {"scr": 10**400}}, KNOWN | {"notes": 3}]
)
def test_an_outcome(value: Any) -> None:
    told = isolated_run.outcome_of(Ending("answered", value), RUN, None, None)
    assert "policy 'Mine' was answered for by an answer " in told.error
    assert told.failure_kind == "killed"


def test_a_number_that_no_float_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    from mecsim.study import answer

    monkeypatch.setattr(answer, "_metrics", lambda given, run: {})
    value = KNOWN | {"metrics": {}, "wall_s": 10**400}
    assert (
        "an answer that lacks something"
        in isolated_run.outcome_of(Ending("answered", value), RUN, None, None).error
    )


def test_a_store_that_is_broken_for_the_policy_alone_ends_no_study(tmp_path: Path) -> None:
    """Mutant rejected: the policy says that the disk is full, and the other runs are given up."""
    store = KNOWN | {"error": "no space", "failure_kind": "store"}
    for folder, kind in ((tmp_path / "run", "raised"), (tmp_path / "gone" / "run", "store"), (None, "store")):
        assert isolated_run.outcome_of(Ending("answered", store), RUN, folder, None).failure_kind == kind
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [None, 5, {}, {"version": {"a": 1}}, {"problem": [1]}])
def test_what_a_policy_says_of_itself(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    monkeypatch.setattr(client.Call, "wait", lambda call: Ending("answered", value))
    with pytest.raises(PolicyFailed, match="cannot be made: answered"):
        examine.examine(f"forged{id(value)}.py:Mine", {})


@pytest.mark.parametrize(
    "found",
    [
        None,
        5,
        {},
        {"allocation": {}, "trace": 5, "cpu_s": "x", "iterations": "\x1b"},
        {"allocation": dict.fromkeys("ab"), "trace": None, "cpu_s": 1.0, "iterations": 1},
    ],
)
def test_a_solution(monkeypatch: pytest.MonkeyPatch, found: Any) -> None:
    monkeypatch.setattr(apart.Call, "wait", lambda call: Ending("answered", {"found": found}))
    with pytest.raises(InvalidAllocation, match="policy 'Mine' was answered for by something that is no sol"):
        solve_commands._solution(CHOICE, INSTANCE)


@pytest.mark.parametrize(
    "changes",
    [{"cpu_s": "x"}, {"cpu_s": 10**400}, {"server": [99] * 6}, {"server": []}],
    ids=["text", "a number that no float holds", "a server that is not there", "no users"],
)
def test_a_solution_that_is_sound_but_for_one_value(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    """Mutants rejected: the traceback of a ValueError or OverflowError; users and servers not looked at."""
    found = sound()
    (found["allocation"] if "server" in changes else found).update(changes)
    monkeypatch.setattr(apart.Call, "wait", lambda call: Ending("answered", {"found": found}))
    with pytest.raises(InvalidAllocation, match="policy 'Mine' was answered for by something that is no sol"):
        solve_commands._solution(CHOICE, INSTANCE)


def test_rows_of_a_trace_that_are_none_are_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant rejected: a row that is a list, which `solve --trace` then asks for its names."""
    for rows, trace in ([[1.0]], None), ({"a": 1}, None), ([{"a": 1}], [{"a": 1}]):
        ending = Ending("answered", {"found": sound() | {"trace": rows}})
        monkeypatch.setattr(apart.Call, "wait", lambda call, ending=ending: ending)
        read = solve_commands._solution(CHOICE, INSTANCE).trace
        assert (read and [row._asdict() for row in read]) == trace


def test_rows_of_a_trace_name_no_other_policy(tmp_path: Path) -> None:
    """Mutant rejected: a row that says which policy it is of."""

    class Row:
        def __init__(self, values: Any) -> None:
            self._asdict = lambda: values

    solution = type("S", (), {"label": "Mine", "trace": [Row({"policy": "dashf", "=x": "=1+1"})]})
    solve_commands._write_traces(tmp_path / "t.csv", [solution])  # type: ignore[list-item]
    assert (tmp_path / "t.csv").read_text().splitlines() == ["policy,'=x", "Mine,'=1+1"]


def test_a_message_that_is_nested_without_end() -> None:
    here, there = socket.socketpair()
    with here, there:
        send(there, b"[" * 100_000)
        with pytest.raises(Garbled):
            client._heard(here)


def test_what_is_raised_between_the_calls_names_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant rejected: `ValueError: ...`, which names neither policy nor time."""

    class Child:
        calls, last_s = 3, 10.0
        note = ready = None

    def attempt(run: Run, *_: object, **__: object) -> Any:
        try:
            raise ValueError("from a timer")
        except ValueError as error:
            return failure(run, error)

    monkeypatch.setattr(isolated_run, "attempt", attempt)
    told = isolated_run.attempted(RUN, None, False, Child())["error"]  # type: ignore[arg-type]
    assert told.startswith(
        "the run of policy 'Mine' failed at t = 10 s (epoch 2): ValueError: from a timer ("
    )
