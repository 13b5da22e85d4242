"""Nested values as JSON and TOML have them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any


def plain(value: Any, leaf: Callable[[Any], Any] = lambda value: value) -> Any:
    """Return mappings as dicts with string keys, sequences and arrays as lists, NumPy's numbers as Python's.

    ``leaf`` is applied to every value that is none of these.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(inner, leaf) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner, leaf) for inner in value]
    return leaf(value)


def finite(value: Any) -> Any:
    """Return a plain value with None for NaN and infinity, which JSON does not have."""
    return plain(value, lambda leaf: None if isinstance(leaf, float) and not math.isfinite(leaf) else leaf)


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of nested tables by dotted key."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return found
