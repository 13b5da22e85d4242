"""Nested values in plain form: tables by dotted key, and what JSON can hold."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def flattened(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of nested tables by dotted key, such as ``servers.bandwidth_mhz``."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= flattened(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def plain_json(value: Any) -> Any:
    """Return a copy that JSON can hold: NumPy's values as Python's, NaN and infinity as null."""
    if isinstance(value, dict):
        return {str(key): plain_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(inner) for inner in value]
    if hasattr(value, "tolist"):
        return plain_json(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def through_json(value: Any) -> Any:
    """Return a value as it comes back from JSON, with NaN and infinity; others as their text."""
    return json.loads(json.dumps(value, default=lambda v: v.tolist() if hasattr(v, "tolist") else repr(v)))
