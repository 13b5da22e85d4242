"""How a call in a process of its own ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

How = Literal[
    "answered", "raised", "exit", "signal", "limit", "stopped", "silent", "garbled", "lost", "unsent"
]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended.

    Parameters
    ----------
    how : str
        It ``"answered"``; it ``"raised"``; its process ended by itself with an ``"exit"`` code or by a
        ``"signal"``, without an answer; it reached the ``"limit"``; it was ``"stopped"`` from here;
        it went ``"silent"``: closed the way its answer takes, or did not end after it; what it sent is
        ``"garbled"``; the process that kept watch is ``"lost"``; or the call could not be sent
        (``"unsent"``).
    value
        The answer, as JSON knows it.
    code : int
        Exit code or number of the signal.
    told : str
        What was raised, in one line.
    trace : str
        A traceback: of the exception, or of the place where the process was.
    calls : int
        How often progress was noted.
    time_s : float
        The last progress noted.
    """

    how: How
    value: Any = None
    code: int = 0
    told: str = ""
    trace: str = ""
    calls: int = 0
    time_s: float = 0.0
