"""The output of ``mecsim sweep``: its means over replications."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, cast

from mecsim.cli.console import duration

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from mecsim.analysis.centres import Centre
    from mecsim.study.spec import Study
    from mecsim.study.sweep import Sweep


def sweep_object(done: Sweep, frame: pd.DataFrame) -> dict[str, Any]:
    """Return what ``mecsim sweep --json`` prints."""
    failures = [{"run_id": o.run_id, "kind": o.failure_kind, "error": o.error} for o in done.failures]
    return {
        "study": done.study.name,
        "folder": str(done.folder),
        "runs": len(done.outcomes),
        "origins": dict(done.origins),
        "damaged": [str(path) for path in done.damaged],
        "failures": failures,
        "table": means(frame, done.study).to_dict("records"),
    }


def means(frame: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return each shown metric with its 95 % interval for every scenario, grid point and policy.

    Means with t intervals; medians with order-statistic intervals of what is heavy-tailed for any policy of
    the grid point, which the column ``heavy_tails`` lists.
    """
    import pandas as pd

    from mecsim.analysis.centres import centre
    from mecsim.analysis.tails import heavy_tails

    shown = _metrics(study)
    finished = frame[frame["state"] == "finished"]
    keys = ["scenario", *study.swept, "policy"]
    # Lists and tables cannot be grouped by; their text can.
    texts = finished[keys].map(lambda value: _shown(value) if isinstance(value, list | dict) else value)
    settings = texts.groupby(keys[:-1], sort=False, dropna=False).groups
    heavy = {key: list(heavy_tails(finished.loc[at], shown)) for key, at in settings.items()}
    rows = []
    for values, at in texts.groupby(keys, sort=False, dropna=False).groups.items():
        key = cast("tuple[Any, ...]", values)
        own = heavy[key[:-1]]
        row: dict[str, Any] = dict(zip(keys, key, strict=True)) | {"n": len(at), "heavy_tails": own}
        for name in shown:
            found = centre(finished.loc[at, name], is_heavy=name in own)
            row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        rows.append(row)
    return pd.DataFrame(rows)


def means_table(frame: pd.DataFrame, study: Study) -> Table:
    """Return the means of a study as a table to read."""
    from rich.table import Table

    from mecsim.results.metrics import METRIC

    shown = _metrics(study)
    table = Table("scenario", *study.swept, "policy", "n", *(METRIC[name].head for name in shown))
    rows = means(frame, study).to_dict("records")
    medians = ", where heavy-tailed: median [its 95 % interval]" * any(row["heavy_tails"] for row in rows)
    table.title = f"{study.name}: mean ± 95 % half width over replications{medians}"
    for row in rows:
        numbers = [_centre(row, name).text for name in shown]
        swept = [_shown(row[key]) for key in study.swept]
        table.add_row(row["scenario"], *swept, row["policy"], str(row["n"]), *numbers)
    return table


def _centre(row: dict[Hashable, Any], name: str) -> Centre:
    from mecsim.analysis.centres import Centre

    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return Centre(value, low, high, name in row["heavy_tails"])


def _metrics(study: Study) -> tuple[str, ...]:
    """Return the metrics of the table; the SCR of generations where all rounds are synchronous."""
    from mecsim.results.metrics import TABLE_METRICS, WINDOW_SCR, headline, with_headline

    headlines = {headline(run.scenario.workload.rounds.mode) for run in study.runs}
    return with_headline(TABLE_METRICS, headlines.pop() if len(headlines) == 1 else WINDOW_SCR)


def _shown(value: Any) -> str:
    """Return a swept value as a scenario file writes it, without the quotes of its texts."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_shown(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return str(value)


def work_time(wall_s: float, unknown: int = 0) -> str:
    """Return the time of runs for people to read."""
    more = f", and {unknown} runs of unknown length" if unknown else ""
    if math.isnan(wall_s):
        return "unknown"
    return (f"{wall_s:.2g} s" if wall_s < 10 else duration(wall_s)) + more
