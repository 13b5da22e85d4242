"""How a call ended, in words: what happened, at which decision, and on which line of the foreign code."""

from __future__ import annotations

import re
import signal
import sysconfig

from mecsim.study.isolation.ending import Ending

_FRAME = re.compile(r'^\s*File "(?P<file>.+)", line (?P<line>\d+),? in (?P<name>.+)$', re.MULTILINE)
_ELSEWHERE = tuple(path for path in (sysconfig.get_path("stdlib"), "<frozen") if path)
_OF_MECSIM = re.compile(r"[/\\]mecsim[/\\](engine|foreign_code|study|registry|plugin|results|world)")
_CALLERS = re.compile(r"[/\\]mecsim[/\\](engine|foreign_code|study|registry|plugin)")


def where(ending: Ending, limit_s: float | None = None) -> str:
    """Return how a call ended, in one line."""
    return _what(ending, limit_s) + moment(ending) + _at(line(ending.trace))


def moment(ending: Ending) -> str:
    """Return the decision that a call was at."""
    if not ending.calls:
        return ", before its first decision" if ending.how not in ("answered", "unsent") else ""
    return f" at t = {ending.time_s:g} s (epoch {ending.calls - 1})"


def line(trace: str) -> str:
    """Return the line of foreign code that a traceback of faulthandler ends at; empty if it has none."""
    if "most recent call last" in trace:
        trace = "\n".join(reversed(trace.rpartition("most recent call last")[2].splitlines()))
    threads = [
        list(_FRAME.finditer(part)) for part in re.split(r"\n\s*\n|(?=\n(?:Current t|T)hread )", trace)
    ]
    threads = [frames for frames in threads if frames]
    if not threads:
        return ""
    called = [frames for frames in threads if any(_CALLERS.search(f["file"]) for f in frames)]
    frames = (called or threads)[0]
    own = []
    for frame in frames:
        if _CALLERS.search(frame["file"]):
            break
        own.append(frame)
    told = [f for f in own if not _is_library(f["file"])] or own or frames
    return f"{told[0]['file']}:{told[0]['line']} in {told[0]['name']}"


def frames(trace: str) -> list[str]:
    """Return the lines of a Python traceback that are in the files of the user, the outermost first."""
    first = trace.partition("most recent call last):\n")[2].partition("\n\n")[0]
    found = []
    for frame in re.finditer(_FRAME.pattern + r"\n(?P<code>.*)", first, re.MULTILINE):
        if not _is_library(frame["file"]) and not _CALLERS.search(frame["file"]):
            code = frame["code"].strip()
            found.append(f"  {frame['file']}:{frame['line']}: in {frame['name']}: {code}")
    return found


def _what(ending: Ending, limit_s: float | None) -> str:
    if ending.how == "limit":
        return f"took longer than the limit of {limit_s:g} s and was ended"
    if ending.how == "signal":
        first = ending.trace.strip().partition("\n")[0]
        name = _signal_name(ending.code)
        if first.startswith("Fatal Python error"):
            return f"crashed: {first} (signal {ending.code}, {name})"
        by = "by itself or for lack of memory" if ending.code == signal.SIGKILL else "by itself"
        return f"was killed by signal {ending.code} ({name}), {by},"
    return {
        "stopped": "was ended because mecsim was interrupted",
        "exit": f"ended its own process (exit code {ending.code})",
        "silent": "cut its process off from mecsim: its descriptors were closed, or it did not end",
        "garbled": f"wrote to the descriptor of its answer: {ending.told}",
        "lost": f"ended the process that watches over it{ending.told and ': '}{ending.told}",
        "unsent": f"cannot be sent to its process: {ending.told}",
        "raised": f"raised {ending.told}",
        "answered": "answered",
    }[ending.how]


def _at(place: str) -> str:
    return f", {place}" if place else ""


def _is_library(file: str) -> bool:
    return file.startswith(_ELSEWHERE) or "site-packages" in file or bool(_OF_MECSIM.search(file))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
