"""``study.toml`` in the folder of a study: the study that was swept last, with its ``--set`` changes."""

from __future__ import annotations

from pathlib import Path

from mecsim.config.toml_text import toml_value
from mecsim.results.files import write_text
from mecsim.study.spec import Study

STUDY_FILE = "study.toml"
_SET = "# --set "


def record(study: Study, folder: Path) -> None:
    """Write ``study.toml``: the text of the study, and a comment for each change of ``--set``."""
    own = [line for line in study.text.splitlines() if not line.startswith(_SET)]
    lines = [*own, *(_SET + change for change in _changes(study))]
    write_text(folder / STUDY_FILE, "".join(f"{line}\n" for line in lines))


def other_changes(study: Study, folder: Path) -> str:
    """Return a line if the folder was last swept with another ``--set``; empty if it was not, or never."""
    try:
        lines = (folder / STUDY_FILE).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
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
    return ", ".join(f"--set {change}" for change in changes) or "no --set"
