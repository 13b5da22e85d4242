"""The environment of mecsim: Python, packages, solvers, processor, and what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from typing import NamedTuple

from mecsim.registry import list_policies
from mecsim.results.provenance import environment, simd_features

SOLVERS = ("clarabel", "scs", "cvxpy")
_EXTRAS = {
    "plotly": ("report", "interactive figures in reports"),
    "ecos": (
        "ecos",
        "exponential cones in dashf_reference; CLARABEL takes its place (GPL-3.0, to Python 3.12)",
    ),
    "duckdb": ("sql", "SQL over the tables of a study"),
    "dask": ("cluster", "studies on a cluster"),
    "distributed": ("cluster", "studies on a cluster"),
    "dask-jobqueue": ("cluster", "studies through SLURM"),
    "gymnasium": ("rl", "environments for reinforcement learning"),
    "pettingzoo": ("rl", "environments with several agents"),
    "hypothesis": ("test", "the test suite"),
    "ciw": ("test", "the second simulator of the tests"),
}


class Symptom(NamedTuple):
    """One line of the report.

    Parameters
    ----------
    what, found : str
        Name of the component, and its version or value; empty if it is missing.
    needed : bool
        Whether mecsim fails without it.
    purpose, remedy : str
        What it is used for, and how to install it.
    """

    what: str
    found: str
    needed: bool
    purpose: str
    remedy: str


def examine() -> list[Symptom]:
    """Return all components, found or missing."""
    return [*_system(), *_packages(), *_extras(), *_policies()]


def _system() -> list[Symptom]:
    recent = sys.version_info >= (3, 11)
    found = environment()
    threads = ", ".join(f"{name} {value}" for name, value in found["threads"].items())
    facts = {
        "mecsim": (f"{_version('mecsim')}, commit {found['git_commit'] or 'unknown'}", ""),
        "system": (platform.platform(), ""),
        "processors": (f"{_usable()} usable of {os.cpu_count()}", "--jobs"),
        "SIMD": (" ".join(simd_features()), "the last bits of results"),
        "kernels": (
            ", ".join(f"{name} {value}" for name, value in found["kernels"].items()),
            "the last bits of results",
        ),
        "BLAS threads": (threads, "the last bits of results"),
        "free disk": (f"{shutil.disk_usage('.').free / 1e9:.1f} GB", "results"),
    }
    python = platform.python_version() if recent else ""
    return [
        Symptom("Python", python, True, "everything", "" if recent else "Python 3.11 or newer"),
        *(Symptom(what, found, False, purpose, "") for what, (found, purpose) in facts.items()),
    ]


def _usable() -> int | None:
    # In containers and cluster jobs fewer processors are usable; macOS has no such call.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _packages() -> list[Symptom]:
    """Return the dependencies of mecsim listed in its metadata."""
    found = []
    for line in requires("mecsim") or ():
        if "extra ==" in line:
            continue
        name = line.split(";")[0].split("<")[0].split(">")[0].split("=")[0].strip()
        there = _version(name)
        remedy = "" if there else f"pip install '{line.split(';')[0].strip()}'"
        found.append(Symptom(name, there, True, "a solver" if name in SOLVERS else "", remedy))
    return found


def _extras() -> list[Symptom]:
    return [
        Symptom(
            name, _version(name), False, purpose, "" if _version(name) else f"pip install 'mecsim[{extra}]'"
        )
        for name, (extra, purpose) in _EXTRAS.items()
    ]


def _policies() -> list[Symptom]:
    """Return the registered policies that cannot be imported."""
    return [
        Symptom(f"policy {entry.name}", "", False, entry.target, entry.error)
        for entry in list_policies()
        if entry.error
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
