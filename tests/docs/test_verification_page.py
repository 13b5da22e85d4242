"""The page on verification: its code runs, and what it lists is what there is."""

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
