"""A comparison that adds replications until its claims are decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mecsim.analysis.sequential import (
    Claim,
    Pairs,
    Verdict,
    judge_together,
    look_sizes,
    parse_claim,
)
from mecsim.analysis.tails import heavy_tails
from mecsim.errors import MecsimError
from mecsim.study.compare import compare
from mecsim.study.comparison import Comparison
from mecsim.study.policy_choice import choose_policies
from mecsim.study.progress import OnStudyProgress, counted_on

if TYPE_CHECKING:
    from mecsim.scenario.schema import Scenario
    from mecsim.study.policy_choice import PolicyLike

MOST_REPLICATIONS = 200


@dataclass(frozen=True, eq=False)
class SequentialComparison:
    """The outcome of :func:`compare_until`.

    Parameters
    ----------
    comparison : Comparison
        With all replications that were run.
    verdicts : tuple of Verdict
        One for each claim, as it stood when it was decided or at the last look.
    looks : int
        How many interim looks there were.
    most_looks : int
        How many there could have been.
    """

    comparison: Comparison
    verdicts: tuple[Verdict, ...]
    looks: int
    most_looks: int

    @property
    def lines(self) -> list[str]:
        """One line for each claim, and a line that says why the comparison stopped."""
        undecided = sum(verdict.answer == "undecided" for verdict in self.verdicts)
        last = self.looks == self.most_looks
        end = (
            f"{undecided} undecided{' at the most replications allowed' * last}"
            if undecided
            else "all decided"
        )
        looks = f"look {self.looks} of at most {self.most_looks}"
        return [*map(str, self.verdicts), f"{looks}: {end}; at most 5 % of such studies have a wrong verdict"]

    @property
    def warnings(self) -> list[str]:
        """One line for each claim and policy with a mean that should not be trusted, and why."""
        runs, found = self.comparison.per_run, list[str]()
        for claim in (verdict.claim for verdict in self.verdicts):
            own = runs[runs["policy"].isin((claim.policy, claim.reference))]
            tails = heavy_tails(own, [claim.metric]).get(claim.metric, {})
            found += [
                f"{claim}: the verdict is about means, {policy}: {why}" for policy, why in tails.items()
            ]
        return found


def compare_until(
    scenario: Scenario | str | Path,
    policies: Sequence[PolicyLike],
    claims: Sequence[str],
    first: int = 10,
    most: int = MOST_REPLICATIONS,
    *,
    seed: int = 0,
    jobs: int = 1,
    limit_s: float | None = None,
    out: str | Path | None = None,
    on_progress: OnStudyProgress | None = None,
) -> SequentialComparison:
    """Compare policies, adding replications until every claim is decided, or has no pair of runs at all.

    Parameters
    ----------
    scenario, policies, seed, jobs, limit_s, out, on_progress
        As in :func:`mecsim.compare`.
    claims : sequence of str
        Each as in :func:`mecsim.analysis.sequential.parse_claim`.
    first : int
        Replications at the first look, at least 2.
    most : int
        Replications at the last one.

    Raises
    ------
    MecsimError
        If a claim or a number cannot be, all before any run; else as :func:`mecsim.compare`.
    """
    choices = choose_policies(policies, limit_s=limit_s)
    asked = _claims(claims, [choice.label for choice in choices])
    if first < 2 or most < first:
        raise MecsimError(f"replications = {first}, most = {most}: must be at least 2, and most not below")
    sizes = look_sizes(first, most)
    settled: dict[Claim, Verdict] = {}
    comparison: Comparison | None = None
    for size in sizes:
        done = len(comparison.seeds) if comparison else 0
        more = compare(
            scenario, choices, size - done, seed=seed + done, jobs=jobs, limit_s=limit_s, out=out,
            on_progress=counted_on(on_progress, done * len(choices), most * len(choices)),
        )  # fmt: skip
        comparison = more if comparison is None else _joined(comparison, more)
        pairs = {claim: _pairs(comparison, claim) for claim in asked}
        settled = judge_together(pairs, len(sizes), settled)
        if all(verdict.answer != "undecided" or verdict.pairs == 0 for verdict in settled.values()):
            break
    assert comparison is not None
    return SequentialComparison(
        replace(comparison, looks=len(sizes)),
        tuple(settled[claim] for claim in asked),
        sizes.index(size) + 1,
        len(sizes),
    )


def _claims(texts: Sequence[str], labels: Sequence[str]) -> list[Claim]:
    found, problems = [], []
    for text in texts:
        try:
            found.append(parse_claim(text, labels))
        except MecsimError as error:
            problems.append(str(error))
    if not texts:
        problems.append("no claim is given")
    if problems:
        raise MecsimError("\n".join(problems))
    return list(dict.fromkeys(found))


def _joined(first: Comparison, more: Comparison) -> Comparison:
    """Return one comparison with the replications of both."""
    return replace(first, seeds=first.seeds + more.seeds, outcomes=first.outcomes + more.outcomes)


def _pairs(comparison: Comparison, claim: Claim) -> Pairs:
    """Return what both policies of a claim have in its metric, one pair a seed."""
    wide = comparison.per_run.pivot_table(index="seed", columns="policy", values=claim.metric, dropna=False)
    wide = wide.reindex(columns=list(comparison.policies))
    return wide[claim.policy].to_numpy(), wide[claim.reference].to_numpy()
