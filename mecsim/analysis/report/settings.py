"""The settings of a folder: its run folders by scenario, each with a label and its swept values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mecsim.analysis.key_names import setting_text
from mecsim.results.manifest import scenario_values

_NAMES = ("name", "description")


class Setting(NamedTuple):
    """The run folders of one scenario, and the values of the keys in which scenarios differ."""

    values: dict[str, Any]
    folders: list[Path]


def by_setting(manifests: Mapping[Path, dict[str, Any]]) -> dict[str, Setting]:
    """Return run folders by scenario, each scenario under a label of its own, in the order of the values."""
    by_hash: dict[str, list[Path]] = {}
    for folder, manifest in manifests.items():
        by_hash.setdefault(manifest["scenario_sha256"], []).append(folder)
    firsts = [manifests[folders[0]] for folders in by_hash.values()]
    values = [scenario_values(first) for first in firsts]
    keys = _swept(firsts, values)
    found: dict[str, Setting] = {}
    for first, one, folders in zip(firsts, values, by_hash.values(), strict=True):
        same_name = sum(other["scenario"] == first["scenario"] for other in firsts) > 1
        own = {key: one.get(key, "-") for key in keys} if same_name else {}
        label = ", ".join([first["scenario"], *(setting_text(key, value) for key, value in own.items())])
        # Two scenarios can have the same text but read files of different content.
        label = f"{label} ({first['scenario_sha256'][:8]})" if label in found else label
        found[label] = Setting(own, folders)
    return dict(sorted(found.items(), key=lambda item: _natural(item[0])))


def _swept(firsts: list[dict[str, Any]], values: list[dict[str, Any]]) -> list[str]:
    """Return the keys in which the scenarios differ, those of a study first and in its order."""
    differing = {key for one in values for key in one if len({str(other.get(key)) for other in values}) > 1}
    given = [
        key for key in dict.fromkeys(key for m in firsts for key in m.get("swept", {})) if key in differing
    ]
    return [*given, *sorted(differing - {*given, *_NAMES})]


def _natural(label: str) -> list[tuple[float, str]]:
    """Return a key that puts 5 before 10."""
    parts = re.split(r"(\d+(?:\.\d+)?)", label)
    return [(float(part), "") if i % 2 else (0.0, part) for i, part in enumerate(parts)]
