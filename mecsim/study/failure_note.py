"""The file beside the run folders that says why a run failed."""

from __future__ import annotations

from pathlib import Path

from mecsim.escapes import printable, printable_lines
from mecsim.results.files import write_text

MOST_BYTES = 64 * 1024


def read_failure(folder: Path, run_id: str) -> str | None:
    """Return why a run failed when it was last tried; None if it did not fail."""
    note = _note(folder, run_id)
    if not note.is_file():
        return None
    with note.open("rb") as file:
        line = file.read(MOST_BYTES).partition(b"\n")[0]
    return printable(line.decode("utf-8", "replace"))


def note_failure(folder: Path, run_id: str, error: str, details: str) -> None:
    """Write the reason, in one line, and the traceback; without an error, remove the note."""
    note = _note(folder, run_id)
    if error:
        reason = printable(" ".join(error.split()))
        write_text(note, f"{reason}\n\n{printable_lines(details)}")
    else:
        note.unlink(missing_ok=True)


def _note(folder: Path, run_id: str) -> Path:
    return folder / f"failed-{run_id}.txt"
