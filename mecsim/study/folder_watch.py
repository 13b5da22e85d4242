"""A folder of results that is deleted, or replaced by another, while runs are written to it."""

from __future__ import annotations

from pathlib import Path

from mecsim.errors import ResultStoreError


class FolderWatch:
    """Knows a folder again.

    Parameters
    ----------
    folder : Path or None
        It exists; None for nothing to watch.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._identity = _identity(folder)

    def check(self) -> None:
        """Raise ResultStoreError if the folder is no longer the same: what it held is lost."""
        if _identity(self._folder) != self._identity:
            raise ResultStoreError(
                f"{self._folder}: was deleted or replaced while runs were written to it; what had finished "
                "is gone with it; the same command starts again"
            ) from FileNotFoundError(str(self._folder))


def _identity(folder: Path | None) -> tuple[int, int] | None:
    try:
        status = None if folder is None else folder.stat()
    except OSError:
        return None
    return None if status is None else (status.st_dev, status.st_ino)
