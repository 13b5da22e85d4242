"""``study.toml`` in the folder of a study: the study that was swept last, with its ``--set`` changes."""

from __future__ import annotations

from pathlib import Path

from mecsim.config.bounded_file import read_text_bounded
from mecsim.config.toml_text import LARGEST_BYTES, toml_value
from mecsim.errors import UnreadableFile
from mecsim.messages import shortened
from mecsim.results.files import write_text
from mecsim.study.spec import Study

STUDY_FILE = "study.toml"
_SET = "# --set "
_MOST_TOLD = 20


def record(study: Study, folder: Path) -> None:
    """Write ``study.toml``: the text of the study, and a comment for each change of ``--set``."""
    own = [line for line in study.text.splitlines() if not line.startswith(_SET)]
    lines = [*own, *(_SET + change for change in _changes(study))]
    write_text(folder / STUDY_FILE, "".join(f"{line}\n" for line in lines))


def other_changes(study: Study, folder: Path) -> str:
    """Return a line if the folder was last swept with another ``--set``; empty if it was not, or never."""
    try:
        text = read_text_bounded(folder / STUDY_FILE, 4 * LARGEST_BYTES, follow_links=False)
    except UnreadableFile:
        return ""
    lines = text.splitlines()
    before = [line.removeprefix(_SET) for line in lines if line.startswith(_SET)]
    if before == _changes(study):
        return ""
    return (
        f"{folder} was last swept with {_told(before)}, this is with {_told(_changes(study))}: "
        "these are other runs, stored beside those"
    )


def _changes(study: Study) -> list[str]:
    return sorted(f"{key}={toml_value(value)}" for key, value in study.changes.items())


def _told(changes: list[str]) -> str:
    told = [f"--set {shortened(change)}" for change in changes[:_MOST_TOLD]]
    return ", ".join([*told, *(["..."] if len(changes) > _MOST_TOLD else [])]) or "no --set"
