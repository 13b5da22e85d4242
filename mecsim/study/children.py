"""Runs in processes of their own, one kept warm for each place of work.

A policy may hang in compiled code, use up all memory or crash the interpreter. Then its process
ends, the run has an outcome that says so, and nothing else is disturbed: not the other runs, and
not the worker of a cluster that asked for it. A process that meets the time limit ends itself from
a thread that needs no Python (``faulthandler``) and leaves a traceback of where it was.
"""

from __future__ import annotations

import os
import pickle
import queue
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from mecsim.errors import RunFailed
from mecsim.results.blas import THREAD_VARIABLES
from mecsim.study.outcome import Outcome, attempt, failure
from mecsim.study.plan import Run

_GRACE_S = 5.0
_LENGTH = struct.Struct("<Q")
_START = "from mecsim.study.children import serve; serve()"
_here = threading.local()


class Child:
    """A process that runs one run after the other, and a new one after each death."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._busy = self._ended = False

    def attempt(
        self, run: Run, folder: Path | None, limit_s: float | None = None, *, reuse: bool = False
    ) -> Outcome:
        """Return the outcome of a run, also if its process dies or takes longer than ``limit_s``."""
        self._busy = True
        try:
            with tempfile.TemporaryDirectory(prefix="mecsim-") as private:
                place = Path(private) / "place.txt"
                answer = self._ask(_pickled((run, folder, limit_s, reuse, place)), limit_s)
                if isinstance(answer, str):
                    error = RunFailed(f"cannot be sent to its process: {answer.strip().splitlines()[-1]}")
                    return replace(failure(run, error), details=answer)
                return answer or self._death(run, limit_s, place)
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

    def _ask(self, message: bytes, limit_s: float | None) -> Outcome | str | None:
        """Return the answer: an outcome, the traceback of an unreadable message, None from a dead child."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        # Should the child be too ill to end itself.
        rescue = threading.Timer((limit_s or 0.0) + _GRACE_S, process.kill)
        with suppress(BrokenPipeError):
            _send(process.stdin, message)
        try:
            if limit_s is not None:
                rescue.start()
            content = _receive(process.stdout)
        finally:
            rescue.cancel()
        return None if content is None else pickle.loads(content)  # noqa: S301 - from our own child

    def _death(self, run: Run, limit_s: float | None, place: Path) -> Outcome:
        """Return the outcome of a run whose process is gone."""
        code = self._discard()
        where = place.read_text(encoding="utf-8", errors="replace") if place.exists() else ""
        if where.startswith("Timeout"):
            error = RunFailed(f"took longer than the limit of {limit_s:g} s; its process was ended")
            return replace(failure(run, error, "timeout"), details=f"{error}\n{where}")
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        error = RunFailed(f"its worker process was killed, perhaps for lack of memory ({how})")
        return replace(failure(run, error, "killed"), details=f"{error}\n{where}")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._discard()
            # What can be imported here can be imported there.
            paths = os.pathsep.join(path for path in sys.path if path)
            one_thread = dict.fromkeys(THREAD_VARIABLES, "1")
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | one_thread | {"PYTHONPATH": paths},
            )
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


def attempt_apart(run: Run, folder: Path | None, limit_s: float | None, study: str) -> Outcome:
    """Return the outcome of a run in a child process of this thread, for the worker of a cluster.

    The child is kept for the next run of the same ``study``, a word that is never used twice:
    another study must not meet modules that its policies have changed since.
    """
    if getattr(_here, "study", None) != study:
        if hasattr(_here, "child"):
            _here.child.end()
        _here.child, _here.study = Child(), study
    child: Child = _here.child
    return child.attempt(run, folder, limit_s)


def serve() -> None:
    """Be the child: take runs from standard input until it ends, answer with outcomes."""
    import faulthandler
    import signal

    # Ctrl-C reaches the parent too, which then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    # What a policy prints must not get between the answers.
    os.dup2(2, 1)
    for content in iter(_requests(sys.stdin.buffer).get, b""):
        try:
            run, folder, limit_s, reuse, place = pickle.loads(content)  # noqa: S301 - from our own parent
        except Exception:  # noqa: BLE001 - a policy's module may raise anything when it is imported
            _send(answers, _pickled(traceback.format_exc()))
            continue
        with place.open("w", encoding="utf-8") as file:
            if limit_s is not None:
                faulthandler.dump_traceback_later(limit_s, exit=True, file=file)
            outcome = attempt(run, folder, reuse=reuse)
            faulthandler.cancel_dump_traceback_later()
        _send(answers, _pickled(outcome))


def _requests(stream: IO[bytes]) -> queue.SimpleQueue[bytes]:
    """Return what comes in; when the parent is gone, so is this process, even within a run."""
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        while (content := _receive(stream)) is not None:
            requests.put(content)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return requests


def _send(stream: IO[bytes], content: bytes) -> None:
    stream.write(_LENGTH.pack(len(content)) + content)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes | None:
    """Return the next message, or None at the end of the stream."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    content = stream.read(length)
    return content if len(content) == length else None


def _pickled(message: object) -> bytes:
    """Return a message as bytes; joblib's pickler also takes classes from a notebook or script."""
    from joblib.externals.loky.backend.reduction import dumps

    return bytes(dumps(message))
