"""Tables for a paper: LaTeX with booktabs, or Markdown, with intervals and marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from mecsim.analysis.centres import centre
from mecsim.analysis.figures.panels import groups
from mecsim.analysis.tails import heavy_tails
from mecsim.escapes import latex, markdown, printable
from mecsim.results.metrics import METRIC, TABLE_METRICS, Metric

if TYPE_CHECKING:
    import pandas as pd

TableFormat = Literal["latex", "markdown"]
MARKS = {"better": "+", "worse": "−", "equivalent": "=", "undecided": "", "": ""}
_LONGEST_LABEL = 60
_LATEX = {"+": "^{+}", "−": "^{-}", "=": "^{=}", "": ""}


def text_table(
    per_run: pd.DataFrame,
    paired: pd.DataFrame,
    form: TableFormat,
    *,
    metrics: Sequence[str] = TABLE_METRICS,
    by: Sequence[str] = ("scenario",),
) -> str:
    """Return a table of means with 95 % t half widths, policies down and metrics across.

    A heavy-tailed metric has medians with their intervals. The best of a column is bold.
    Marks compare with the reference after Holm's adjustment: ``+`` better, ``−`` worse,
    ``=`` equivalent within the margin.

    Parameters
    ----------
    per_run, paired : DataFrame
        As in :func:`mecsim.analysis.paired.paired_table`, and what that returns.
    form : {"latex", "markdown"}
    metrics : sequence of str
    by : sequence of str
        The columns that identify a setting; each setting has its own rows.
    """
    verdicts = {
        (*(row[key] for key in by), row["policy"], row["metric"]): row["verdict"]
        for row in paired.to_dict("records")
    }
    policies = list(dict.fromkeys(per_run["policy"]))
    rows: list[list[str]] = []
    for title, own in groups(per_run, by):
        setting = tuple(own.iloc[0][list(by)])
        rows += [[title]] if title else []
        marks = {k[-2:]: v for k, v in verdicts.items() if k[:-2] == setting}
        body = _body(own, policies, metrics, marks)
        rows += body
    reference = str(paired["reference"].iloc[0]) if len(paired) else policies[0]
    is_heavy = any(heavy_tails(own, metrics) for _, own in groups(per_run, by))
    medians = ", where heavy-tailed the median [its interval]" if is_heavy else ""
    note = (
        f"mean ± 95 % half width over replications{medians}; against {printable(reference)} on the same "
        "worlds, by Holm: + better, − worse, = equivalent; bold: best"
    )
    if form == "markdown":
        return _markdown(["policy", *(METRIC[name].head for name in metrics)], rows, note)
    name = "-".join(dict.fromkeys(map(str, per_run["scenario"])))
    return _latex(["policy", *(_spelt_out(METRIC[name]) for name in metrics)], rows, note, name)


def _body(
    frame: pd.DataFrame, policies: Sequence[str], metrics: Sequence[str], verdicts: dict[tuple[str, ...], str]
) -> list[list[str]]:
    values = {policy: frame.loc[frame["policy"] == policy, list(metrics)] for policy in policies}
    there = [policy for policy in policies if len(values[policy])]
    heavy = heavy_tails(frame, metrics)
    rows = [[policy] for policy in there]
    for name in metrics:
        centres = [centre(values[policy][name], is_heavy=name in heavy) for policy in there]
        ranked = METRIC[name].sign * np.array([one.value for one in centres])
        best = np.nanmax(np.where(np.isnan(ranked), -np.inf, ranked))
        for row, value, one in zip(rows, ranked, centres, strict=True):
            text = f"**{one.text}**" if value == best and len(there) > 1 else one.text
            row.append(text + MARKS[verdicts.get((row[0], name), "")])
    return rows


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]], note: str) -> str:
    width = len(heads)
    lines = [heads, ["---"] + ["--:"] * (width - 1)]
    for row in rows:
        name = markdown(row[0]) if len(row) > 1 else f"*{markdown(row[0])}*"
        lines.append([name, *row[1:], *[""] * (width - len(row))])
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ["", markdown(note)]) + "\n"


def _spelt_out(metric: Metric) -> str:
    """Return a heading in words: ``delay per user (s)`` instead of ``delay/user (s)``."""
    words = metric.label.replace("/h", " per hour").replace("/", " per ")
    return words + (f" ({metric.unit})" if metric.unit not in ("1", "1/h") else "")


def _latex(heads: Sequence[str], rows: Sequence[Sequence[str]], note: str, name: str) -> str:
    body: list[str] = []
    caption = f"{name}: {note[0].lower()}{note[1:]}."
    label = re.sub(r"[^A-Za-z0-9-]+", "-", name)[:_LONGEST_LABEL]
    for row in rows:
        if len(row) == 1:
            rule = r"\midrule " if body else ""
            body.append(rf"{rule}\multicolumn{{{len(heads)}}}{{l}}{{\textit{{{latex(row[0])}}}}} \\")
        else:
            body.append(" & ".join([latex(row[0]), *map(_latex_cell, row[1:])]) + r" \\")
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}; table* for both columns of a page",
            r"\begin{table*}",
            r"\centering",
            rf"\caption{{{latex(caption)}}}",
            rf"\label{{tab:{label}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
            r"\toprule",
            " & ".join(map(latex, heads)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table*}",
            "",
        ]
    )


def _latex_cell(cell: str) -> str:
    mark = cell[-1] if cell[-1:] in ("+", "−", "=") else ""
    text = cell.removesuffix(mark)
    inner = text.strip("*").replace(" ± ", r" \pm ")
    shown = rf"\mathbf{{{inner}}}" if text.startswith("**") else inner
    return "--" if inner == "-" else f"${shown}{_LATEX[mark]}$"
