"""``study.toml`` in the folder of a study: the study that was swept last, with its ``--set`` changes."""

from __future__ import annotations

import shlex
from pathlib import Path

from mecsim.config.bounded_file import read_text_bounded
from mecsim.config.toml_text import LARGEST_BYTES, toml_value
from mecsim.errors import MecsimError, UnreadableFile
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


def refuse_other_changes(study: Study, folder: Path, file: Path | None = None) -> None:
    """Refuse a folder that was swept with another ``--set``: its runs and these belong to two plans.

    Parameters
    ----------
    study : Study
    folder : Path
    file : Path, optional
        The study's file, for the command that resumes.

    Raises
    ------
    MecsimError
        With that command.
    """
    try:
        text = read_text_bounded(folder / STUDY_FILE, 4 * LARGEST_BYTES, follow_links=False)
    except UnreadableFile:
        return
    before = [line.removeprefix(_SET) for line in text.splitlines() if line.startswith(_SET)]
    if before == _changes(study):
        return
    options = [word for change in before for word in ("--set", change)]
    place = [] if folder == Path("results") / study.name else ["--out", str(folder)]
    command = shlex.join(["mecsim", "sweep", str(file or f"{study.name}.toml"), *options, *place])
    raise MecsimError(
        f"{folder} was swept with {_told(before)}, this is with {_told(_changes(study))}, which are other "
        f"runs. To resume: {command}. For a study of its own, give another --out"
    )


def _changes(study: Study) -> list[str]:
    return sorted(f"{key}={toml_value(value)}" for key, value in study.changes.items())


def _told(changes: list[str]) -> str:
    told = [f"--set {shortened(change)}" for change in changes[:_MOST_TOLD]]
    return ", ".join([*told, *(["..."] if len(changes) > _MOST_TOLD else [])]) or "no --set"
