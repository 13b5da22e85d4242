"""When runs change from one policy to another, and whether they share the past before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from mecsim.errors import PolicyNotFound
from mecsim.policy_spec import PolicySpec

if TYPE_CHECKING:
    from mecsim.analysis.report.collect import Collected
    from mecsim.results.result import Results

SWITCH = "switch"


class Moment(NamedTuple):
    """A time in s from which another policy decides: the specs of both."""

    at_s: float
    before: str
    then: str


def moments_of(manifest: Mapping[str, Any]) -> list[Moment]:
    """Return when a run changes its policy, in order of time; empty for a run of one policy."""
    return _moments(str(manifest["policy_target"]), manifest["policy_parameters"])


def shown_moments(collected: Collected) -> tuple[float, ...]:
    """Return the times at which runs of the world shown change their policy."""
    runs = collected.replays.values()
    return tuple(sorted({moment.at_s for run in runs for moment in moments_of(run.manifest)}))


def moment_sentence(collected: Collected) -> str:
    """Return what the runs of the world shown share until when; empty where no policy changes."""
    first = {policy: moments_of(run.manifest)[:1] for policy, run in collected.replays.items()}
    found = {moment for each in first.values() for moment in each}
    if not found:
        return ""
    pasts = {(moment.at_s, moment.before) for moment in found}
    if len(pasts) > 1 or not all(first.values()):
        told = "; ".join(
            f"{policy}: {moment.before} until {moment.at_s:g} s, then {moment.then}"
            for policy, each in first.items()
            for moment in each
        )
        return f"Dashed lines mark where a run changes its policy. {told}."
    ((at_s, before),) = pasts
    text = f"Until {at_s:g} s, the dashed line, {before} decides in every run, from then on each its own."
    if len(first) == 1:
        return text
    differing = _without_the_same_past(collected.replays, at_s)
    if differing:
        return f"{text} Yet the tables before it differ: {', '.join(differing)}."
    return f"{text} The tables of these {len(first)} runs are the same bit for bit until it."


def _without_the_same_past(replays: Mapping[str, Results], at_s: float) -> list[str]:
    """Return the policies whose rounds or epochs before a time are not those of the first one."""
    pasts = {policy: _past(results, at_s) for policy, results in replays.items()}
    first = next(iter(pasts.values()))
    return [
        policy
        for policy, past in pasts.items()
        if not all(a.equals(b) for a, b in zip(first, past, strict=True))
    ]


def _past(results: Results, at_s: float) -> tuple[Any, Any]:
    """Return the rounds that ended and the decisions that were made before a time."""
    rounds, epochs = results.rounds, results.epochs
    at_s *= 1 - 1e-12  # the decision at that time may be a few ulp before it
    ended = rounds[rounds["start_s"] + rounds["delay_s"] < at_s]
    decided = epochs.loc[epochs["time_s"] < at_s, ["time_s", "status", "score", "delay_s", "energy_j"]]
    keys = ["user", "round"]
    return ended.sort_values(keys).drop(columns=_LABELS, errors="ignore").reset_index(drop=True), decided


_LABELS = ["scenario", "policy", "seed"]


def _moments(target: str, parameters: Mapping[str, Any]) -> list[Moment]:
    at_s = parameters.get("at_s")
    if target != SWITCH or isinstance(at_s, bool) or not isinstance(at_s, int | float):
        return []
    before, then = (str(parameters.get(name, "")) for name in ("policy", "then"))
    try:
        later = PolicySpec.parse(then)
    except PolicyNotFound:
        return [Moment(float(at_s), before, then)]
    follow = [moment for moment in _moments(later.target, later.parameters) if moment.at_s > at_s]
    return [Moment(float(at_s), before, then), *follow]
