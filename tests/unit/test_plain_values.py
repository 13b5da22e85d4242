"""Nested values made plain, and notes merged by policy; each check names the bug it rejects."""

from __future__ import annotations

import json

import numpy as np

from mecsim.results.notes import notes_by_seed
from mecsim.results.plain_values import flattened, plain_json


def test_nested_tables_by_dotted_key() -> None:
    """Mutant rejected: only the innermost key, so that two tables overwrite each other."""
    nested = {"a": {"x": 1, "deep": {"x": 2}}, "b": {"x": [3, {"y": 4}]}, "x": None}
    assert flattened(nested) == {"a.x": 1, "a.deep.x": 2, "b.x": [3, {"y": 4}], "x": None}


def test_what_json_cannot_hold_becomes_null_or_plain() -> None:
    """Mutants rejected: NaN inside an array left as it is; a NumPy number left for json to refuse."""
    value = {1: np.array([1.0, np.nan]), "t": (np.int64(2), float("inf")), "s": "text", "b": np.True_}
    plain = plain_json(value)
    assert plain == {"1": [1.0, None], "t": [2, None], "s": "text", "b": True}
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_one_line_for_a_note_with_all_its_seeds() -> None:
    """Mutants rejected: seeds of another policy in the line; a line for each seed."""
    notes = [("a", 0, "late"), ("b", 0, "late"), ("a", 2, "late"), ("a", 1, "lost")]
    assert notes_by_seed(notes) == ["a, seed 0, 2: late", "b, seed 0: late", "a, seed 1: lost"]
