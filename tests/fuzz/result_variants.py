"""Variants of a run folder from elsewhere: every key of its manifest replaced by every kind of value.

``manifest_variants`` yields them, ``readers`` has one function for each command that reads a folder, and
``outcome_of`` says how a reader ends.
"""

from __future__ import annotations

import copy
import hashlib
import json
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mecsim.errors import MecsimError

DEEP = 200

VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "-1": -1,
    "0": 0,
    "1e308": 1e308,
    "NaN": float("nan"),
    "inf": float("inf"),
    "huge integer": 10**400,
    "empty string": "",
    "NUL": "\0",
    "escape": "\x1b[2J\n| <b> $",
    "surrogate": "\ud800",
    "megabyte": "x" * 1_000_000,
    "empty list": [],
    "list": [1, "a", None],
    "empty object": {},
    "object": {"a": {"b": [1]}},
    "deep": None,  # filled in below: a literal would recurse
}


def deep(levels: int = DEEP) -> Any:
    """Return lists and objects in each other."""
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every key and of the first item of every list."""
    inner = (
        value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    )
    for step, item in inner:
        yield (*path, step)
        yield from paths_of(item, (*path, step))


def replaced(manifest: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Return a copy with another value at a path, and the hash that makes it look whole."""
    changed = copy.deepcopy(manifest)
    table: Any = changed
    for step in path[:-1]:
        table = table[step]
    table[path[-1]] = value
    return changed if path == ("sha256",) else signed(changed)


def without(manifest: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    """Return a copy without a key, with the hash that makes it look whole."""
    changed = copy.deepcopy(manifest)
    table: Any = changed
    for step in path[:-1]:
        table = table[step]
    del table[path[-1]]
    return changed if path == ("sha256",) else signed(changed)


def signed(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest with its own hash."""
    content = {key: value for key, value in manifest.items() if key != "sha256"}
    return content | {"sha256": hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}


def manifest_variants(
    manifest: dict[str, Any], alike: int | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a name and a manifest for every key times every kind of value, and for every missing key.

    With ``alike``, only for so many of the keys in a table whose keys all stand for the same.
    """
    for path in paths_of(manifest):
        if alike is not None and _place_among_alike(manifest, path) >= alike:
            continue
        where = ".".join(map(str, path))
        for name, value in VALUES.items():
            yield f"{where} = {name}", replaced(manifest, path, deep() if name == "deep" else value)
        yield f"{where} missing", without(manifest, path)


def _place_among_alike(manifest: dict[str, Any], path: tuple[Any, ...]) -> int:
    """Return the place of a key among those of packages, metrics or tables; 0 for every other key."""
    for table in (("environment", "packages"), ("metrics",), ("tables",)):
        if path[: len(table)] == table and len(path) > len(table):
            values: Any = manifest
            for step in table:
                values = values[step]
            return list(values).index(path[len(table)])
    return 0


class _TooLongError(BaseException):
    pass


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """End what is inside after some time, so that a file without end fails a test and does not stop it."""

    def late(*_: object) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome_of(read: Callable[[], Any], most_s: float = 120.0) -> str:
    """Return ``"done"``, ``"refused"``, ``"hang"``, or the exception and its place in mecsim."""
    try:
        with at_most(most_s):
            read()
    except MecsimError as error:
        text = str(error)
        return "refused" if len(text) < 20_000 else f"a message of {len(text)} characters"
    except _TooLongError:
        return "hang"
    except BaseException as error:  # noqa: BLE001 - whatever comes is what is counted
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "/mecsim/" in f.filename]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        return f"{type(error).__name__} at {place}: {str(error)[:100]}"
    return "done"


def readers(folder: Path, run: Any) -> dict[str, Callable[[], Any]]:
    """Return a function for every command and call that reads a run folder, which claims to be ``run``."""
    from mecsim.analysis.figure_kinds import KINDS, FigureRequest, draw
    from mecsim.analysis.frames import study_frames
    from mecsim.analysis.paired import paired_table
    from mecsim.analysis.report.collect import collect
    from mecsim.analysis.report.page import render
    from mecsim.analysis.text_tables import text_table
    from mecsim.results.export import write_csv, write_mat
    from mecsim.results.load import load_results
    from mecsim.results.metrics import TABLE_METRICS
    from mecsim.results.sql import connect
    from mecsim.results.store import claim, load_run, verify_run
    from mecsim.study.outcome import reused
    from mecsim.study.run_status import run_status, table
    from mecsim.study.schedule import RunTimes

    def make_table() -> None:
        study = study_frames(folder)
        paired = paired_table(study.per_run, None, metrics=TABLE_METRICS, margin=0.02, by=study.by)
        text_table(study.per_run, paired, "latex", metrics=TABLE_METRICS, by=study.by)

    def status() -> None:
        for exact in (False, True):
            state = run_status(run, folder, verify=True, exact=exact)
            table([state]).to_csv()
            RunTimes.of([state]).wall_s(run)
            if state.status == "finished":
                reused(run, state.manifest)

    def export() -> None:
        loaded = load_results(folder)
        write_csv(loaded, folder / "out")
        write_mat(loaded, folder / "out")

    def figures() -> None:
        study = study_frames(folder)
        for kind in KINDS:
            try:
                draw(kind, study, FigureRequest((), "", "", None, 3.5))
            except MecsimError:
                continue

    def summary() -> None:
        from mecsim.analysis.diagnostics import run_warnings
        from mecsim.cli.summaries import run_object, run_table

        results = load_run(folder)
        run_object(results, folder)
        run_table(results, folder)
        run_warnings(results)

    return {
        "status": status,
        "claim": lambda: claim(folder, run.run_id),
        "verify_run": lambda: verify_run(folder),
        "load_run": lambda: load_run(folder),
        "load_results": lambda: load_results(folder.parent),
        "table": make_table,
        "export": export,
        "sql": lambda: connect(folder).close(),
        "summary": summary,
        "report": lambda: render(collect(folder), interactive=False),
        "figures": figures,
    }
