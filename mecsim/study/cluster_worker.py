"""One run on a worker of a dask scheduler, whose process imports nothing foreign either."""

from __future__ import annotations

import pickle
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mecsim.results.plain_values import flattened
from mecsim.results.provenance import environment
from mecsim.study.isolated_run import attempted
from mecsim.study.isolation.child import Child
from mecsim.study.isolation.client import Call
from mecsim.study.isolation.ending import Ending
from mecsim.study.outcome import RunOutcome
from mecsim.study.plan import Run
from mecsim.study.worker import needs_isolation
from mecsim.study.worker_process import WorkerProcess

_CODE = ("mecsim", "code_sha256", "python", "packages")
_here = threading.local()


class WrongWorker(Exception):
    """A worker with other versions; the arguments are its address and its versions."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run as it is sent to a worker.

    Parameters
    ----------
    content : bytes
        The run and its folder, read only where its code may be imported.
    isolated : bool
        Whether that must be a process of its own.
    limit_s : float or None
        Wall-clock limit.
    study : str
        Unique; another study gets new processes.
    code : dict
        Versions that the worker must have.
    """

    content: bytes
    isolated: bool
    limit_s: float | None
    study: str
    code: dict[str, str]

    @classmethod
    def of(cls, run: Run, folder: Path, limit_s: float | None, study: str) -> RunRequest:
        """Return the request for a run."""
        import cloudpickle

        content = bytes(cloudpickle.dumps((run, folder)))
        return cls(content, needs_isolation(run, limit_s), limit_s, study, code_here())


def code_here() -> dict[str, str]:
    """Return the versions that the bits of a run depend on, by name."""
    found = environment()
    return {name: str(value) for name, value in flattened({key: found[key] for key in _CODE}).items()}


def attempt_in_worker(request: RunRequest) -> RunOutcome | Ending:
    """Return the outcome of a run in a process that belongs to this thread of a dask worker.

    The process also serves the next runs of the same study.
    """
    if request.code != code_here():
        raise WrongWorker(_address(), code_here())
    if request.isolated:
        return Call(_attempted, request.content, limit_s=request.limit_s).wait()
    if getattr(_here, "study", None) != request.study:
        if hasattr(_here, "worker"):
            _here.worker.end()
        _here.worker, _here.study = WorkerProcess(), request.study
    worker: WorkerProcess = _here.worker
    run, folder = pickle.loads(request.content)  # noqa: S301 - built-in code alone, from the process of the study
    return worker.attempt(run, folder)


def _attempted(content: bytes, child: Child) -> dict[str, Any]:
    run, folder = pickle.loads(content)  # noqa: S301 - from the process of the study
    return attempted(run, folder, False, child)


def _address() -> str:
    from distributed import get_worker

    return str(get_worker().address)
