"""How messages show names and values: the nearest known name, a short form, a list of choices."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from mecsim.escapes import printable

LONGEST_QUOTE = 60


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, or an empty string.

    A name that differs in upper and lower case alone is the closest one.
    """
    names = sorted(known)
    same = [each for each in names if each.casefold() == name.casefold()]
    close = same or get_close_matches(name, names, n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def shortened(text: str, most: int = LONGEST_QUOTE) -> str:
    """Return a text fit for a message: not too long, and with nothing that controls a terminal."""
    shown = printable(text[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def either(words: tuple[str, ...]) -> str:
    """Return words as a choice: ``'a', 'b' or 'c'``."""
    quoted = [f"'{word}'" for word in words]
    return " or ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it is not one: ``3 servers``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def system_size(users: int, servers: int) -> str:
    """Return the size of a system in words: ``10 users, 2 servers``."""
    return f"{counted(users, 'user')}, {counted(servers, 'server')}"
