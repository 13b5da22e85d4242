"""One writer for a folder of runs, or one for each shard."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mecsim.errors import ResultStoreError
from mecsim.results.lock import Holder, folder_lock, holders


def test_a_second_writer_is_told_who_holds_it(tmp_path: Path) -> None:
    """F11. Mutant rejected: a lock that one process may take twice."""
    with folder_lock(tmp_path):
        with (
            pytest.raises(
                ResultStoreError, match=f"is being written by process {os.getpid()} on .*, for 0 min"
            ),
            folder_lock(tmp_path),
        ):
            pass
        assert [holder.pid for holder in holders(tmp_path)] == [os.getpid()]
    assert holders(tmp_path) == []
    with folder_lock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_shards_go_together_and_nothing_else_does(tmp_path: Path) -> None:
    """Mutant rejected: shards of different numbers, which have runs in common."""
    with folder_lock(tmp_path, (1, 2)), folder_lock(tmp_path, (2, 2)):
        for other in ((1, 2), (3, 4), None):
            with pytest.raises(ResultStoreError, match="is being written"), folder_lock(tmp_path, other):
                pass
        assert len(holders(tmp_path)) == 2
    with folder_lock(tmp_path), pytest.raises(ResultStoreError), folder_lock(tmp_path, (1, 2)):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{}", '{"pid": 1, "host": "x", "since": 0}', "not json", "\x00"])
def test_what_a_killed_holder_left_is_no_obstacle(tmp_path: Path, text: str) -> None:
    for name in (".lock", ".holder"):
        (tmp_path / name).write_text(text)
    with folder_lock(tmp_path):
        held = Holder.of(tmp_path / ".lock")
        assert held is not None
        assert held.pid == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_ends_with_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), folder_lock(tmp_path):
        raise KeyboardInterrupt
    with folder_lock(tmp_path):
        pass


def test_nothing_to_lock() -> None:
    with folder_lock(None):
        pass
