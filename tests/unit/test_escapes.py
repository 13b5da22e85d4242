"""Text from outside, escaped for where it goes."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mecsim.errors import InvalidAllocation, MecsimError, PolicyFailed, ScenarioError
from mecsim.escapes import csv_cell, json_escaped, latex, markdown, printable, printable_lines
from mecsim.foreign_code import described
from mecsim.messages import shortened

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=40)
# Marks that combine and letters of every script, without those that show nothing.
READABLE = st.text(
    st.characters(categories=("L", "Nd", "P", "S", "Zs"), include_characters="\u0301"), max_size=40
)

NASTY = {
    "escape": "a\x1b[31mb",
    "clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "one-byte csi": "a\x9b31mb",
    "override": "abc\u202ecba",
    "isolate": "a\u2066b",
    "zero width": "a\u200bb\u200d\ufeff\u2060",
    "filler": "a\u3164b\u115f\uffa0",
    "joiner": "a\u034fb",
    "variation": "a\ufe0fb\U000e0101",
    "tag": "a\U000e0041",
    "surrogate": "bad \ud800 text",
    "nul": "a\0b",
    "newline": "a\nforged: fine",
    "return": "a\rforged",
    "line separator": "a\u2028b\u2029c\x85d\x0be\x0cf",
    "tab": "a\tb",
    "backspace": "a\b\b\bb\x7f",
    "private": "a\ue000b",
    "not a character": "a\U0010ffffb",
}


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_nothing_nasty_passes(text):
    """Mutants: control characters of ASCII only; category C only; a character taken out in place of shown."""
    assert printable(text).isprintable()
    assert printable(text) != text
    assert all(line.isprintable() for line in printable_lines(text).split("\n"))
    assert json.loads(json_escaped(json.dumps([text], ensure_ascii=False))) == [text]
    assert json_escaped(json.dumps([text], ensure_ascii=False)).isprintable()
    for escape in (latex, markdown, csv_cell, shortened):
        assert escape(text).isprintable()
    for error in (ScenarioError("s", [text]), PolicyFailed(text), InvalidAllocation(text)):
        assert str(error).isprintable()
    assert all(line.isprintable() for line in str(MecsimError(text)).split("\n"))
    assert described(ValueError(text)).isprintable()


@given(ANYTHING)
@example("\u3164")
def test_what_is_escaped_is_printable_and_stays(text):
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    shown.encode()  # no lone surrogate
    assert printable_lines(text).count("\n") == text.count("\n")
    assert json.loads(json_escaped(json.dumps(text, ensure_ascii=False))) == text


@given(READABLE)
def test_readable_text_is_left_alone(text):
    """Mutant: everything that is not ASCII is escaped. A blank of another width becomes a space."""
    shown = printable(text)
    visible = (
        [(a, b) for a, b in zip(text, shown, strict=True) if a != b] if len(shown) == len(text) else None
    )
    if any(letter in "\u115f\u1160\u3164\uffa0" for letter in text):
        return
    assert visible is not None
    assert all(a.isspace() and b == " " for a, b in visible)


@pytest.mark.parametrize(
    "text",
    [
        "dashf",
        "größe",
        "重み付け",
        "політика",
        "नीति",
        "السياسة",
        "נתיב",
        "φ ± 2 %",
        "naïve—“x”",
        "é",
        "a  b",
    ],
)
def test_letters_of_all_languages_stay(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1+1", "'=1+1"), ("+1+1", "'+1+1"), ("-1+1", "'-1+1"), ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\\t=1"), ("\r=1", "'\\r=1"), ("\uff1d1", "'\uff1d1"), ("-5", "-5"), ("+1e-3", "+1e-3"),
        ("-inf", "-inf"), ("a=b", "a=b"), ("", ""), (-5, -5), (None, None), (-0.0, -0.0), (True, True),
    ],
)  # fmt: skip
def test_a_spreadsheet_runs_no_cell(cell, shown):
    """Mutants: only the equals sign; numbers too."""
    assert csv_cell(cell) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            r"a_b&c%{d}$x$#~^\input{f}",
            r"a\_b\&c\%\{d\}\$x\$\#\textasciitilde{}\^{}\textbackslash{}input\{f\}",
        ),
        ("[2cm]x", "{[}2cm{]}x"),
        ("*x", "{*}x"),
        ("a<b>|c", r"a\textless{}b\textgreater{}\textbar{}c"),
        ("x\n%y", r"x\textbackslash{}n\%y"),
    ],
)
def test_latex_shows_it_and_does_nothing(text, shown):
    assert latex(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("local_search", "local_search"),
        ("_x_ **b** `c`", r"\_x\_ \*\*b\*\* \`c\`"),
        ("[t](javascript:x) <b> ![i](u)", r"\[t\](javascript:x) \<b\> \!\[i\](u)"),
        ("a\n| b |", r"a\\n\| b \|"),
        ("- item", r"\- item"),
    ],
)
def test_markdown_shows_it_and_does_nothing(text, shown):
    assert markdown(text) == shown


def test_a_text_that_cannot_be_had_does_no_harm():
    class Silent(Exception):
        def __str__(self):
            raise SystemExit(0)

    class Liar(str):
        def isprintable(self):
            return True

        def isascii(self):
            return True

        def __format__(self, spec):
            return "\x1b"

    class Lying(Exception):
        def __str__(self):
            return Liar("\x1b[31m")

    assert described(Silent()) == "Silent: its text cannot be shown"
    assert described(Lying()) == r"Lying: \x1b[31m"
    assert printable(Liar("\x1b")) == printable_lines(Liar("\x1b")) == r"\x1b"
    assert len(described(ValueError("x" * 10_000))) <= 400
