"""The page on verification: its code runs, and what it lists is what there is."""

import ast
import re
from pathlib import Path

import pytest

from mecsim.testing import CONTRACT_CHECKS
from mecsim.testing.verification.suite import CHECKS, chosen

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "verification.md").read_text("utf-8")
CODE = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(2))
def test_a_piece_of_code_runs(capsys, number):
    exec(CODE[number], {})  # noqa: S102 - it is our own page


def test_the_options_of_verify_are_there(capsys):
    from mecsim.cli import main

    assert main(["verify", "--help"]) == 0
    told = capsys.readouterr().out
    options = set(re.findall(r"\$ mecsim verify (--\w+)", PAGE))
    assert {"--mutants", "--only", "--full", "--seed", "--jobs"} == options
    assert all(option in told for option in options)


def test_the_table_has_every_group_and_the_examples_choose_something():
    table = re.findall(r"^\| (\w+) \| [^|]+ \| [^|]+ \|$", PAGE, flags=re.MULTILINE)
    assert {check.group for check in CHECKS} <= set(table)
    for names in re.findall(r'\$ mecsim verify --only "?([\w,]+)', PAGE):
        assert chosen(names.split(","))


def test_the_table_has_every_contract_check():
    listed = re.findall(r"^\| ([a-z ,]+) \| [^|]+ \|$", PAGE, flags=re.MULTILINE)
    names = {name.replace("permutation of users, of servers", "permutation of users") for name in listed}
    assert names | {"permutation of servers"} >= set(CONTRACT_CHECKS)


TABLE = dict(re.findall(r"^\| ([A-Z]\d+) \| .+ \| (`.*`) \|$", PAGE, flags=re.MULTILINE))
ROWS = {row: pointers for row, where in TABLE.items() if (pointers := re.findall(r"`([^`]+::[^`]+)`", where))}
GROUPS = {"C": 11, "R": 4, "Q": 8, "O": 7, "K": 7, "D": 11, "F": 17, "M": 14, "P": 7, "J": 9, "B": 7}
PHYSICS = {"S1", "S2", "S3", "S4"}
NOT_OURS = {"F16"}


def is_there(pointer):
    """Tell whether a test function of that name stands in that file."""
    file, _, name = pointer.partition("::")
    path = ROOT / "tests" / file
    return path.is_file() and name in {
        node.name for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)
    }


LISTED = {f"{group}{n}" for group, most in GROUPS.items() for n in range(1, most + 1)} | PHYSICS


def test_every_row_is_listed():
    assert set(TABLE) == LISTED - NOT_OURS | PHYSICS
    assert all(f"{row}: there is no" in PAGE for row in NOT_OURS)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_tests_that_are_there(row):
    assert [pointer for pointer in ROWS[row] if not is_there(pointer)] == []


@pytest.mark.parametrize("row", [row for row in TABLE if row not in ROWS])
def test_a_row_without_tests_has_checks_of_its_own_name(row):
    (command,) = re.findall(r'`mecsim verify --only "(\w+ )"`', TABLE[row])
    assert command == f"{row} "
    assert chosen([command])


def test_a_pointer_to_nothing_is_noticed():
    assert is_there("docs/test_verification_page.py::test_a_pointer_to_nothing_is_noticed")
    assert not is_there("docs/test_verification_page.py::test_gone")
    assert not is_there("docs/gone.py::test_gone")
