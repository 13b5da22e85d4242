"""Policies looked at before any run: can they be made, and what pins their code.

A policy that does not ship with mecsim is made in a process of its own, so that whatever it does when it
is imported or made happens there.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mecsim.errors import PolicyFailed, PolicyNotFound
from mecsim.foreign_code import one_line
from mecsim.neighbours import neighbours_of
from mecsim.plugin_files import files_as_first_read, read_file
from mecsim.policy_spec import code_named
from mecsim.registry import POLICIES, make_policy, policy_version
from mecsim.study.isolation.child import Child, is_inside
from mecsim.study.isolation.client import Call
from mecsim.study.isolation.ending import Ending
from mecsim.study.isolation.place import where

_versions: dict[str, str] = {}


def examine(place: str, parameters: Mapping[str, Any], limit_s: float | None = None) -> str:
    """Return the version of a policy that does not ship with mecsim, once it has been made elsewhere.

    Raises
    ------
    PolicyNotFound
        If it cannot be made.
    PolicyFailed
        If it tried to end the process, or could not be made within the limit.
    """
    key = _key(place, parameters)
    if key in _versions:
        return _versions[key]
    try:
        ending = Call(_examined, place, dict(parameters), limit_s=limit_s).wait()
    except KeyboardInterrupt as interrupt:
        if isinstance(stopped := getattr(interrupt, "ending", None), Ending):
            interrupt.add_note(f"policy '{place}' {where(stopped)}")
        raise
    told = ending.value if ending.how == "answered" and isinstance(ending.value, dict) else {}
    if isinstance(problem := told.get("problem"), str):
        raise (PolicyFailed if told.get("left") else PolicyNotFound)(problem)
    if isinstance(version := told.get("version"), str):
        _versions[key] = one_line(version)
        return _versions[key]
    raise PolicyFailed(f"policy '{place}' cannot be made: {where(ending, limit_s)}")


def version_of(place: str, parameters: Mapping[str, Any]) -> str:
    """Return the version of a policy that does not ship with mecsim; import it only where it is already."""
    if is_inside() or _is_imported(place):
        return policy_version(place, **parameters)
    return examine(place, parameters)


def _examined(place: str, parameters: dict[str, Any], child: Child) -> dict[str, Any]:
    try:
        with files_as_first_read():
            make_policy(place, **parameters)
            return {"version": policy_version(place, **parameters)}
    except PolicyNotFound as error:
        cause = error.__cause__
        return {"problem": str(error), "left": cause is not None and not isinstance(cause, Exception)}


def _is_imported(place: str) -> bool:
    module = place.rpartition(":")[0]
    if not module.endswith(".py"):
        return module in sys.modules
    with suppress(PolicyNotFound, OSError):
        return read_file(Path(module), POLICIES).module_name in sys.modules
    return False


def _key(place: str, parameters: Mapping[str, Any]) -> str:
    """Return what the version of a policy depends on: its name, and the content of the files it names."""
    contents = []
    for code in code_named(place, parameters):
        with suppress(OSError):
            path = Path(code.rpartition(":")[0])
            content = path.read_bytes()
            whole = [content, *(each for _, each in neighbours_of(content, path.resolve()))]
            contents.append(hashlib.sha256(b"\0".join(whole)).hexdigest())
    return json.dumps(
        [place, dict(parameters), contents, sys.path, str(Path.cwd())], sort_keys=True, default=repr
    )
