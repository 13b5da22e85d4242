"""When to stop adding replications: claims about two policies, tested at a fixed number of looks.

Whoever tests a 95 % interval again after every replication finds a difference sooner or later, even
if there is none. Here the sample sizes of all looks (interim analyses) are fixed beforehand and share
an error of 5 %: with K looks each has 0.05 / K. Within a look the claims share it by Holm's step-down rule,
which the verdicts of a table follow too: while J claims are open, each interval has the level
1 - 0.05 / (J K), and whenever one is decided J falls by one for the others, at this look and the later ones.

References
----------
Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979).
Jennison and Turnbull, "Group Sequential Methods with Applications to Clinical Trials" (2000),
chapter 9: repeated confidence intervals.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from mecsim.analysis.stats import paired_difference, ratio_interval
from mecsim.errors import MecsimError
from mecsim.messages import either, nearest
from mecsim.results.metrics import METRIC, METRICS

ERROR = 0.05
GROWTH = 1.5
FORM = "METRIC:POLICY-REFERENCE ±MARGIN, such as 'scr:dashf-gucaa ±2%' or 'delay_s:dashf-gucaa ±0.5'"

_CLAIM = re.compile(r"\s*(\w+)\s*:\s*(.+?)\s*(?:±|\+/-|\+-)\s*([0-9.eE+-]+)\s*(%?)\s*")
_NAMES = tuple(metric.name for metric in METRICS)
Pairs = tuple[ArrayLike, ArrayLike]
Answer = Literal["better", "worse", "equivalent", "undecided"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A question to decide: whether a policy is better than another, worse, or equivalent.

    Parameters
    ----------
    metric, policy, reference : str
    margin : float
        Smaller differences count as equivalent.
    relative : bool
        The margin is a share of the reference's mean, not a number in the metric's unit.
    """

    metric: str
    policy: str
    reference: str
    margin: float
    relative: bool

    def __str__(self) -> str:
        margin = f"{100 * self.margin:g}%" if self.relative else f"{self.margin:g}"
        return f"{self.metric}:{self.policy}-{self.reference} ±{margin}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of a claim after some replications.

    Parameters
    ----------
    claim : Claim
    answer : str
        ``"better"`` or ``"worse"``: the policy than its reference; ``"equivalent"``: they differ by
        less than the margin; or ``"undecided"``.
    pairs : int
        Replications that both policies finished.
    estimate, low, high : float
        The ratio of the means, or their difference for a margin that is not relative, with its interval.
    level : float
        Of the interval.
    """

    claim: Claim
    answer: Answer
    pairs: int
    estimate: float
    low: float
    high: float
    level: float

    def __str__(self) -> str:
        claim, sign = self.claim, "/" if self.claim.relative else "-"
        interval = f"{self.estimate:.4g} [{self.low:.4g}, {self.high:.4g}]"
        says = {
            "better": f"{claim.policy} is better",
            "worse": f"{claim.policy} is worse",
            "equivalent": "they are equivalent",
            "undecided": "undecided",
        }[self.answer]
        return (
            f"{claim}: {says} after {self.pairs} pairs; "
            f"{claim.policy} {sign} {claim.reference} = {interval} at {100 * self.level:.4g} %"
        )


def parse_claim(text: str, policies: Sequence[str]) -> Claim:
    """Parse a claim.

    Parameters
    ----------
    text : str
        ``METRIC:POLICY-REFERENCE ±MARGIN``, the margin with ``%`` or in the metric's unit;
        ``+-`` and ``+/-`` stand for ``±``.
    policies : sequence of str
        Labels of the policies compared; they may hold hyphens themselves.

    Raises
    ------
    MecsimError
        If the form is wrong, or the metric or a policy is unknown.
    """
    match = _CLAIM.fullmatch(text)
    if match is None:
        raise MecsimError(f"--until {text}: must read {FORM}")
    metric, pair, number, percent = match.groups()
    if metric not in _NAMES:
        raise MecsimError(
            f"--until {text}: metric = {metric}: must be {either(_NAMES)}{nearest(metric, _NAMES)}"
        )
    cuts = [(pair[:i].strip(), pair[i + 1 :].strip()) for i, letter in enumerate(pair) if letter == "-"]
    known = [(a, b) for a, b in cuts if a in policies and b in policies and a != b]
    if len(known) != 1:
        raise MecsimError(
            f"--until {text}: {pair}: must be two different policies of this comparison with a hyphen "
            f"between, from {', '.join(policies)}"
        )
    try:
        margin = float(number) / (100.0 if percent else 1.0)
    except ValueError:
        margin = np.nan
    if not 0 < margin < np.inf or (percent and margin >= 1):
        raise MecsimError(
            f"--until {text}: margin = {number}{percent}: must be above 0{' and below 100%' * bool(percent)}"
        )
    return Claim(metric, *known[0], margin, bool(percent))


def look_sizes(first: int, most: int) -> list[int]:
    """Return the replications at each look: ``first``, then half as many more each time, up to ``most``."""
    sizes = [min(first, most)]
    while sizes[-1] < most:
        sizes.append(min(most, max(sizes[-1] + 1, round(GROWTH * sizes[-1]))))
    return sizes


def look_level(looks: int, claims: int) -> float:
    """Return the level of one interval while so many claims are open, so that all hold together with 95 %."""
    return 1.0 - ERROR / (looks * claims)


def judge(claim: Claim, samples: ArrayLike, reference: ArrayLike, level: float) -> Verdict:
    """Return the verdict of the pairs on a claim.

    Equivalent if the interval lies within the margin, better or worse if it lies to one side of
    no difference; a significant difference smaller than the margin is equivalence.
    """
    interval = (ratio_interval if claim.relative else paired_difference)(samples, reference, level)
    none = 1.0 if claim.relative else 0.0
    low, high = float(interval.low), float(interval.high)
    answer: Answer = "undecided"
    if none - claim.margin < low and high < none + claim.margin:
        answer = "equivalent"
    elif low > none or high < none:
        answer = "better" if METRIC[claim.metric].is_better(float(interval.mean) - none) else "worse"
    return Verdict(claim, answer, int(interval.n), float(interval.mean), low, high, level)


def judge_together(
    pairs: Mapping[Claim, Pairs], looks: int, before: Mapping[Claim, Verdict] | None = None
) -> dict[Claim, Verdict]:
    """Return the verdicts of one look on all claims, which share its error by Holm's rule.

    Parameters
    ----------
    pairs : mapping
        The samples of the policy and of the reference of each claim, pair by pair.
    looks : int
        How many there are at most.
    before : mapping, optional
        The verdicts of the look before; those that are decided stay.
    """
    verdicts = dict(before or {})
    while True:
        still_open = [c for c in pairs if c not in verdicts or verdicts[c].answer == "undecided"]
        if not still_open:
            return verdicts
        level = look_level(looks, len(still_open))
        judged = {claim: judge(claim, *pairs[claim], level) for claim in still_open}
        verdicts |= judged
        if all(verdict.answer == "undecided" for verdict in judged.values()):
            return verdicts
