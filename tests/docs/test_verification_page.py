"""The page on verification: its code runs, and what it lists is what there is."""

import ast
import re
from pathlib import Path

import pytest

from mecsim.testing import PROMISES
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
    assert {"--mutants", "--only", "--full", "--seed"} == options
    assert all(option in told for option in options)


def test_the_table_has_every_group_and_the_examples_choose_something():
    table = re.findall(r"^\| (\w+) \| [^|]+ \| [^|]+ \|$", PAGE, flags=re.MULTILINE)
    assert {check.group for check in CHECKS} <= set(table)
    for names in re.findall(r'--only "?([\w,]+)', PAGE):
        assert chosen(names.split(","))


def test_the_table_has_every_promise():
    listed = re.findall(r"^\| ([a-z ,]+) \| [^|]+ \|$", PAGE, flags=re.MULTILINE)
    names = {name.replace("permutation of users, of servers", "permutation of users") for name in listed}
    assert names | {"permutation of servers"} >= set(PROMISES)


ROWS = dict(re.findall(r"^\| ([A-Z]\d+) \| (.*::.*) \|$", PAGE, flags=re.MULTILINE))
GROUPS = {"D": 11, "F": 17, "M": 14, "P": 7}
NOT_OURS = {"F16"}


def is_there(pointer):
    """Tell whether a test function of that name stands in that file."""
    file, _, name = pointer.partition("::")
    path = ROOT / "tests" / file
    return path.is_file() and name in {
        node.name for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)
    }


LISTED = {f"{group}{n}" for group, most in GROUPS.items() for n in range(1, most + 1)}


def test_every_row_is_listed():
    assert set(ROWS) >= LISTED - NOT_OURS
    assert all(f"{row}: there is no" in PAGE for row in NOT_OURS)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_tests_that_are_there(row):
    pointers = re.findall(r"`([^`]+)`", ROWS[row])
    assert pointers
    assert [pointer for pointer in pointers if not is_there(pointer)] == []


def test_a_pointer_to_nothing_is_noticed():
    assert is_there("docs/test_verification_page.py::test_a_pointer_to_nothing_is_noticed")
    assert not is_there("docs/test_verification_page.py::test_gone")
    assert not is_there("docs/gone.py::test_gone")


@pytest.mark.parametrize(("group", "most"), [("C", 11), ("R", 4), ("Q", 8), ("O", 7), ("K", 7)])
def test_every_row_of_a_closed_form_has_a_check_or_a_test(group, most):
    known = {check.name.split()[0] for check in CHECKS} | set(ROWS)
    assert {f"{group}{n}" for n in range(1, most + 1)} <= known
