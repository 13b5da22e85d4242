"""The comparison with an older commit: its statistics and its hashes. The measurement itself has no test."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    modules = {}
    for name in ("against", "side"):
        spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "bench" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        modules[name] = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, modules[name])
        spec.loader.exec_module(modules[name])
    return modules


def test_interval_of_ten_ratios_goes_from_the_second_to_the_ninth(bench: dict[str, ModuleType]) -> None:
    ratios = np.random.default_rng(1).permutation(np.linspace(0.91, 1.0, 10)).tolist()
    assert bench["against"].median_and_interval(ratios) == pytest.approx((0.955, 0.92, 0.99))


def test_six_ratios_are_the_fewest_with_an_interval(bench: dict[str, ModuleType]) -> None:
    interval = bench["against"].median_and_interval
    assert interval([1, 2, 3, 4, 5, 6])[1:] == (1, 6)
    assert np.isnan(interval([1, 2, 3, 4, 5])[1:]).all()


def test_one_changed_bit_of_a_common_column_is_found(bench: dict[str, ModuleType]) -> None:
    column_hash, differing = bench["side"].column_hash, bench["against"].differing
    delay_s = np.array([1.0, np.nan, 3.0])
    changed = np.array([1.0, np.nan, np.nextafter(3.0, 4.0)])
    old = {"delay_s": column_hash(delay_s), "user": column_hash(np.int8([0, 1])), "gone": "x"}
    new = {"delay_s": column_hash(changed), "user": column_hash(np.int64([0, 1])), "added": "y"}
    assert differing(old, new) == (["delay_s"], 2)
    assert differing(old, old | {"gone": "z"}) == (["gone"], 3)
    assert column_hash(np.array(["a", "bc"])) != column_hash(np.array(["ab", "c"]))


def test_measured_columns_are_left_out(bench: dict[str, ModuleType]) -> None:
    hashes = bench["side"].run(3, 10, "gucaa")[1]
    assert "epochs.scr" in hashes
    assert "epochs.decision_cpu_s" not in hashes


def test_each_side_finds_the_entry_points_of_its_checkout(
    bench: dict[str, ModuleType], tmp_path: Path
) -> None:
    bench["against"].write_metadata(ROOT, tmp_path)
    (found,) = distributions(path=[str(tmp_path)])
    expected = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    assert {(e.group, e.name, e.value) for e in found.entry_points if e.group == "mecsim.policies"} == {
        ("mecsim.policies", name, value) for name, value in expected["mecsim.policies"].items()
    }
