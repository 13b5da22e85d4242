"""Every reference to a section of docs/model.md or a row of docs/verification.md leads to one that exists."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sorted(
    path
    for folder in ("mecsim", "policies", "tests", "docs")
    for path in (ROOT / folder).rglob("*.py")
    if path != Path(__file__).resolve()
)
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "policies" / "README.md"])
SECTIONS = {
    int(number)
    for number in re.findall(r"^## (\d+)\. ", (ROOT / "docs/model.md").read_text("utf-8"), flags=re.MULTILINE)
}
ROWS = set(
    re.findall(r"^\| ([A-Z]\d+) \| ", (ROOT / "docs/verification.md").read_text("utf-8"), flags=re.MULTILINE)
)
_LIST = r"\d+(?:(?:,| and|,? to| or)\s+\d+)*"
_SECTION = re.compile(
    rf"(?:\bmodel\.md|\(model|\bmodel)(?:'s)?,?\s+(?:sections?\s+)?({_LIST})\b"
    rf"|\bsections?\s+({_LIST})\s+of\s+(?:\[?docs/)?model\.md"
)
_ROW = re.compile(r"(?<![\w.])([CRQOKDMPF]\d{1,2})(?: to ([CRQOKDMPF]?)(\d{1,2}))?(?!\w|\.\d|%|\()")
_NO_ROWS = {"P95", "P99", "P50", "P100", "D65"}  # percentiles, a card, an illuminant


def sections_of(text: str) -> set[int]:
    """Return the sections of docs/model.md that a text refers to."""
    found: set[int] = set()
    for one, other in _SECTION.findall(text):
        found |= numbers_in(one or other)
    return found


def numbers_in(listed: str) -> set[int]:
    """Return the numbers of ``1``, ``1, 2 and 4`` or ``10 to 13``."""
    found = {int(number) for number in re.findall(r"\d+", listed)}
    for first, last in re.findall(r"(\d+),? to\s+(\d+)", listed):
        found |= set(range(int(first), int(last) + 1))
    return found


def rows_of(text: str) -> set[str]:
    """Return the rows of docs/verification.md that a text refers to."""
    found: set[str] = set()
    for row, _, last in _ROW.findall(text):
        found.add(row)
        if last:
            found |= {f"{row[0]}{number}" for number in range(int(row[1:]), int(last) + 1)}
    return found - _NO_ROWS


def prose(path: Path) -> Iterator[str]:
    """Return the comments of a Python file, each run of lines as one, and its strings."""
    comments: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        if token.type == tokenize.COMMENT:
            comments.append(token.string.lstrip("# "))
        elif token.type == tokenize.STRING or token.type == getattr(tokenize, "FSTRING_MIDDLE", -1):
            yield token.string
    yield "\n".join(comments)


@cache
def texts() -> dict[str, str]:
    found = {str(path.relative_to(ROOT)): "\n".join(prose(path)) for path in PYTHON}
    return found | {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in PAGES}


def test_every_section_exists() -> None:
    references = {name: sections_of(text) for name, text in texts().items()}
    assert sum(bool(sections) for sections in references.values()) > 40
    missing = {name: wrong for name, sections in references.items() if (wrong := sections - SECTIONS)}
    assert missing == {}


def test_every_row_exists() -> None:
    """In tests all row names count; elsewhere those in a text that speaks of verification."""
    references = {
        name: rows_of(text)
        for name, text in texts().items()
        if name.startswith(("tests/", "mecsim/testing/", "docs/verification.md"))
    }
    assert len(set().union(*references.values())) > 60
    missing = {name: wrong for name, rows in references.items() if (wrong := rows - ROWS - {"F16"})}
    assert missing == {}


@pytest.mark.parametrize(
    ("text", "sections"),
    [
        ("docs/model.md section 9.", {9}),
        ("docs/model.md sections 10 to 13", {10, 11, 12, 13}),
        ("docs/model.md sections 10 and 12", {10, 12}),
        ("docs/model.md\n    section 14.", {14}),
        ("by hand (model 11).", {11}),
        ("(docs/model.md 9 to 11)", {9, 10, 11}),
        ("(model 10 to 12)", {10, 11, 12}),
        ("section 2 of docs/model.md: what", {2}),
        ("section 2 of model.md", {2}),
        ("the model has 3 users", set()),
    ],
)
def test_a_section_is_recognised(text: str, sections: set[int]) -> None:
    assert sections_of(text) == sections


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("(docs/verification.md D1, D3 and K7)", {"D1", "D3", "K7"}),
        ("O1 to O4 and O6", {"O1", "O2", "O3", "O4", "O6"}),
        ("K1 to 3", {"K1", "K2", "K3"}),
        ("(verification F17)", {"F17"}),
        ("M15. Mutant: none", {"M15"}),
        ("delay P95, seed D1x, RD2", set()),
    ],
)
def test_a_row_is_recognised(text: str, rows: set[str]) -> None:
    assert rows_of(text) == rows


def test_no_page_outside_the_project_is_named() -> None:
    """Every page that is named in capitals is one at the root of the project."""
    here = {path.stem for path in ROOT.glob("*.md")}
    pages = re.compile(r"(?<![\w/.-])([A-Z][A-Z_]{3,})\.md\b")
    assert {name for name, text in texts().items() if set(pages.findall(text)) - here} == set()
