"""Loads a `Scenario` from a file, or a shipped one by its name."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from mecsim.config.bounded_file import read_text_bounded
from mecsim.config.toml_text import LARGEST_BYTES
from mecsim.errors import ScenarioError, UnreadableFile
from mecsim.messages import nearest
from mecsim.scenario.schema import Scenario
from mecsim.scenario.shipped import shipped_files


def load_scenario(scenario: str | Path) -> Scenario:
    """Return the scenario in a file, or the shipped scenario of that name.

    Parameters
    ----------
    scenario : str or Path
        A path, or a name such as ``"campus"``; an existing file comes first.

    Raises
    ------
    ScenarioError
        Lists every problem at once, each as `file:line: key = value: what is allowed`.
    """
    text = read_scenario_text(scenario)
    return Scenario.from_toml(text, str(scenario), _find(str(scenario)).parent, confined=True)


def read_scenario_text(scenario: str | Path) -> str:
    """Return the text of a scenario file or shipped scenario, without parsing it."""
    source = str(scenario)
    try:
        return read_text_bounded(_find(source), LARGEST_BYTES)
    except UnreadableFile as error:
        raise ScenarioError(source, [f"{source}: {error}"]) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ScenarioError(source, [f"{source}: cannot be read: {reason}"]) from None


def _find(source: str) -> Path:
    path = Path(source)
    if path.is_file():
        return path
    with suppress(FileNotFoundError, NotADirectoryError, ValueError):
        path.stat()  # raises for a loop of symbolic links, which is_file passes over
    shipped = shipped_files()
    name = path.name.removesuffix(".toml")
    if source == path.name and name in shipped:
        return shipped[name]
    if path.is_dir():
        raise ScenarioError(source, [f"{source}: is a folder, must be a scenario file"])
    if path.exists():
        raise ScenarioError(source, [f"{source}: is not a regular file"])
    if path.is_symlink():
        raise ScenarioError(source, [f"{source}: is a symbolic link that leads to no file"])
    hint = nearest(name, shipped)
    raise ScenarioError(source, [f"{source}: no such file, nor a shipped scenario{hint}"])
