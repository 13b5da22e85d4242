"""What the bits of a result depend on besides scenario, policy and seed: code, versions, processor."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mecsim.results.blas import thread_setting
from mecsim.results.kernels import kernels
from mecsim.results.plain_values import flattened

PACKAGES = ("numpy", "scipy", "simpy", "cvxpy", "clarabel", "scs", "ecos", "pandas", "pyarrow", "pydantic")
OWN_PACKAGES = ("mecsim", "mecsim_policies")
_READERS = ("analysis", "cli", "testing")
_FINGERPRINT = ("mecsim", "code_sha256", "python", "packages", "simd", "kernels", "threads")


@lru_cache(maxsize=1)
def environment() -> dict[str, Any]:
    """Return the code, package versions, processor features, kernels and threads of this process."""
    return {
        "mecsim": _version("mecsim"),
        "code_sha256": code_sha256(),
        "git_commit": git_commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "simd": simd_features(),
        "kernels": kernels(),
        "threads": thread_setting(),
    }


def differences(recorded: dict[str, Any]) -> list[str]:
    """Return what differs between a recorded environment and this one, as far as bits depend on it."""
    here = flattened({key: environment()[key] for key in _FINGERPRINT})
    there = flattened({key: recorded.get(key) for key in _FINGERPRINT})
    return sorted(key for key in here.keys() | there.keys() if here.get(key) != there.get(key))


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """Return a hash of every source and data file that decides what a run computes.

    That is all of mecsim and of the policies that ship with it, but the rooms that only read results.
    """
    total = hashlib.sha256()
    for package in OWN_PACKAGES:
        root = _package_folder(package)
        files = sorted(path for path in root.rglob("*") if path.is_file()) if root else []
        for path in files:
            inside = path.relative_to(root or path)
            if path.suffix != ".pyc" and inside.parts[0] not in _READERS:
                total.update(f"{package}/{inside.as_posix()}\n".encode())
                total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


@lru_cache(maxsize=1)
def git_commit() -> str | None:
    """Return the commit of a source checkout of mecsim, with ``-dirty`` if it was changed since.

    None for an installed copy, also inside another repository.
    """
    folder = _package_folder("mecsim")
    try:
        _git(folder, "ls-files", "--error-unmatch", "__init__.py")
        return _git(folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return None


def simd_features() -> list[str]:
    """Return the processor features that numpy's kernels use here; the last bits depend on them."""
    import numpy as np

    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    # A list that would be empty is left out.
    return [*simd.get("baseline", ()), *simd.get("found", ())]


def _package_folder(package: str) -> Path | None:
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(folder: Path | None, *arguments: str) -> str:
    done = subprocess.run(
        # A run must not lock the user's index: one that ended meanwhile would leave it locked.
        ["git", "--no-optional-locks", *arguments],  # noqa: S607 - the git of the user
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=10,
    )
    return done.stdout.strip()
