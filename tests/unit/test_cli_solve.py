"""``mecsim solve``: the tables for people, several policies, the trace."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from mecsim import load_instance, make_policy
from mecsim.cli import main
from mecsim.policy import Observation

INSTANCES = Path(__file__).parents[1] / "data" / "instances"
SNAPSHOT = INSTANCES / "n6m2.json"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def rows_of(text: str) -> list[list[str]]:
    """Return the words of every body row of the tables that were printed."""
    rows, inside = [], False
    for line in text.splitlines():
        rule = set(line.strip()) == {"─"}
        if inside and line.strip() and not line.strip().startswith("*"):
            rows.append(line.split())
        inside = rule or (inside and bool(line.strip()))
    return rows


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["solve", str(SNAPSHOT), "-p", "gucaa:local_fraction=0.3"]) == 0
    return capsys.readouterr().out


def test_a_row_for_each_user_in_both_tables_with_the_numbers_of_the_allocation(printed: str) -> None:
    """Mutants rejected: gains of another server, watts for megahertz, phases in another order."""
    instance = load_instance(SNAPSHOT)
    allocation = make_policy("gucaa", local_fraction=0.3).allocate(Observation.of(instance))
    assert allocation is not None
    costs = instance.costs(allocation)
    rows = rows_of(printed)
    assert len(rows) == 12
    for n in range(6):
        server = allocation.server[n]
        expected = [
            n, server, 10 * np.log10(instance.gain[n, server]), 0.3, allocation.bandwidth_hz[n] / 1e6,
            allocation.user_power_w[n], allocation.server_power_w[n], allocation.user_gpu_flops[n] / 1e12,
            allocation.server_gpu_flops[n] / 1e12, instance.score(allocation)[n],
        ]  # fmt: skip
        assert [float(cell) for cell in rows[n]] == pytest.approx(expected, rel=2e-3)
        cost = [cell for cell in rows[6 + n] if cell != "*"]
        delay_s, energy_j = costs.delay_s[n], costs.energy_j[n]
        expected = [n, *delay_s, delay_s.sum(), *energy_j, energy_j.sum()]
        assert [float(cell) for cell in cost] == pytest.approx(expected, rel=5e-3)


def test_the_user_with_the_largest_delay_is_marked(printed: str) -> None:
    rows = rows_of(printed)[6:]
    marked = [row for row in rows if "*" in row]
    assert len(marked) == 1
    assert marked[0][6] == "*"
    assert float(marked[0][5]) == max(float(row[5]) for row in rows)


@pytest.mark.parametrize("policies", ["gucaa", "dashf_plus"])
def test_tables_fit_a_terminal_of_eighty_columns(policies: str) -> None:
    """Mutant rejected: boxes and long headings, for which numbers are cut off in the middle."""
    from rich.console import Console

    from mecsim.cli import solutions

    instance = load_instance(INSTANCES / "n20m3.json")
    policy = make_policy(policies)
    allocation = policy.allocate(Observation.of(instance))
    assert allocation is not None
    solution = solutions.Solution(policies, instance, allocation, 0.0123, 12)
    console = Console(width=80)
    for table in (
        solutions.allocation_table(solution),
        solutions.cost_table(solution),
        solutions.policies_table([solution, solution]),
    ):
        with console.capture() as captured:
            console.print(table)
        assert "…" not in captured.get()


def test_the_totals_are_there(printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["solve", str(SNAPSHOT), "-p", "gucaa:local_fraction=0.3", "--json"])
    found = json.loads(capsys.readouterr().out)
    for word, key in (
        ("score", "score"),
        ("largest delay", "delay_s"),
        ("energy", "energy_j"),
        ("SCR", "scr"),
    ):
        assert f"{word} {found[key]:.6g}" in printed
    assert "ms of CPU time" in printed
    assert "no constraints violated" in printed


def test_several_policies_get_a_row_each_and_the_best_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    policies = "gucaa,gucaa:local_fraction=0.3,dashf_plus:looks=0,max_iterations=2"
    assert main(["solve", str(SNAPSHOT), "-p", policies]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert [row[0] for row in rows] == [
        "gucaa", "gucaa:local_fraction=0.3", "dashf_plus:looks=0,max_iterations=2"
    ]  # fmt: skip
    assert rows[0][1] == "137.11"
    assert [row[2] == "*" for row in rows] == [False, False, True]
    assert rows[0][6] == "-"
    assert int(rows[2][7]) > 0


def test_json_of_several_policies_is_a_list_of_the_objects_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    def printed_json(policies: str):
        assert main(["solve", str(SNAPSHOT), "-p", policies, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    def without_time(found):
        return {key: value for key, value in found.items() if key != "decision_cpu_s"}

    several = printed_json("nearest,edge_only")
    alone = [printed_json(policy) for policy in ("nearest", "edge_only")]
    assert [without_time(found) for found in several] == [without_time(found) for found in alone]


def test_the_trace_has_every_iterate_of_every_policy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", str(SNAPSHOT), "-p", "dashf_plus,dashf_plus:looks=0", "--trace", "t.csv"]) == 0
    assert "trace: t.csv" in capsys.readouterr().err
    with Path("t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    policy = make_policy("dashf_plus")
    policy.allocate(Observation.of(load_instance(SNAPSHOT)))
    own = [row for row in rows if row["policy"] == "dashf_plus"]
    assert list(own[0]) == ["policy", *policy.trace[0]._fields]
    assert len(own) == len(policy.trace)
    assert len(rows) > len(own)
    for written, iterate in zip(own, policy.trace, strict=True):
        assert float(written["scr"]) == iterate.scr
        assert float(written["objective"]) == iterate.objective
        assert written["part"] == iterate.part
        assert written["accepted"] == str(iterate.accepted)


def test_nothing_of_the_trace_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", str(SNAPSHOT), "-p", "dashf_plus", "--trace", "t.csv", "--json", "-q"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["policy"] == "dashf_plus"
    assert printed.err == ""
    assert Path("t.csv").stat().st_size > 100


def test_a_link_without_gain_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Mutant rejected: a warning about log10(0) instead of the table."""
    text = json.loads(SNAPSHOT.read_text())
    gains = np.asarray(text["gain"])
    gains[0] = 0.0
    text["gain"] = gains.tolist()
    Path("dark.json").write_text(json.dumps(text))
    assert main(["solve", "dark.json", "-p", "gucaa"]) == 0
    assert re.search(r"-inf", capsys.readouterr().out)
