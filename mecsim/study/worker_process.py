"""Runs of built-in code in processes that serve one run after the other.

Such a process may still be killed, for lack of memory, or crash. Then its run gets an outcome that names
the reason; the other runs go on.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from mecsim.errors import RunFailed
from mecsim.results.blas import THREAD_VARIABLES
from mecsim.study.import_path import import_path
from mecsim.study.outcome import RunOutcome, attempt, failure
from mecsim.study.plan import Run
from mecsim.study.shared_world import SharedWorld

_LENGTH = struct.Struct("<Q")
# The first bytes of a traceback of faulthandler, read as a length, are more than this.
_LONGEST = 1 << 48
_START = "from mecsim.study.worker_process import serve; serve()"


class _Ended(Exception):
    """The process at the other end has ended; the argument is what it wrote instead of a message."""


class WorkerProcess:
    """A process that executes runs one after the other; a new one is started when it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._busy = self._ended = False

    def attempt(
        self, run: Run, folder: Path | None, *, reuse: bool = False, shares: bool = False
    ) -> RunOutcome:
        """Return the outcome of a run, also if its process dies; ``shares``: others meet in its world."""
        self._busy = True
        try:
            answer = self._ask(_request((run, folder, reuse, shares)))
            if isinstance(answer, RunOutcome):
                return answer
            error = RunFailed(f"cannot be sent to its process: {answer.strip().splitlines()[-1]}")
            return replace(failure(run, error), details=answer)
        except _Ended as ended:
            return self._death(run, str(ended))
        except Exception as error:  # noqa: BLE001 - what cannot be pickled is this run's outcome
            return failure(run, error)
        finally:
            self._busy = False

    def end(self) -> None:
        """Kill the process and start none again; an attempt that is under way returns."""
        self._ended = True
        if self._busy and self._process is not None:
            self._process.kill()
        else:
            self._discard()

    def _ask(self, message: bytes) -> RunOutcome | str:
        """Return the answer: an outcome, or the traceback of a message that could not be read."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            _send(process.stdin, message)
        answer: RunOutcome | str = pickle.loads(_receive(process.stdout))  # noqa: S301 - from our own process
        return answer

    def _death(self, run: Run, where: str) -> RunOutcome:
        """Return the outcome of a run whose process has died; ``where`` is what it wrote at its end."""
        code = self._discard()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        crash = where.partition("\n")[0]
        what = f"crashed: {crash}" if crash else "was killed, perhaps for lack of memory"
        if self._ended:
            what = "was ended because mecsim was interrupted"
        error = RunFailed(f"its worker process {what if code < 0 else 'ended itself'} ({how})")
        return replace(failure(run, error, "killed"), details=f"{error}\n{where}")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._discard()
            one_thread = dict.fromkeys(THREAD_VARIABLES, "1")
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | one_thread | {"PYTHONPATH": import_path()},
                process_group=0,
            )
            threading.Thread(target=_end_children, args=(self._process,), daemon=True).start()
            if self._ended:
                self._process.kill()
        return self._process

    def _discard(self) -> int:
        """End the process, if there is one, and return its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with suppress(BrokenPipeError):
                assert pipe is not None
                pipe.close()
        return process.wait()


def _end_children(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a process, then end its own children, which would keep the pipe open."""
    process.wait()
    if sys.platform != "win32":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def serve() -> None:
    """Serve as worker process: read runs from standard input until it ends, answer with outcomes."""
    import faulthandler

    # Ctrl-C reaches the parent too, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    faulthandler.enable(answers)
    # What is printed must not mix with the answers.
    os.dup2(2, 1)
    shared = SharedWorld()
    for content in iter(_requests(sys.stdin.buffer).get, b""):
        try:
            run, folder, reuse, shares = pickle.loads(content)  # noqa: S301 - from our own parent
        except Exception:  # noqa: BLE001 - the parent reports it
            _send(answers, pickle.dumps(traceback.format_exc()))
            continue
        outcome = attempt(run, folder, reuse=reuse, shared=shared if shares else None)
        _send(answers, pickle.dumps(outcome))


def _requests(stream: IO[bytes]) -> queue.SimpleQueue[bytes]:
    """Return a queue of the messages; the process exits with its parent, even within a run."""
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        with suppress(_Ended):
            while True:
                requests.put(_receive(stream))
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return requests


def _send(stream: IO[bytes], content: bytes) -> None:
    stream.write(_LENGTH.pack(len(content)) + content)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes:
    """Return the next message; raise _Ended if there is none."""
    head = stream.read(_LENGTH.size)
    length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
    if not 0 < length < _LONGEST:
        raise _Ended((head + stream.read()).decode(errors="replace"))
    content = stream.read(length)
    if len(content) < length:
        raise _Ended
    return content


def _request(message: object) -> bytes:
    """Return a message as bytes; cloudpickle also takes classes from a notebook or script."""
    import cloudpickle

    return bytes(cloudpickle.dumps(message))
