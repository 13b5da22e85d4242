"""docs/architecture.md and CONTRIBUTING.md: their paths exist, and the floors are those of pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
FOLDERS = ("mecsim", "policies", "tests", "docs", "scenarios")
_PATH = re.compile(rf"(?<![\w/.])((?:{'|'.join(FOLDERS)})/[\w./-]*\w/?|[\w-]+\.(?:md|toml))(?![\w:])")


def paths_in(text: str) -> set[str]:
    """Return what looks like a path from the root in the code spans and blocks of a page."""
    spans = re.findall(r"`+[^`]+`+", re.sub(r"\]\([^)]*\)", "]", text))
    return {path for span in spans for path in _PATH.findall(span)}


def missing(text: str) -> set[str]:
    return {path for path in paths_in(text) if not (ROOT / path).exists()}


@pytest.mark.parametrize("page", [ARCHITECTURE, CONTRIBUTING], ids=["architecture", "contributing"])
def test_every_path_exists(page: str) -> None:
    assert missing(page) == set()


def test_enough_paths_are_found_and_a_wrong_one_is_noticed() -> None:
    assert len(paths_in(ARCHITECTURE)) > 40
    assert missing("see `mecsim/engine/clock.py` and `mecsim/engine/clocks.py`") == {
        "mecsim/engine/clocks.py"
    }
    assert missing("`python docs/reference/updates.py`") == {"docs/reference/updates.py"}
    assert missing("```sh\npytest tests/unit/test_none.py\n```") == {"tests/unit/test_none.py"}


def test_the_floors_are_those_of_the_linter() -> None:
    """Mutants: a room forgotten; two floors swapped."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (floors,) = [contract["layers"] for contract in contracts if contract["id"] == "floors"]
    (table,) = re.findall(r"^\| Floor \|.*\n\|[-|]+\n((?:\|.*\n)+)", ARCHITECTURE, flags=re.MULTILINE)
    rows = [re.findall(r"`(\w+)`", line.split(" | ")[0]) for line in table.splitlines()]
    assert [sorted(row) for row in rows] == [sorted(re.findall(r"\w+", floor)) for floor in floors]


def test_every_room_is_on_a_floor() -> None:
    rooms = {path.stem for path in (ROOT / "mecsim").iterdir() if path.suffix == ".py" or path.is_dir()}
    rooms -= {"__init__", "__pycache__"}
    assert rooms <= set(re.findall(r"`(\w+)`", ARCHITECTURE))


def test_the_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    spans = " ".join(re.findall(r"`+[^`]+`+", CONTRIBUTING + ARCHITECTURE))
    targets = set(re.findall(r"\bmake ([a-z]+)", spans))
    assert targets >= {"setup", "lint", "test", "verify", "bench", "coverage"}
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in targets)


def test_contributing_is_one_page() -> None:
    assert len(CONTRIBUTING.splitlines()) < 70
