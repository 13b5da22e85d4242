"""The opening of a report: two sentences, and a matrix of policies by metric."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from mecsim.analysis.centres import centre
from mecsim.analysis.key_names import in_words
from mecsim.analysis.paired import paired_table
from mecsim.analysis.report.collect import Collected, ScenarioRuns
from mecsim.analysis.report.verdict import heavy_in, ranked, samples
from mecsim.results.metrics import METRIC, TABLE_METRICS, VERDICT_METRICS, with_headline

SIGNS = {"better": "\u25b2", "worse": "\u25bc", "equivalent": "=", "undecided": "?"}
_MOST_NAMED = 4


class Verdict(NamedTuple):
    """One cell of the matrix: a word of ``SIGNS`` or ``reference``, and the difference in per cent."""

    word: str
    percent: str

    @property
    def sign(self) -> str:
        """What stands for the word beside it, readable without colour."""
        return SIGNS.get(self.word, "")


class Matrix(NamedTuple):
    """Policies against the reference in one setting: rows of (policy, cells)."""

    label: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Verdict, ...]], ...]


def reference_of(collected: Collected) -> str:
    """Return the policy that others are compared with: the first that was asked for; empty without runs."""
    policies = {policy for setting in collected.settings for policy in setting.policies}
    return next((policy for policy in collected.order if policy in policies), "")


def matrices(collected: Collected) -> list[Matrix]:
    """Return a matrix for each setting with two policies or more, marked as in ``mecsim table``."""
    import pandas as pd

    first = reference_of(collected)
    found = []
    for setting in collected.settings:
        if len(setting.policies) < 2 or first not in setting.policies:
            continue
        metrics = with_headline(TABLE_METRICS, setting.headline)
        frame = pd.DataFrame(
            {"scenario": setting.label, "policy": run.policy, "seed": run.seed}
            | {name: run.metrics[name] for name in metrics}
            for run in setting.runs
        )
        paired = paired_table(frame, first, policies=setting.policies, metrics=metrics)
        told = {(row["policy"], row["metric"]): row for row in paired.to_dict("records")}
        rows = tuple(
            (
                policy,
                tuple(
                    Verdict("reference", "")
                    if policy == first
                    else Verdict(told[policy, name]["verdict"], _percent(told[policy, name]["ratio"]))
                    for name in metrics
                ),
            )
            for policy in setting.policies
        )
        found.append(Matrix(setting.label, tuple(METRIC[name].label for name in metrics), rows))
    return found


def headline(collected: Collected, found: list[Matrix]) -> str:
    """Return two sentences: who has the largest SCR, and how the others stand to the reference."""
    setting = collected.setting
    if setting is None:
        return ""
    if len(setting.policies) == 1 and len(collected.settings) == 1:
        return _of_one(setting)
    best = Counter(ranked(one)[0] for one in collected.settings)
    first, count = best.most_common(1)[0]
    label = METRIC[setting.headline].label
    if len(collected.settings) == 1:
        where = f"over {_worlds(setting)}"
        opening = f"{first} has the largest {label}, {_mean(setting, first, setting.headline)} {where}."
    else:
        opening = f"{first} has the largest {label} in {count} of {len(collected.settings)} settings."
    return f"{opening} {_against(collected, found, first)}".rstrip()


def _against(collected: Collected, found: list[Matrix], best: str) -> str:
    """Return how the best policy stands to the reference, or if it is that, the others to it."""
    reference = reference_of(collected)
    rows = [
        (policy, cells[0].word)
        for matrix in found
        for policy, cells in matrix.rows
        if policy != reference and (policy == best or best == reference)
    ]
    if not rows:
        return "No other policy is there to compare it with."
    words = Counter(word for _, word in rows)
    who = "the others are" if best == reference else f"{best} is"
    who = "the difference is" if set(words) == {"undecided"} else who
    of = "comparisons" if best == reference else "settings"
    if len(rows) == 1:
        told = f"{words.most_common(1)[0][0]}"
    else:
        told = (
            ", ".join(f"{word} in {words[word]}" for word in SIGNS if words[word]) + f" of {len(rows)} {of}"
        )
    return f"Against {reference}, the reference, {who} {told} in the same metric, after Holm's correction."


def _of_one(setting: ScenarioRuns) -> str:
    (policy,) = setting.policies
    scr, delay, energy = with_headline(VERDICT_METRICS, setting.headline)
    return (
        f"{policy} has a {METRIC[scr].label} of {_mean(setting, policy, scr)} over {_worlds(setting)}. "
        f"A round takes a user {_mean(setting, policy, delay)} s and {_mean(setting, policy, energy)} J."
    )


def title(collected: Collected) -> str:
    """Return what the page is called: the scenario, the policies, and what was swept."""
    setting = collected.setting
    if setting is None:
        return f"{collected.root.name}: no finished run"
    names = list(dict.fromkeys(one.scenario for one in collected.settings))
    policies = [
        label for label in collected.order if any(label in one.policies for one in collected.settings)
    ]
    shown = ", ".join(policies[:_MOST_NAMED])
    more = f" and {len(policies) - _MOST_NAMED} more" if len(policies) > _MOST_NAMED else ""
    swept = [
        key for key in setting.values if len({str(one.values.get(key)) for one in collected.settings}) > 1
    ]
    over = f" over {in_words(swept)}" if swept else ""
    return f"{', '.join(names[:_MOST_NAMED])}: {shown}{more}{over}"


def _worlds(setting: ScenarioRuns) -> str:
    count = len(setting.seeds)
    return "one world" if count == 1 else f"{count} worlds"


def _mean(setting: ScenarioRuns, policy: str, metric: str) -> str:
    is_heavy = metric in heavy_in(setting, [metric])
    text = centre(samples(setting, policy, metric), is_heavy=is_heavy).text
    return f"{text} (median)" if is_heavy else text


def _percent(ratio: float) -> str:
    percent = 100.0 * (ratio - 1.0)
    if percent != percent:
        return ""
    digits = 0 if abs(percent) >= 10 else 1
    return f"{percent:+.{digits}f} %".replace("-", "\u2212").replace(" ", "\u00a0")
