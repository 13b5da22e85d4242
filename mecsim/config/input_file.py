"""Files that a scenario names: their paths and hashes of their content."""

from __future__ import annotations

import hashlib
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import Field, GetPydanticSchema, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator
from pydantic.types import Strict

from mecsim.config.base import refusal
from mecsim.config.bounded_file import read_bounded
from mecsim.errors import ScenarioError, UnreadableFile
from mecsim.messages import nearest, shortened

LARGEST_MB = 512
LARGEST_BYTES = LARGEST_MB << 20
MOST_NAMES = 1000


class InputFile(str):
    """The name of a file as the scenario gives it, with its `path` and the `sha256` of its content.

    The hash makes a scenario a value: two scenarios are equal only if the contents of their files are,
    and a later reader can detect that the file has changed since the scenario was checked.
    """

    path: Path
    sha256: str

    @classmethod
    def found(cls, name: str, folder: Path, *, confined: bool = False) -> InputFile:
        """Return a file by its name, relative to a folder; a name that cannot be read is refused.

        If ``confined``, so is one that leads out of the folder: a scenario file names nothing beyond it.
        """
        path = (folder / name).absolute()  # a worker process may stand in another folder
        try:
            outside = confined and not path.resolve().is_relative_to(folder.resolve())
            problem = "must be in the scenario's folder or below it" if outside else _missing(path)
            content = b"" if problem else read_bounded(path, LARGEST_BYTES)
        except UnreadableFile as error:
            problem = str(error)
        except (OSError, ValueError, RuntimeError) as error:  # a NUL in the name; a loop of links
            problem = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        if problem:
            raise refusal(((), problem))
        file = cls(name)
        file.path, file.sha256 = path, hashlib.sha256(content).hexdigest()
        return file

    def content(self) -> bytes:
        """Return what the file holds.

        Raises
        ------
        ScenarioError
            If it is missing, or has changed since the scenario was checked.
        """
        try:
            content = read_bounded(self.path, LARGEST_BYTES)
        except UnreadableFile as error:
            raise ScenarioError(str(self.path), [f"{self.path}: {error}"]) from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            problem = f"{self.path}: has changed since the scenario was loaded; load the scenario again"
            raise ScenarioError(str(self.path), [problem])
        return content

    def __eq__(self, other: object) -> bool:
        """Return whether name and content are the same; a plain string is compared by name."""
        same = str.__eq__(self, other)
        return same is True and getattr(other, "sha256", self.sha256) == self.sha256

    def __hash__(self) -> int:
        return str.__hash__(self)


_Name: TypeAlias = Annotated[str, Strict(), Field(min_length=1, max_length=1000)]


def _missing(path: Path) -> str:
    """Return why there is no such file, with the nearest name there is; empty if there is something."""
    if path.exists():
        return ""
    if not path.parent.is_dir():
        return f"no such file; there is no folder {shortened(str(path.parent))}"
    names = [other.name for other in islice(path.parent.iterdir(), MOST_NAMES)]
    return f"no such file in {shortened(str(path.parent))}{nearest(path.name, names)}"


def _find(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> InputFile:
    if isinstance(value, InputFile):
        return value  # of a scenario that was checked before
    context = info.context or {}
    folder, confined = context.get("folder", Path()), context.get("confined", False)
    return InputFile.found(handler(value), folder, confined=confined)


ScenarioFile: TypeAlias = Annotated[
    InputFile, GetPydanticSchema(lambda source, handler: handler(_Name)), WrapValidator(_find)
]
"""A file, relative to the scenario's own folder."""
