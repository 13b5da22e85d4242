"""Checks of policies' parameters."""

from __future__ import annotations


def whole_number(name: str, value: object, least: int) -> int:
    """Return a parameter that must be a whole number of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} = {value!r}: must be a whole number >= {least}")
    return value


def truth(name: str, value: object) -> bool:
    """Return a parameter that must be true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} = {value!r}: must be true or false")
    return value
