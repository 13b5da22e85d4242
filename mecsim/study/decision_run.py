"""A run of one decision on a static snapshot, stored in one file that is written atomically."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from mecsim.config.bounded_file import read_text_bounded
from mecsim.config.json_text import parse_json
from mecsim.engine.policy_caller import PolicyCaller
from mecsim.errors import ResultStoreError, ScenarioError, UnreadableFile
from mecsim.results.blas import one_blas_thread
from mecsim.results.files import write_text
from mecsim.results.manifest import manifest_sha256, schema_problems
from mecsim.results.manifest_schema import Decision
from mecsim.study.plan import Run
from mecsim.study.snapshot import decide, measures

MOST_BYTES = 64 << 20


class DecisionRun(Run):
    """The policy's decision at time 0: no round is simulated, and no folder of tables is written."""

    @property
    def stored_as(self) -> str:
        """Name of its file."""
        return f"{self.run_id}.json"

    def _asked(self) -> list[Any]:
        return ["decision", *super()._asked()]


def write_decision(run: DecisionRun, path: Path) -> dict[str, Any]:
    """Ask the policy for its decision, write it and return what was written.

    Returns
    -------
    dict
        ``run_id`` and ``identity``; ``metrics``, as :func:`mecsim.study.snapshot.measures`;
        ``trace``, a mapping for each row that the policy left behind; ``wall_s``, what it took;
        ``notes``, none; ``sha256`` of all that.

    Raises
    ------
    PolicyFailed, InvalidAllocation
        If the policy decides nothing, or breaks a constraint.
    ResultStoreError
        If the file cannot be written.
    """
    policy: Any = run.policy.make()
    began_s = time.perf_counter()
    with one_blas_thread():
        instance, allocation = decide(policy, run.policy.label, run.scenario, run.seed)
    trace = PolicyCaller(policy, run.policy.label).attribute("trace")
    record = {
        "run_id": run.run_id,
        "identity": run.identity,
        "metrics": measures(instance, allocation),
        "trace": [row._asdict() for row in trace or ()],
        "wall_s": time.perf_counter() - began_s,
        "notes": [],
    }
    record["sha256"] = manifest_sha256(record)
    write_text(path, json.dumps(record, indent=1))
    return record


def read_decision(path: Path) -> dict[str, Any]:
    """Return what :func:`write_decision` wrote; Python's JSON keeps every bit, and NaN.

    Raises
    ------
    ResultStoreError
        If it is not there, or not what was written.
    """
    try:
        text = read_text_bounded(path, MOST_BYTES)
        record = parse_json(text, str(path))
    except UnreadableFile as error:
        raise ResultStoreError(f"{path}: {error}") from error
    except ScenarioError as error:
        raise ResultStoreError("\n".join(f"{line}; damaged" for line in error.problems)) from error
    if not isinstance(record, dict):
        raise ResultStoreError(f"{path}: damaged (not the record of a decision)")
    problems = schema_problems(Decision, record, text, str(path))
    if not problems and record["sha256"] != manifest_sha256(record):
        problems = [f"{path}: damaged (its SHA-256 differs)"]
    if problems:
        raise ResultStoreError("\n".join(problems))
    return record
