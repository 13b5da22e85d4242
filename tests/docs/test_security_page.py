"""The promises of README and SECURITY.md each point to tests that are there."""

import ast
import re
from pathlib import Path

import pytest

from mecsim.study.spec import load_study

ROOT = Path(__file__).resolve().parents[2]
PAGES = {name: " ".join((ROOT / f"{name}.md").read_text("utf-8").split()) for name in ("README", "SECURITY")}
TABLE = re.findall(
    r"^\| \[(README|SECURITY)\]\(\.\./\1\.md\) \| (.+?) \| (`.+`) \|$",
    (ROOT / "docs" / "verification.md").read_text("utf-8"),
    flags=re.MULTILINE,
)


def is_there(pointer):
    """Return whether a test function of that name stands in that file."""
    file, _, name = pointer.partition("::")
    path = ROOT / "tests" / file
    return path.is_file() and name in {
        node.name for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize(("page", "promise", "tests"), TABLE)
def test_a_promise_is_on_its_page_and_has_tests(page, promise, tests):
    assert promise in PAGES[page]
    pointers = re.findall(r"`([^`]+)`", tests)
    assert pointers
    assert [pointer for pointer in pointers if not is_there(pointer)] == []


def test_every_promise_is_in_the_table():
    """Mutants: a promise without a row; a row taken out."""
    bold = re.findall(r"- (\*\*[^*]+\*\*)", PAGES["SECURITY"])
    assert len(bold) > 10
    assert set(bold) <= {promise for page, promise, _ in TABLE if page == "SECURITY"}
    section = PAGES["README"].partition("## What is promised, and checked")[2].partition("`make test`")[0]
    sentences = [each for each in re.split(r"^- | - ", section.strip()) if each]
    assert len(sentences) == 3
    for sentence in sentences:
        assert any(promise in sentence for page, promise, _ in TABLE if page == "README"), sentence


def test_what_a_policy_cannot_do_is_in_the_table():
    """Mutants rejected: the only row of a clause taken out; one more sentence without a row."""
    section = (
        PAGES["SECURITY"].partition("## What a policy can and cannot do")[2].partition("## Reporting")[0]
    )
    promises = [promise for page, promise, _ in TABLE if page == "SECURITY"]
    clauses = re.split(r"(?<=[.;]) ", section.strip())
    without = [clause for clause in clauses if not any(promise in clause for promise in promises)]
    assert [clause.partition(",")[0].partition(":")[0] for clause in without] == [
        "The engine computes with its own arrays.",
        "This keeps mistakes and simple cheats out.",
        "It is no sandbox",
        "A child process has your rights as well",
    ]


def test_a_pointer_to_nothing_is_noticed():
    assert is_there("docs/test_security_page.py::test_a_pointer_to_nothing_is_noticed")
    assert not is_there("docs/test_security_page.py::test_gone")
    assert not is_there("docs/gone.py::test_gone")


def test_the_table_of_code_is_what_the_commands_do():
    """The behaviour of each cell has its test; this one looks at the words of the page."""
    leave = "with `--allow-local-policies`"
    assert f"| study file | yes | {leave} | {leave} | yes | no |" in PAGES["SECURITY"]
    assert load_study.__kwdefaults__ == {"allow_local_policies": False}
