"""A call in a fresh process, for systems without fork: the whole start of Python for each."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from mecsim.study.import_path import import_path
from mecsim.study.isolation.ending import Ending, How

_START = "from mecsim.study.isolation.fresh import serve; serve()"


def call_in_fresh_process(payload: bytes, limit_s: float | None) -> Ending:
    """Return how a call ended, without where it was; only its own process is ended, not what it started."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _START],
            input=payload,
            stdout=subprocess.PIPE,
            timeout=limit_s,
            check=False,
            env=os.environ | {"PYTHONPATH": import_path()},
        )
    except subprocess.TimeoutExpired:
        return Ending("limit")
    if done.returncode or not done.stdout:
        return Ending("signal" if done.returncode < 0 else "exit", code=abs(done.returncode))
    try:
        answer = json.loads(done.stdout)
        for key in ("unread", "raised"):
            if key in answer:
                how: How = "unsent" if key == "unread" else "raised"
                return Ending(how, told=str(answer[key]), trace=str(answer["trace"]))
        return Ending("answered", answer["value"])
    except (ValueError, TypeError, KeyError):
        return Ending("garbled", told="an answer that cannot be read")


def serve() -> None:
    """Make the call that standard input holds, and answer on standard output."""
    from mecsim.study.isolation.child import Child, outcome_of

    answers = os.dup(1)
    os.dup2(2, 1)
    child = Child(None, None)
    outcome = outcome_of(sys.stdin.buffer.read(), child)
    child.ready()
    os.write(answers, json.dumps(outcome).encode("ascii"))
    os._exit(0)
