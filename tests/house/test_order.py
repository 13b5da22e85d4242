"""The slow files that `tests/conftest.py` puts first exist, and the Makefile keeps that order."""

import runpy
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_slow_files_exist_and_the_order_is_kept():
    """Mutants: a file renamed; workers that take files by their number of tests."""
    slow = runpy.run_path(str(TESTS / "conftest.py"))["SLOW_FILES"]
    assert [name for name in slow if not (TESTS / name).is_file()] == []
    assert len(set(slow)) == len(slow)
    assert "--no-loadscope-reorder" in (TESTS.parent / "Makefile").read_text("utf-8")
