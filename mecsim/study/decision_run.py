"""A run of one decision on a static snapshot, stored in one file that is written atomically."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from mecsim.engine.policy_caller import PolicyCaller
from mecsim.errors import ResultStoreError
from mecsim.results.blas import one_blas_thread
from mecsim.results.files import write_text
from mecsim.results.store import manifest_sha256
from mecsim.study.plan import Run
from mecsim.study.snapshot import decide, measures


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
        record = json.loads(path.read_bytes())
    except OSError as error:
        raise ResultStoreError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ResultStoreError(f"{path}: damaged ({error})") from error
    if not isinstance(record, dict) or record.get("sha256") != manifest_sha256(record):
        raise ResultStoreError(f"{path}: damaged (its SHA-256 differs)")
    return record
