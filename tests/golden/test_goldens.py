"""Every shipped scenario and policy has a golden, every golden is kept, and none changes unnoticed (D11)."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation
from mecsim.registry import list_policies, make_policy
from mecsim.scenario.shipped import shipped_files
from mecsim.testing import golden

ROOT = Path(__file__).resolve().parents[2]
KNOWN = golden.shipped_goldens()
SCENARIOS = sorted(shipped_files())
POLICIES = [e.name for e in list_policies() if e.target.startswith("mecsim_policies")]


@pytest.fixture(scope="module")
def update():
    """The update command as a module."""
    spec = importlib.util.spec_from_file_location("golden_update", Path(__file__).with_name("update.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_covered(known, scenarios, policies):
    wanted = set(golden.cases(scenarios, policies))
    assert wanted - known.keys() == set(), "no golden: run tests/golden/update.py --write"
    assert known.keys() - wanted == set(), "a golden of what is not shipped"
    assert {policy for _, policy in known} == set(policies)
    assert {scenario for scenario, _ in known} == set(scenarios)


def test_every_shipped_scenario_and_policy_has_one():
    assert_covered(KNOWN, SCENARIOS, POLICIES)


@pytest.mark.parametrize("change", [{"scenarios": [*SCENARIOS, "new"]}, {"policies": [*POLICIES, "new"]}])
def test_one_without_is_noticed(change):
    with pytest.raises(AssertionError, match="no golden"):
        assert_covered(KNOWN, **({"scenarios": SCENARIOS, "policies": POLICIES} | change))


def test_an_orphan_is_noticed():
    with pytest.raises(AssertionError, match="not shipped"):
        assert_covered(KNOWN, SCENARIOS[1:], POLICIES)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_golden_is_kept(scenario):
    """If this fails and the change is meant: tests/golden/update.py says what to do."""
    comparable = golden.comparable_goldens()
    left = [policy for policy in golden.SEARCHES if (scenario, policy) in KNOWN.keys() - comparable.keys()]
    for policy in POLICIES:
        if (scenario, policy) in comparable:
            now = golden.digests_of(scenario, policy)
            differs = [k for k in now._fields if getattr(now, k) != getattr(KNOWN[scenario, policy], k)]
            assert differs == [], f"{scenario}/{policy}: other {', '.join(differs)}"
    if left:
        others = {k: v for k, v in golden.made_with().items() if v != golden._shipped()["made_with"].get(k)}
        pytest.skip(f"the rest is equal; {', '.join(left)} not compared, made elsewhere than here: {others}")


def test_the_golden_of_the_reference_needs_ecos(monkeypatch):
    """Mutant: a golden made with ECOS compared with what another solver has decided."""
    here = golden.made_with()
    monkeypatch.setattr(golden, "_shipped", lambda original=golden._shipped: original() | {"made_with": here})
    monkeypatch.setattr(golden, "made_with", lambda: here | {"ecos": None})
    left = {policy for _, policy in golden.comparable_goldens()}
    assert set(POLICIES) - left == ({"dashf_reference"} if here["ecos"] else set())


@pytest.fixture(scope="module")
def record():
    return Simulation(golden.scenario_of("smoke", "dashf"), make_policy("dashf"), golden.SEED).run()


PARTS = {
    "order": ("rounds", "server_first", lambda column: column[::-1]),
    "times": ("rounds", "delay_s", lambda column: column * 1.0001),
    "allocations": ("epochs", "scr", lambda column: column * 1.0001),
    "records": ("rounds", "uplink_j", lambda column: column * 1.0001),
}


@pytest.mark.parametrize("part", PARTS)
def test_each_digest_sees_its_part_and_no_other(record, part):
    table, name, wrong = PARTS[part]
    columns = getattr(record, table)
    before, kept = golden.digests(record), columns[name]
    columns[name] = wrong(kept)
    try:
        after = golden.digests(record)
    finally:
        columns[name] = kept
    assert [k for k in after._fields if getattr(after, k) != getattr(before, k)] == [part]


def test_searches_are_compared_only_where_they_were_made(monkeypatch):
    """On another processor dashf took another turn in 2 of 11 scenarios, best_response in one of 16."""
    here = golden.made_with()
    monkeypatch.setattr(golden, "_shipped", lambda original=golden._shipped: original() | {"made_with": here})
    assert golden.comparable_goldens() == KNOWN
    monkeypatch.setattr(golden, "made_with", lambda: here | {"simd": ["another"]})
    left = {policy for _, policy in golden.comparable_goldens()}
    assert left == set(POLICIES) - set(golden.SEARCHES)
    simple = {"rucaa", "gucaa", "nearest", "local_only", "edge_only", "hysteresis", "switch"}
    assert simple | {"water_filling", "matching", "card"} == left


def test_the_last_bits_do_not_count(record):
    """They depend on the processor: a digest that sees them fails elsewhere."""
    before, kept = golden.digests(record), record.rounds["delay_s"]
    record.rounds["delay_s"] = kept * (1.0 + 1e-14)
    try:
        assert golden.digests(record) == before
        assert not np.array_equal(record.rounds["delay_s"], kept)
    finally:
        record.rounds["delay_s"] = kept


def test_changed_digests_need_a_line_in_the_changelog(update):
    """Mutants: a line that is not there, one that stands elsewhere, one of an older version."""
    case = ("smoke", "dashf")
    old = {case: KNOWN[case]}
    new = {case: KNOWN[case]._replace(times="0" * 12), ("smoke", "more"): KNOWN[case]}
    log = "## 2\n### Added\n- Not this one.\n### Results change\n- Rounds are\n  longer now.\n## 1\n"
    log += "### Results change\n- Old news.\n"
    assert "say why with --results-change" in update.refusal(old, new, "", log)
    assert "smoke/dashf" in update.refusal(old, new, "", log)
    for line in ("Rounds are shorter now.", "Not this one.", "Old news."):
        assert "does not say" in update.refusal(old, new, line, log)
    assert update.refusal(old, new, "Rounds are longer now.", log) == ""
    assert update.refusal(old, old | {("smoke", "more"): KNOWN[case]}, "", "") == ""


def test_the_line_of_the_last_change_is_in_the_changelog(update):
    line = json.loads(update.FILE.read_text("utf-8"))["results_change"]
    changes = " ".join(update.results_changes((ROOT / "CHANGELOG.md").read_text("utf-8")))
    assert " ".join(line.split()) in changes
