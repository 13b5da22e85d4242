"""Print the lowest version that pyproject.toml allows of each dependency, as constraints for pip or uv."""

import re
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]

if __name__ == "__main__":
    extras = PROJECT["optional-dependencies"]
    for requirement in [*PROJECT["dependencies"], *(line for extra in extras.values() for line in extra)]:
        if found := re.fullmatch(r"([\w.-]+) *>= *([\w.]+)[^;]*(;.*)?", requirement):
            name, floor, marker = found.groups()
            print(f"{name}=={floor}{marker or ''}")  # noqa: T201 - its only output
