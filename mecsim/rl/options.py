"""Checks of the options that environments and agents share."""

from __future__ import annotations

from typing import Any

from mecsim.errors import MecsimError
from mecsim.messages import either, nearest

OBSERVATIONS = ("flat", "dict")
ACTIONS = ("parts", "flat")


def check_choice(option: str, given: Any, allowed: tuple[str, ...]) -> None:
    """Raise MecsimError if an option is none of the allowed words."""
    if given not in allowed:
        raise MecsimError(f"{option} = {given}: must be {either(allowed)}{nearest(str(given), allowed)}")


def check_count(option: str, given: Any) -> None:
    """Raise MecsimError if an option is no whole number from 1 on."""
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise MecsimError(f"{option} = {given!r}: must be a whole number >= 1")


def check_fraction(option: str, given: Any) -> None:
    """Raise MecsimError if an option is no number from 0 to 1."""
    if not isinstance(given, int | float) or isinstance(given, bool) or not 0 <= given <= 1:
        raise MecsimError(f"{option} = {given!r}: must be a number from 0 to 1")
