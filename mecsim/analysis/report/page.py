"""The page itself: everything put into one HTML file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mecsim.analysis.diagnostics import rounds_warnings
from mecsim.analysis.report.audit import (
    audit_rows,
    class_rows,
    fairness_rows,
    user_class_heads,
    user_class_rows,
)
from mecsim.analysis.report.bound import bound_part
from mecsim.analysis.report.charts import Chart, shown_replays, summary_charts
from mecsim.analysis.report.collect import Collected, ScenarioRuns, collect
from mecsim.analysis.report.futures import moment_sentence
from mecsim.analysis.report.headline import headline, matrices, title
from mecsim.analysis.report.learning import learning_charts
from mecsim.analysis.report.plausibility import plausibility
from mecsim.analysis.report.plotly_chart import height_px, plotly_figure, plotly_script
from mecsim.analysis.report.prediction_gap import gap_charts, gap_command, gap_table
from mecsim.analysis.report.provenance import provenance
from mecsim.analysis.report.replay import BUDGET_BYTES, ReplayData
from mecsim.analysis.report.sweep import sweep_charts
from mecsim.analysis.report.timeline import Spans, time_charts
from mecsim.analysis.report.verdict import heads, ranking, sentences, tail_warnings
from mecsim.analysis.style import SERVER_COLOURS, policy_styles
from mecsim.escapes import printable
from mecsim.results.files import write_text
from mecsim.results.metrics import phase_spender
from mecsim.results.notes import notes_by_seed
from mecsim.results.plain_values import plain_json
from mecsim.system.phases import PHASES

if TYPE_CHECKING:
    from jinja2 import Environment

REPORT = "report.html"
_MOST_LABELS = 3
_SCRIPTS = ("data.js", "charts.js", "numbers.js", "map.js", "replay.js", "gantt.js", "start.js")


def write_report(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    setting: int = 0,
    seed: int | None = None,
    interactive: bool | None = None,
    budget_bytes: int = BUDGET_BYTES,
    mix: bool = False,
) -> Path:
    """Write the report of a results folder and return its file.

    Parameters
    ----------
    folder : str or Path
        A run folder, or any folder with run folders below it.
    out : str or Path, optional
        The file; ``report.html`` in the folder if left out.
    setting : int
        Which of several scenarios is shown in full.
    seed : int, optional
        Which world is replayed.
    interactive : bool, optional
        Draw charts with plotly; if it is installed, where left out.
    budget_bytes : int
        How much the replay's data may take.
    mix : bool
        Whether runs of several plans may be put together.

    Raises
    ------
    ResultStoreError
        If there is no such folder, or the file cannot be written.
    """
    html = render(collect(folder, setting, seed, mix=mix), interactive=interactive, budget_bytes=budget_bytes)
    target = Path(out) if out is not None else Path(folder) / REPORT
    write_text(target, html)
    return target


def render(collected: Collected, *, interactive: bool | None = None, budget_bytes: int = BUDGET_BYTES) -> str:
    """Return the page."""
    script = None if interactive is False else plotly_script()
    replay = ReplayData(collected, budget_bytes)
    spans = tuple((low, high, f"server {m} down") for m, low, high in replay.header.get("outages", []))
    bound = bound_part(collected, spans)
    opening = _opening(collected)
    charts = _charts(collected, spans) | {"sweep": opening["swept"].charts, "bound": bound.charts}
    blobs = dict(replay.blobs)
    if script is not None:
        blobs["plotly"] = script
    every = [chart for group in charts.values() for chart in group]
    data = {
        "replay": replay.header,
        "charts": {chart.key: plotly_figure(chart) for chart in every},
        "palette": SERVER_COLOURS,
    }
    return _environment().get_template("page.html").render(
        title=title(collected),
        **opening,
        collected=collected,
        verdict=_verdict(collected),
        charts=charts,
        pictures={} if script is not None else _pictures(every),
        replayed=shown_replays(collected),
        moment=moment_sentence(collected),
        replay_notes=replay.notes,
        heights={chart.key: height_px(chart) for chart in every},
        audit=audit_rows(collected),
        spenders=[phase_spender(phase) for phase in PHASES],
        classes=class_rows(collected),
        user_classes=(user_class_heads(), user_class_rows(collected)),
        fairness=fairness_rows(collected), plausible=plausibility(collected),
        gap=gap_table(collected), bound=bound,
        gap_command=gap_command(collected),
        provenance=provenance(collected),
        data=_json(data),
        blobs=blobs,
        style=_asset("style.css"),
        scripts=[_asset(name) for name in _SCRIPTS],
    )  # fmt: skip


def _charts(collected: Collected, spans: Spans) -> dict[str, list[Chart]]:
    """Return the charts of the parts that every report has."""
    return {
        "summary": summary_charts(collected.setting) if collected.setting else [],
        "time": [*time_charts(collected, spans), *learning_charts(collected)],
        "gap": gap_charts(collected),
    }


def _verdict(collected: Collected) -> list[dict[str, Any]]:
    """Return ranking, sentences and troubles of every setting, that in full first."""
    order = sorted(range(len(collected.settings)), key=lambda i: i != collected.shown)
    found = []
    for i in order:
        setting = collected.settings[i]
        found.append({
            "number": i,
            "label": setting.label,
            "heads": heads(setting),
            "rows": ranking(setting),
            "sentences": sentences(setting),
            "seeds": setting.seeds,
        })  # fmt: skip
    return found


def _troubles_by_setting(collected: Collected) -> list[tuple[str, list[str]]]:
    """Return the settings that have troubles, that in full first; those with the same ones together."""
    order = sorted(range(len(collected.settings)), key=lambda i: i != collected.shown)
    found: dict[tuple[str, ...], list[str]] = {}
    for i in order:
        setting = collected.settings[i]
        if told := tuple(_troubles(setting)):
            found.setdefault(told, []).append(setting.label)
    count = len(collected.settings)
    return [
        (
            "; ".join(labels) if len(labels) <= _MOST_LABELS else f"{len(labels)} of {count} settings",
            list(told),
        )
        for told, labels in found.items()
    ]


def _troubles(setting: ScenarioRuns) -> list[str]:
    lines = notes_by_seed((run.policy, run.seed, trouble) for run in setting.runs for trouble in run.troubles)
    for policy in setting.policies:
        runs = [run for run in setting.runs if run.policy == policy]
        together = rounds_warnings([run.rounds for run in runs], runs[0].manifest)
        lines += [f"{policy}: {trouble}" for trouble in together]
    return [*lines, *tail_warnings(setting)]


def _opening(collected: Collected) -> dict[str, Any]:
    """Return headline, warnings, matrices, charts over swept keys and the colours of policies."""
    found = matrices(collected)
    return {
        "headline": headline(collected, found), "troubles": _troubles_by_setting(collected),
        "matrices": found, "swept": sweep_charts(collected), "colours": _colours(collected),
    }  # fmt: skip


def _colours(collected: Collected) -> dict[str, str]:
    """Return the colour of each policy, the same as in every figure of the folder."""
    return {policy: style.html_colour for policy, style in policy_styles(collected.order).items()}


def _pictures(charts: Sequence[Chart]) -> dict[str, str]:
    from mecsim.analysis.report.static_chart import static_picture

    return {chart.key: static_picture(chart) for chart in charts}


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("mecsim.analysis.report", "assets"),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_shown,
    )  # fmt: skip


def _shown(value: Any) -> Any:
    """Return a text of a page without what is not printable, lines and tabs kept; anything else as it is."""
    if type(value) is not str:  # Markup is a str, and the page's own
        return value
    lines = value.replace("\r\n", "\n").split("\n")
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in lines)


def _asset(name: str) -> str:
    return (files("mecsim.analysis.report") / "assets" / name).read_text(encoding="utf-8")


def _json(value: Any) -> str:
    """Return JSON that may stand in a script element: no ``<``, no NaN."""
    text = json.dumps(plain_json(value), ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
