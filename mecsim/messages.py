"""How messages show names and values: the nearest known name, a short form, a list of choices."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from mecsim.escapes import printable

LONGEST_QUOTE, LONGEST_REASON = 60, 2000


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, or an empty string."""
    close = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def shortened(text: str, most: int = LONGEST_QUOTE) -> str:
    """Return a text fit for a message: not too long, and with nothing that controls a terminal."""
    shown = printable(text[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def reason(error: BaseException, most: int = LONGEST_REASON) -> str:
    """Return type and text of an exception of others on one line, whatever its text is."""
    name = type.__dict__["__name__"].__get__(type(error))  # whatever its metaclass says
    try:
        text = printable(str(error))
    except BaseException:  # noqa: BLE001 - code of others, which is asked for a text and no more
        text = ""
    return shortened(f"{name}: {text}" if text else name, most)


def either(words: tuple[str, ...]) -> str:
    """Return words as a choice: ``'a', 'b' or 'c'``."""
    quoted = [f"'{word}'" for word in words]
    return " or ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))
