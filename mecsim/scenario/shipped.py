"""The scenarios that come with mecsim."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple


class Shipped(NamedTuple):
    """A shipped scenario.

    Parameters
    ----------
    name : str
        Its name in commands.
    description : str
        Its purpose.
    path : Path
        Its file.
    """

    name: str
    description: str
    path: Path


def shipped_files() -> dict[str, Path]:
    """Return the files of the shipped scenarios by name.

    A wheel has them inside the package, a checkout in its top-level folder.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "shipped_scenarios", package.parent / "scenarios"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.toml"), key=lambda path: path.stem)}
    return {}


def shipped() -> list[Shipped]:
    """Return the shipped scenarios in the order of their names."""
    return [
        Shipped(name, tomllib.loads(path.read_text("utf-8")).get("description", ""), path)
        for name, path in shipped_files().items()
    ]
