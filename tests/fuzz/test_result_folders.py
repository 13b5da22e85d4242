"""J6: run folders from elsewhere: every key of a manifest with every kind of value, and JSON at its worst.

Mutants: a key that is used before it is looked at (85 of 205 variants ended in a traceback once, and four
hung or took all memory), a message that repeats a megabyte, a value that passes and breaks a command later.
"""

from __future__ import annotations

import json
import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mecsim import load_scenario
from mecsim.errors import MecsimError, ResultStoreError
from mecsim.results.manifest import MANIFEST, read_manifest
from mecsim.study.plan import Run
from mecsim.study.policy_choice import PolicyChoice
from mecsim.study.runner import execute

# Test folders are no packages: helpers are read by path.
_HELPERS = runpy.run_path(str(Path(__file__).with_name("result_variants.py")))
VALUES, manifest_variants, outcome_of, readers, signed = (
    _HELPERS[name] for name in ("VALUES", "manifest_variants", "outcome_of", "readers", "signed")
)
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def run() -> Run:
    scenario = load_scenario("smoke").with_changes({"duration_s": 6, "warmup_s": 1})
    return Run(scenario, PolicyChoice.of("nearest"), 1)


@pytest.fixture(scope="module")
def good(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "run"
    execute(run, out=folder)
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "run"))


def manifest_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def taken(good: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The variants that the manifest's reader takes; any other end but a refusal fails every test."""
    place = tmp_path_factory.mktemp("variants") / MANIFEST
    found, refused, manifest = {}, 0, manifest_of(good)
    for name, variant in manifest_variants(manifest, alike=1):
        place.write_text(json.dumps(variant), encoding="utf-8")
        try:
            read_manifest(place.parent)
            found[name] = variant
        except ResultStoreError as error:
            refused += 1
            lines, key = str(error).splitlines(), name.partition(" ")[0].partition(".")[0]
            assert all(MANIFEST in line and len(line) < 600 and line.isprintable() for line in lines), name
            assert any(key in line for line in lines), (name, lines)
    assert refused > 700
    return found


def families(taken: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield one variant for each key at the top and each kind of value."""
    seen = set()
    for name, variant in taken.items():
        key, _, kind = name.partition(" ")
        if (key.partition(".")[0], kind) not in seen and key != "seed" and not key.endswith("rows"):
            seen.add((key.partition(".")[0], kind))
            yield variant


def test_what_is_taken_breaks_no_command(taken, good: Path, tmp_path: Path, run: Run) -> None:
    """All together in one folder, under seeds of their own; each is also asked for as if it were there."""
    shown = tmp_path / "variant-1"
    for seed, variant in enumerate(families(taken), start=1):
        copy = Path(shutil.copytree(good, tmp_path / f"variant-{seed}"))
        (copy / MANIFEST).write_text(json.dumps(signed(variant | {"seed": seed + 1})), encoding="utf-8")
        quick = readers(copy, run)
        ends = {name: outcome_of(quick[name]) for name in ("status", "claim")}
        assert set(ends.values()) <= {"done", "refused"}, (variant, ends)
    assert seed > 40
    ends = {name: outcome_of(read) for name, read in readers(shown, run).items()}
    assert set(ends.values()) <= {"done", "refused"}, ends
    whole = readers(tmp_path, run)
    ends = {name: outcome_of(whole[name]) for name in ("table", "report", "sql")}
    assert set(ends.values()) <= {"done", "refused"}, ends


@pytest.mark.parametrize(
    "text", ["", "\0", "workload = 3", "user = 1", "a = [1979-05-27]", "a" * 200_000, "x=1e9999"]
)
def test_a_scenario_that_is_none_breaks_no_command(folder: Path, run: Run, text: str) -> None:
    """Mutants: TOML that is read where it is needed, without a thought of what it may hold."""
    manifest = manifest_of(folder) | {"scenario_toml": text}
    (folder / MANIFEST).write_text(json.dumps(signed(manifest)), encoding="utf-8")
    found = readers(folder, run)
    names = ("load_results", "table", "summary", *(["report"] if text == "workload = 3" else []))
    ends = {name: outcome_of(found[name]) for name in names}
    assert set(ends.values()) <= {"done", "refused"}, ends


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"schema": 4, "schema": 4}', "duplicate key"),
        ("[" * 100_000, "nested too deeply"),
        ('{"schema": ' + "1" * 10_000 + "}", "not a JSON text"),
        ("\ufeff{}", "not the manifest"),
        ('{"schema": {"a": [1e999, "\\ud800"]}, "environment": 3}', "this version of mecsim reads 4"),
        ('{"schema": true}', "schema = True: this version"),
        ('{"schema": 4.0, "sha256": 1}', "sha256 = 1: must be 64"),
        ("{" + '"a": {' * 500 + "}" * 501, "not the manifest"),
    ],
)
def test_json_at_its_worst(folder: Path, text: str, words: str) -> None:
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    with pytest.raises(ResultStoreError, match=words) as caught:
        read_manifest(folder)
    assert all(len(line) < 5000 for line in str(caught.value).splitlines())


def test_every_problem_is_listed_with_its_line(folder: Path) -> None:
    manifest = manifest_of(folder) | {"seed": -1, "warmup_s": "x" * 1000, "notes": [3]}
    (folder / MANIFEST).write_text(json.dumps(signed(manifest), indent=1), encoding="utf-8")
    with pytest.raises(ResultStoreError) as caught:
        read_manifest(folder)
    told = str(caught.value).splitlines()
    assert len(told) == 3
    lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    line = 1 + lines.index(' "seed": -1,')
    assert f"{MANIFEST}:{line}: seed = -1: must be a whole number >= 0" in told[0]
    assert len(told[1]) < 300


def test_keys_of_a_newer_version_do_no_harm(folder: Path) -> None:
    """Mutant: unknown keys are errors, so that a run of a newer mecsim of this schema cannot be read."""
    manifest = manifest_of(folder)
    manifest |= {"marks": [{"epoch": 3, "text": "changed"}], "kernels": {"numpy": "AVX2"}}
    (folder / MANIFEST).write_text(json.dumps(signed(manifest)), encoding="utf-8")
    assert read_manifest(folder)["marks"][0]["epoch"] == 3


def test_a_message_of_the_variants_is_what_it_says() -> None:
    """The helpers fail on what they are to find."""
    assert outcome_of(lambda: {}["x"]).startswith("KeyError at ?")
    assert outcome_of(lambda: exec("while True: pass"), 0.05) == "hang"  # noqa: S102 - a loop without end

    def refuse() -> None:
        raise MecsimError("x" * 30_000)

    assert outcome_of(refuse) == "a message of 30000 characters"
    assert len(VALUES) == 18
