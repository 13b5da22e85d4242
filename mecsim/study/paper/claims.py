"""The statements of the paper in words, and whether the data bear them out; every verdict is computed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from itertools import pairwise, product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mecsim.analysis.stats import Interval, ratio_interval, t_interval
from mecsim.study.paper.convergence import PART_1, PART_2, WHOLE, iterations_needed
from mecsim.study.paper.snapshots import BEST_PHI, ENERGY_FIRST, PAPER_WEIGHTS, POLICIES

if TYPE_CHECKING:
    import pandas as pd

REPRODUCED, CONTRADICTED, UNDECIDED = "reproduced", "contradicted", "not decided"
# The intervals of a claim hold together with 1 - ERROR, as far as t and Fieller intervals do; the verdicts of
# all claims of a page share ERROR.
ERROR = 0.05
WITHIN = {PART_1: 15, PART_2: 9, WHOLE: 9}
# Numbers for the paper's words: "slightly more", "close to", "the same order", "moderate".
SLIGHTLY, CLOSE, ORDER, MODERATE = 1.25, 0.9, 10.0, 0.5
# What is not the paper's own is drawn beside it, and no claim speaks of it.
OURS = "dashf_plus"
DASHF, OPTIMISING, FIXED = "dashf", ("aauco", "gucro", "dashf"), ("rucaa", "gucaa")
_LISTED = 4

Estimate = Callable[[float], Interval]


class Asked(NamedTuple):
    """A quantity with its interval at a level, and the range in which the paper's words have it."""

    name: str
    estimate: Estimate
    above: float = 1.0
    up_to: float = np.inf


class PaperClaim(NamedTuple):
    """A statement of the paper, what was found, one of the three verdicts, and what was asked of the data."""

    figure: str
    says: str
    found: str
    verdict: str
    family: tuple[Asked, ...] = ()

    @property
    def row(self) -> tuple[str, str, str, str]:
        """What is shown."""
        return self.figure, self.says, self.found, self.verdict


def judged(figure: str, says: str, family: Sequence[Asked], note: str = "") -> PaperClaim:
    """Return a claim whose quantities must all be in their ranges, judged by itself.

    The intervals are simultaneous (Bonferroni): each is at the level ``1 - ERROR / len(family)``. The claim
    is reproduced if every interval is within its range, contradicted if one is wholly outside.
    """
    found = _estimated(family, ERROR)
    signs = [sign(interval, asked.above, asked.up_to) for asked, interval in found]
    texts = [f"{asked.name}: {_text(interval)}" for asked, interval in found]
    if len(found) > _LISTED:
        order = np.argsort([float(interval.mean) for _, interval in found])
        counts = f"{signs.count(1)} of {len(signs)} so, {signs.count(-1)} not so"
        texts = [counts, f"least {texts[order[0]]}", f"most {texts[order[-1]]}"]
    return PaperClaim(figure, says, "; ".join(texts) + note, _verdict(family, ERROR), tuple(family))


def judged_together(claims: Sequence[PaperClaim]) -> list[PaperClaim]:
    """Return the claims of a page with verdicts of which any is wrong with a chance of at most ``ERROR``.

    Holm's rule: while J claims are open each has the share ``ERROR / J``; whenever one is decided, J falls.
    """
    verdicts: dict[int, str] = {}
    while len(verdicts) < len(claims):
        error = ERROR / (len(claims) - len(verdicts))
        judged_now = {i: _verdict(c.family, error) for i, c in enumerate(claims) if i not in verdicts}
        decided = {i: verdict for i, verdict in judged_now.items() if verdict != UNDECIDED}
        if not decided:
            break
        verdicts |= decided
    return [claim._replace(verdict=verdicts.get(i, UNDECIDED)) for i, claim in enumerate(claims)]


def _verdict(family: Sequence[Asked], error: float) -> str:
    signs = [sign(found, asked.above, asked.up_to) for asked, found in _estimated(family, error)]
    if -1 in signs:
        return CONTRADICTED
    return REPRODUCED if signs and all(each == 1 for each in signs) else UNDECIDED


def _estimated(family: Sequence[Asked], error: float) -> list[tuple[Asked, Interval]]:
    level = 1.0 - error / max(len(family), 1)
    return [(asked, asked.estimate(level)) for asked in family]


def sign(interval: Interval, above: float, up_to: float) -> int:
    """Return 1 if the whole interval is above the one bound and up to the other, -1 if outside, else 0."""
    inside = interval.low > above and interval.high <= up_to
    return int(inside) - int(interval.high < above or interval.low > up_to)


def all_claims(
    convergence: pd.DataFrame, systems: pd.DataFrame, bandwidth: pd.DataFrame, weights: pd.DataFrame
) -> list[PaperClaim]:
    """Return the claims about all figures, in the order of the figures, judged together."""
    a, b = settings_of(systems, ["system"]), settings_of(bandwidth, ["bandwidth_mhz"])
    c = settings_of(weights, ["delay_per_s", "energy_per_j"])
    claims = [
        *convergence_claims(convergence),
        first_claim("3(a)", a),
        last_claim(a),
        association_claim("3(a)", "AAUCO is above GUCRO", a),
        *cost_claims(a),
        growth_claim(b),
        first_claim("3(b)", b),
        association_claim("3(b)", "AAUCO is above GUCRO at every bandwidth", b),
        *weight_claims(c),
        first_claim("3(c)", c),
    ]
    return judged_together(claims)


class Setting(NamedTuple):
    """What was measured in one setting."""

    name: str
    key: tuple[Hashable, ...]
    rows: pd.DataFrame

    def of(self, policy: str, column: str = "scr") -> NDArray[np.float64]:
        """Return a measure of a policy, one number a world, in order of the seeds."""
        own = self.rows[self.rows["policy"] == policy].sort_values("seed")
        return own[column].to_numpy(np.float64)


def settings_of(frame: pd.DataFrame, by: Sequence[str]) -> list[Setting]:
    """Return the settings of a table."""
    return [Setting(", ".join(map(str, key)), key, rows) for key, rows in frame.groupby(list(by))]


def convergence_claims(frame: pd.DataFrame) -> Iterator[PaperClaim]:
    """Judge the iterations to within 1 % of the last value, on average."""
    for part, panel in ((PART_1, "2(a)"), (PART_2, "2(b)"), (WHOLE, "2(c)")):
        family, most = [], 0
        for system, runs in frame[frame["part"] == part].groupby("system"):
            needed = [iterations_needed(run["scr"].tolist()) for _, run in runs.groupby("seed")]
            family.append(Asked(f"mean in {system}", partial(t_interval, needed), -np.inf, WITHIN[part]))
            most = max(most, *needed)
        says = f"{part} converges within {WITHIN[part]} iterations"
        yield judged(panel, says, family, f"; at most {most} in any world")


def first_claim(figure: str, settings: Sequence[Setting]) -> PaperClaim:
    """Judge whether DASHF has the largest SCR in every setting."""
    others = [policy for policy in POLICIES if policy not in (DASHF, OURS)]
    family = [_ratio(each, DASHF, other) for each in settings for other in others]
    ahead = [
        (float(np.mean(each.of(DASHF)) / np.mean(each.of(name))), f"{name} ({each.name})")
        for each in settings
        for name in BEST_PHI.values()
        if len(each.of(name))
    ]
    note = "; least over {1}: {0:.3g}".format(*min(ahead)) if ahead else ""
    return judged(figure, "DASHF has the largest SCR", family, note)


def last_claim(settings: Sequence[Setting]) -> PaperClaim:
    """Judge whether RUCAA and GUCAA have the smallest SCR."""
    pairs = product(settings, OPTIMISING, FIXED)
    return judged("3(a)", "RUCAA and GUCAA have the smallest SCR", [_ratio(*pair) for pair in pairs])


def association_claim(figure: str, says: str, settings: Sequence[Setting]) -> PaperClaim:
    """Judge whether optimising the association gains more than optimising the resources."""
    return judged(figure, says, [_ratio(each, "aauco", "gucro") for each in settings])


def cost_claims(settings: Sequence[Setting]) -> list[PaperClaim]:
    """Judge delay and energy of DASHF and of all that optimise."""
    others = [policy for policy in POLICIES if policy not in (DASHF, OURS)]
    time = [_geometric(each, other, DASHF, "delay_s") for each in settings for other in others]
    energy = [_geometric(each, DASHF, "aauco", "energy_j", up_to=SLIGHTLY) for each in settings]
    close = [
        asked
        for each, policy, other in product(settings, OPTIMISING, FIXED)
        for asked in (
            _ratio(each, policy, other, CLOSE),
            _geometric(each, other, policy, "delay_s", CLOSE),
            _geometric(each, other, policy, "energy_j", CLOSE),
        )
    ]
    return [
        judged("3(a)", "DASHF takes the shortest time", time),
        judged("3(a)", "the energy of DASHF is slightly above that of AAUCO", energy),
        judged("3(a)", "those that optimise are at least close to those that do not", close),
    ]


def growth_claim(settings: Sequence[Setting]) -> PaperClaim:
    """Judge whether the SCR grows from each bandwidth to the next, for every policy of the paper."""
    policies = [policy for policy in POLICIES if policy != OURS]
    family = [
        Asked(
            f"{policy} at {more.name} over {less.name} MHz",
            partial(ratio_interval, more.of(policy), less.of(policy)),
        )
        for policy in policies
        for less, more in pairwise(settings)
    ]
    return judged("3(b)", "the SCR grows with the bandwidth", family)


def weight_claims(settings: Sequence[Setting]) -> list[PaperClaim]:
    """Judge what the two pairs of weights do to DASHF."""
    at = {each.key: each for each in settings}
    plain, frugal = at[PAPER_WEIGHTS], at[ENERGY_FIRST]
    delay, energy = (
        [each.of(DASHF, column) for each in (plain, frugal)] for column in ("delay_s", "energy_j")
    )
    scr, less_scr = plain.of(DASHF), frugal.of(DASHF)
    balance = partial(geometric_ratio, PAPER_WEIGHTS[0] * delay[0], PAPER_WEIGHTS[1] * energy[0])
    more = Asked(f"energy over that at {ENERGY_FIRST}", partial(geometric_ratio, energy[0], energy[1]))
    less = Asked(
        f"energy over that at {PAPER_WEIGHTS}", partial(geometric_ratio, energy[1], energy[0]), 0.0, 1.0
    )
    claims = {
        f"{PAPER_WEIGHTS} keeps delay and energy in the same order": [
            Asked("cost of delay over cost of energy", balance, 1.0 / ORDER, ORDER)
        ],
        f"{PAPER_WEIGHTS} gives the shorter delay": [
            Asked(f"delay at {ENERGY_FIRST} over this", partial(geometric_ratio, delay[1], delay[0]))
        ],
        f"{PAPER_WEIGHTS} takes slightly more energy": [more._replace(up_to=SLIGHTLY)],
        f"{PAPER_WEIGHTS} gives the higher SCR": [
            Asked(f"SCR over that at {ENERGY_FIRST}", partial(ratio_interval, scr, less_scr))
        ],
        f"{ENERGY_FIRST} gives less energy and a moderate SCR": [
            less,
            Asked(f"SCR over that at {PAPER_WEIGHTS}", partial(ratio_interval, less_scr, scr), MODERATE, 1.0),
        ],
    }
    return [judged("3(c)", says, family) for says, family in claims.items()]


def geometric_ratio(samples: ArrayLike, reference: ArrayLike, level: float) -> Interval:
    """Return the interval of the geometric mean of a ratio, world by world.

    The largest delay of an equal split has no mean: it goes as one over a Rayleigh gain.
    """
    found = t_interval(np.log(np.asarray(samples) / np.asarray(reference)), level)
    with np.errstate(over="ignore"):  # without bound: two worlds at a high level
        return Interval(np.exp(found.mean), np.exp(found.low), np.exp(found.high), found.n)


def _ratio(each: Setting, policy: str, other: str, above: float = 1.0) -> Asked:
    estimate = partial(ratio_interval, each.of(policy), each.of(other))
    return Asked(f"{each.name}: SCR of {policy} over {other}", estimate, above)


def _geometric(
    each: Setting, policy: str, other: str, column: str, above: float = 1.0, up_to: float = np.inf
) -> Asked:
    estimate = partial(geometric_ratio, each.of(policy, column), each.of(other, column))
    return Asked(f"{each.name}: {column.split('_')[0]} of {policy} over {other}", estimate, above, up_to)


def _text(interval: Interval) -> str:
    mean, low, high = (float(end) for end in interval[:3])
    return f"{mean:.4g} ({low:.4g} to {high:.4g})"
