"""The file of a trained agent of this package: its numbers, and what it was trained with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mecsim.config.bounded_file import read_text_bounded
from mecsim.config.json_text import parse_json
from mecsim.errors import MecsimError, ScenarioError, UnreadableFile
from mecsim.results.files import write_text
from mecsim.system.arrays import Floats

FORMAT = "mecsim agent 1"
_MOST_BYTES = 16 << 20
_KEYS = ("format", "policy", "scenario_sha256", "training_seeds", "numbers", "curve")


@dataclass(frozen=True, eq=False)
class AgentFile:
    """What a trained agent is made of.

    Parameters
    ----------
    policy : str
        The policy that reads it.
    scenario_sha256 : str
        Of the scenario that it was trained in.
    training_seeds : sequence of int
        The worlds that it was trained in so far.
    numbers : mapping of arrays
        What was learned.
    curve : list of dict
        One row for each step of the training.
    sha256 : str
        Of the file; empty for one that has not been read.
    """

    policy: str
    scenario_sha256: str
    training_seeds: Sequence[int]
    numbers: Mapping[str, Floats]
    curve: list[dict[str, float]] = field(default_factory=list)
    sha256: str = ""

    def write(self, path: Path) -> None:
        """Write it atomically."""
        content = {
            "format": FORMAT,
            "policy": self.policy,
            "scenario_sha256": self.scenario_sha256,
            "training_seeds": list(self.training_seeds),
            "numbers": {name: np.asarray(values).tolist() for name, values in self.numbers.items()},
            "curve": self.curve,
        }
        write_text(path, json.dumps(content, indent=1) + "\n")


def read_agent(path: str | Path, policy: str, shapes: Mapping[str, tuple[int, ...]]) -> AgentFile:
    """Return the agent in a file.

    Parameters
    ----------
    path : str or Path
    policy : str
        Which policy reads it.
    shapes : mapping of tuples
        The arrays that it must have.

    Raises
    ------
    MecsimError
        If it cannot be read, is of another policy, or its numbers are not those wanted.
    """
    try:
        text = read_text_bounded(path, _MOST_BYTES)
        content = parse_json(text, str(path))
    except UnreadableFile as error:
        raise MecsimError(f"{path}: {error}") from error
    except ScenarioError as error:
        raise MecsimError(str(error)) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise MecsimError(f"{path}: no agent that mecsim train has written (format = {FORMAT})")
    missing = [key for key in _KEYS if key not in content]
    if missing:
        raise MecsimError(f"{path}: {missing[0]}: missing")
    if content["policy"] != policy:
        raise MecsimError(f"{path}: policy = {content['policy']}: is not '{policy}', for which it is read")
    seeds, curve = content["training_seeds"], content["curve"]
    if not isinstance(seeds, list) or not all(type(seed) is int and seed >= 0 for seed in seeds):
        raise MecsimError(f"{path}: training_seeds: must be a list of whole numbers >= 0")
    if not isinstance(curve, list):
        raise MecsimError(f"{path}: curve: must be a list")
    numbers = {name: _array(path, name, content["numbers"], shape) for name, shape in shapes.items()}
    digest = hashlib.sha256(text.encode()).hexdigest()
    return AgentFile(policy, str(content["scenario_sha256"]), seeds, numbers, curve, digest)


def _array(path: str | Path, name: str, given: Any, shape: tuple[int, ...]) -> Floats:
    try:
        array = np.array(given[name], dtype=np.float64)
    except (TypeError, ValueError, KeyError) as error:
        raise MecsimError(f"{path}: numbers.{name}: must be an array of shape {shape}") from error
    if array.shape != shape or not np.isfinite(array).all():
        raise MecsimError(f"{path}: numbers.{name}: must be an array of finite numbers of shape {shape}")
    return array
