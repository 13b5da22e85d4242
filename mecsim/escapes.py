"""Text from outside, made fit for where it goes: a terminal, JSON, CSV, LaTeX, Markdown.

Names, labels and messages may come from files and programs of other people. Nothing here is undone when it
is read: an escape shows what was there.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

# Letters and marks that show nothing: those of Unicode's Default_Ignorable_Code_Point.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # a spreadsheet takes the wide ones for the others
_LATEX = {c: rf"\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\^{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    # Behind the end of a row these would be its options.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}
_MARKDOWN = re.compile(r"[\\`*\[\]<>|&~$#!]|(?<![^\W_])_|_(?![^\W_])|^[-+](?=\s)")


def printable(text: str) -> str:
    r"""Return a text on one line that controls nothing: ``\x1b`` or ``\u202e`` for what is not printable.

    Letters, digits, signs and marks of every script stay; blanks other than the space become a space.
    Idempotent. Not printable are control characters, ends of lines, what turns the direction of writing, what
    has no width, lone surrogates, and what Unicode has not assigned.
    """
    if type(text) is not str:  # a subclass may lie about itself
        text = str.__getitem__(text, slice(None))
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def printable_lines(text: str) -> str:
    r"""Return `printable` of each line: only ``\n`` ends one."""
    return "\n".join(map(printable, str.split(text, "\n")))


def json_escaped(text: str) -> str:
    r"""Return JSON with everything that is not printable as ``\uXXXX``; it stays the same value."""
    return "\n".join(
        line if line.isascii() and line.isprintable() else "".join(map(_json_shown, line))
        for line in text.split("\n")
    )


def csv_cell(value: Any) -> Any:
    """Return a value as a cell of CSV, with an apostrophe before what a spreadsheet would run as a formula.

    Texts are printable and on one line; numbers, also those given as texts, stay what they are.
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if value.startswith(_FORMULA) and not _is_number(value) else text


def latex(text: str) -> str:
    """Return a text for LaTeX outside of mathematics; it shows what it says and starts nothing."""
    return "".join(_LATEX.get(letter, letter) for letter in printable(text))


def markdown(text: str) -> str:
    """Return a text for Markdown, also within a table; an underscore within a word stays as it is."""
    return _MARKDOWN.sub(r"\\\g<0>", printable(text))


def _shown(letter: str) -> str:
    if letter.isprintable() and not _INVISIBLE.match(letter):
        return letter
    if unicodedata.category(letter) == "Zs":
        return " "
    code = ord(letter)
    if letter in _SHORT:
        return _SHORT[letter]
    return rf"\x{code:02x}" if code < 0x100 else rf"\u{code:04x}" if code < 0x10000 else rf"\U{code:08x}"


def _json_shown(letter: str) -> str:
    if letter.isprintable() and not _INVISIBLE.match(letter):
        return letter
    code = ord(letter)
    if code < 0x10000:
        return rf"\u{code:04x}"
    code -= 0x10000
    return rf"\u{0xD800 + (code >> 10):04x}\u{0xDC00 + (code & 0x3FF):04x}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
