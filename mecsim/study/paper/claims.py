"""The statements of the paper in words, and whether the data agree; every verdict is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mecsim.analysis.rounding import plus_minus
from mecsim.analysis.stats import Interval, paired_difference, t_interval
from mecsim.study.paper.convergence import PART_1, PART_2, WHOLE, iterations_needed
from mecsim.study.paper.snapshots import ENERGY_FIRST, PAPER_WEIGHTS, POLICIES

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

AGREES, DIFFERS, UNDECIDED = "agrees", "does not agree", "not decided"
# The most iterations that count as "a few".
FEW = 5
# What is not the paper's own is drawn beside it, and no claim speaks of it.
OURS = "dashf_plus"
BEST, OPTIMISING, FIXED = "dashf", ("aauco", "gucro", "dashf"), ("rucaa", "gucaa")


class PaperClaim(NamedTuple):
    """A statement of the paper, what was found, and one of the three verdicts."""

    figure: str
    says: str
    found: str
    verdict: str


def all_claims(
    convergence: pd.DataFrame, systems: pd.DataFrame, bandwidth: pd.DataFrame, weights: pd.DataFrame
) -> list[PaperClaim]:
    """Return the claims about all figures, in the order of the figures."""
    return [
        *convergence_claims(convergence),
        *order_claims(systems, "system", "3(a)"),
        trading_claim([(systems, ["system"]), (bandwidth, ["bandwidth_mhz"]),
                       (weights, ["delay_per_s", "energy_per_j"])]),
        growth_claim(bandwidth),
        first_claim(bandwidth, ["bandwidth_mhz"], "3(b)"),
        energy_first_claim(weights),
        first_claim(weights, ["delay_per_s", "energy_per_j"], "3(c)"),
    ]  # fmt: skip


def convergence_claims(frame: pd.DataFrame) -> list[PaperClaim]:
    """Judge "a few iterations": at most five, on average, to within 1 % of the last value."""
    claims = []
    for part, panel in ((PART_1, "2(a)"), (PART_2, "2(b)"), (WHOLE, "2(c)")):
        signs, found = [], []
        for system, runs in frame[frame["part"] == part].groupby("system"):
            needed = [iterations_needed(run["scr"].tolist()) for _, run in runs.groupby("seed")]
            mean = t_interval(needed)
            signs.append(int(mean.high <= FEW) - int(mean.low > FEW))
            found.append(f"{system!s}: {_text(mean)} on average, {max(needed)} at most")
        text = f"to within 1 % of the end, {'; '.join(found)}"
        claims.append(PaperClaim(panel, f"{part} converges in a few iterations", text, combined(signs)))
    return claims


def order_claims(frame: pd.DataFrame, setting: str, figure: str) -> list[PaperClaim]:
    """Judge the order of the policies: DASHF first, RUCAA and GUCAA last."""
    last, found = [], []
    for name, rows in frame.groupby(setting):
        scr = by_policy(rows)
        last += [sign(paired_difference(scr[p], scr[q])) for p, q in product(OPTIMISING, FIXED)]
        means = sorted(((float(np.mean(scr[p])), p) for p in POLICIES), reverse=True)
        found.append(f"{name}: {' > '.join(f'{policy} {mean:.0f}' for mean, policy in means)}")
    return [
        first_claim(frame, [setting], figure),
        PaperClaim(figure, "RUCAA and GUCAA have the smallest SCR", "; ".join(found), combined(last)),
    ]


def first_claim(frame: pd.DataFrame, settings: list[str], figure: str) -> PaperClaim:
    """Judge whether DASHF has the largest SCR in every setting."""
    signs, ahead = [], []
    for _, rows in frame.groupby(settings):
        scr = by_policy(rows)
        others = [policy for policy in POLICIES if policy not in (BEST, OURS)]
        signs += [sign(paired_difference(scr[BEST], scr[policy])) for policy in others]
        ahead.append(np.mean(scr[BEST]) / max(np.mean(scr[policy]) for policy in others) - 1.0)
    found = f"{min(ahead):+.0%} to {max(ahead):+.0%} over the next best in {len(ahead)} settings"
    return PaperClaim(figure, "DASHF has the largest SCR", found, combined(signs))


def trading_claim(frames: Sequence[tuple[pd.DataFrame, list[str]]]) -> PaperClaim:
    """Judge whether AAUCO is ahead of GUCRO in some settings and behind in others."""
    pairs = [
        (scr["aauco"], scr["gucro"])
        for frame, settings in frames
        for scr in (by_policy(rows) for _, rows in frame.groupby(settings))
    ]
    signs = [sign(paired_difference(aauco, gucro)) for aauco, gucro in pairs]
    ahead, behind = signs.count(1), signs.count(-1)
    one_sided = DIFFERS if len(signs) in (ahead, behind) else UNDECIDED
    snapshots = np.concatenate([gucro > aauco for aauco, gucro in pairs])
    found = (
        f"aauco is ahead in {ahead} of the {len(signs)} settings of 3(a) to 3(c), gucro in {behind}, by "
        f"intervals that exclude 0; gucro is ahead in {np.mean(snapshots):.0%} of all single snapshots"
    )
    says = "AAUCO and GUCRO lie in between and trade places"
    return PaperClaim("3(a)", says, found, AGREES if ahead and behind else one_sided)


def growth_claim(frame: pd.DataFrame) -> PaperClaim:
    """Judge whether the SCR grows from each bandwidth to the next, for every policy."""
    signs, found = [], []
    for policy in POLICIES:
        own = frame[frame["policy"] == policy].sort_values(["bandwidth_mhz", "seed"])
        steps = [rows["scr"].to_numpy() for _, rows in own.groupby("bandwidth_mhz")]
        signs += [sign(paired_difference(more, less)) for less, more in pairwise(steps)]
        found.append(f"{policy} x {np.mean(steps[-1]) / np.mean(steps[0]):.2f}")
    text = f"from the least to the most bandwidth: {', '.join(found)}"
    return PaperClaim("3(b)", "the SCR grows with the bandwidth", text, combined(signs))


def energy_first_claim(frame: pd.DataFrame) -> PaperClaim:
    """Judge whether the energy-first weights buy energy with delay, under DASHF."""
    own = frame[frame["policy"] == BEST].sort_values("seed")
    plain, frugal = (
        own[(own["delay_per_s"] == delay) & (own["energy_per_j"] == energy)]
        for delay, energy in (PAPER_WEIGHTS, ENERGY_FIRST)
    )
    energy_j = paired_difference(frugal["energy_j"], plain["energy_j"])
    delay_s = paired_difference(frugal["delay_s"], plain["delay_s"])
    found = f"energy {_text(energy_j)} J, largest delay {_text(delay_s)} s against {PAPER_WEIGHTS}"
    says = f"{ENERGY_FIRST} puts energy first: less energy, more delay (DASHF)"
    return PaperClaim("3(c)", says, found, combined([-sign(energy_j), sign(delay_s)]))


def by_policy(rows: pd.DataFrame) -> Mapping[str, NDArray[np.float64]]:
    """Return the SCR of each policy, in order of the seeds."""
    ordered = rows.sort_values("seed")
    return {policy: ordered.loc[ordered["policy"] == policy, "scr"].to_numpy() for policy in POLICIES}


def sign(difference: Interval) -> int:
    """Return 1 or -1 if the whole 95 % interval is on that side of 0, else 0."""
    return int(difference.low > 0) - int(difference.high < 0)


def combined(signs: Iterable[int]) -> str:
    """Return the verdict on a claim that expects every sign to be 1."""
    found = list(signs)
    if -1 in found:
        return DIFFERS
    return AGREES if found and all(s == 1 for s in found) else UNDECIDED


def _text(interval: Interval) -> str:
    return plus_minus(float(interval.mean), float(interval.high - interval.mean))
