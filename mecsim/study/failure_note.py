"""The file beside the run folders that says why a run failed."""

from __future__ import annotations

from pathlib import Path

from mecsim.escapes import printable, printable_lines
from mecsim.results.files import read_note, write_text

MOST_LETTERS = 2000


def read_failure(folder: Path, run_id: str) -> str | None:
    """Return why a run failed when it was last tried; None if it did not fail."""
    note = _note(folder, run_id)
    if not note.is_symlink() and not note.exists():
        return None
    reason = printable(read_note(note).partition("\n")[0])
    return reason if len(reason) <= MOST_LETTERS else f"{reason[:MOST_LETTERS]}..."


def note_failure(folder: Path, run_id: str, error: str, details: str) -> None:
    """Write the reason, in one line, and the traceback; without an error, remove the note."""
    note = _note(folder, run_id)
    if error:
        reason = printable(" ".join(error.split()))
        write_text(note, f"{reason}\n\n{printable_lines(details)}")
    elif note.is_symlink() or not note.is_dir():  # a folder of that name is not ours
        note.unlink(missing_ok=True)


def _note(folder: Path, run_id: str) -> Path:
    return folder / f"failed-{run_id}.txt"
