"""Contract checks of a short run: 12 decisions in processes of their own, twice, and what is left behind.

In a process of its own a policy that hangs, crashes or exits can be ended and named; two processes with
different hashes of strings also show a policy that depends on the order of a set, on a clock, on
:func:`id`, or on a generator of its own.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from types import MappingProxyType
from typing import IO, Any, NamedTuple

from mecsim.foreign_code import described, is_users
from mecsim.policy import Policy
from mecsim.study.import_path import import_path

_START = "from mecsim.testing.contract_checks.short_run_process import serve; serve()"
_START_S, _DECISIONS = 90.0, 13
_FRAME = re.compile(r'File "(.+)", line (\d+) in (\w+)')


class ShortRun(NamedTuple):
    """What came of one run in a process of its own.

    Parameters
    ----------
    fault : str
        Why it did not come to its end; empty if it did.
    is_dangerous : bool
        Whether the policy ended or blocked its process.
    digests : dict
        Hash of the bits of each table.
    left : sequence of str
        What the policy left behind.
    """

    fault: str = ""
    is_dangerous: bool = False
    digests: Mapping[str, str] = MappingProxyType({})
    left: Sequence[str] = ()


def two_runs(make: Callable[[], Policy], limit_s: float) -> tuple[ShortRun, ShortRun]:
    """Return two runs of fresh policies at the same time, with different hashes of strings.

    A policy that takes longer than ``limit_s`` for a decision is ended.
    """
    import cloudpickle  # also takes classes from a notebook or script

    try:
        request = cloudpickle.dumps((make, limit_s))
    except BaseException as error:  # noqa: BLE001 - pickling runs code of the policy
        unsent = ShortRun(f"cannot be sent to a process of its own: {described(error)}")
        return unsent, unsent
    with _process(request, "1") as first, _process(request, "2") as second:
        return first.outcome(limit_s), second.outcome(limit_s)


@lru_cache(maxsize=32)
def two_runs_of_installed(spec: str, limit_s: float) -> tuple[ShortRun, ShortRun]:
    """Return the runs of a policy whose code cannot change while this process lives; they are kept."""
    from mecsim.registry import make_policy

    return two_runs(lambda: make_policy(spec), limit_s)


class _Process:
    """A process that runs the policy, and what it writes."""

    def __init__(self, process: subprocess.Popen[bytes], answers: IO[bytes], errors: IO[bytes]) -> None:
        self.process, self._answers, self._errors = process, answers, errors

    def outcome(self, limit_s: float) -> ShortRun:
        """Wait for the end of the run or of its time."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_START_S + _DECISIONS * limit_s)
        end(self.process)
        lines = [json.loads(line) for line in _read(self._answers).splitlines() if line.startswith("{")]
        last = lines[-1] if lines else {}
        if "digests" in last:
            return ShortRun(digests=last["digests"], left=last["left"])
        if "fault" in last:
            return ShortRun(last["fault"])
        return self._death(last, limit_s)

    def _death(self, last: dict[str, Any], limit_s: float) -> ShortRun:
        errors = _read(self._errors)
        place = f"at t = {last['time_s']:g} s (epoch {last['epoch']})" if "epoch" in last else "in reset"
        if "Timeout (" in errors:
            # The main thread comes last, and in it the innermost frame first.
            frames = _FRAME.findall(errors.rpartition("Thread 0x")[2])
            own = [frame for frame in frames if is_users(frame[0])] or frames or [("compiled code", "?", "?")]
            where = "{}:{}, in {}".format(*own[0])
            return ShortRun(f"did not answer {place} in time ({where})", True)
        code = self.process.returncode
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return ShortRun(f"ended its process {place} ({how})", True)


@contextmanager
def _process(request: bytes, hash_seed: str) -> Iterator[_Process]:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": import_path()}
    with (
        tempfile.TemporaryFile() as asked,
        tempfile.TemporaryFile() as answers,
        tempfile.TemporaryFile() as errors,
    ):
        asked.write(request)
        asked.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START],
            stdin=asked,
            stdout=answers,
            stderr=errors,
            env=environment,
            process_group=0,
        )
        try:
            yield _Process(process, answers, errors)
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process with what it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
