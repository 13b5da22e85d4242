"""The fixed text of the page: what is plotted and how verdicts are computed; no finding is written here."""

from __future__ import annotations

from collections.abc import Sequence

from mecsim.study.paper.claims import (
    CLOSE,
    CONTRADICTED,
    MODERATE,
    ORDER,
    REPRODUCED,
    SLIGHTLY,
    UNDECIDED,
)

VERDICTS = f"""\
We hold the paper's words, not its numbers, and its system only in part. Each statement is put as
quantities with a range: a ratio of two policies or settings in the same worlds, or a number of
iterations. The intervals shown of a statement hold together with 95 % (Bonferroni: each is at the level 1 -
0.05 / their number). A verdict is *{REPRODUCED}* if all intervals lie wholly within their ranges,
*{CONTRADICTED}* if one lies wholly outside, and *{UNDECIDED}* otherwise. For the verdicts the intervals are
wider: the statements of the page share an error of 5 % by Holm's rule, so that the chance that any verdict is
wrong is at most that. Ratios of SCR are of means; those of delay and energy are geometric means over the
worlds, since the largest delay of an equal split has no mean. For the paper's words we take: *slightly
more*, by at most {SLIGHTLY - 1:.0%}; *close to*, no worse than {CLOSE:g} times; *the same order*, within a
factor of {ORDER:g}; *moderate*, at least {MODERATE:g} times."""

FIGURE_2 = """\
The largest SCR so far against iteration, read off the trace of `dashf`, whose loops are those of the
paper; 0 is the start, the strongest servers with an equal split. (a) Part 1: after each relaxation with
its rounding, ϕ and resources, over all steps of y. (b) Part 2: after each solution of the resource
problem, over all steps of y; the steps inside a solution are not drawn. (c) After each step of
Dinkelbach's y. In (a) and (b) a run's SCR is divided by its SCR at the end; a run that has ended goes on
at its last value. The paper has the *primal objective*: that of the fractional problem is the SCR. It has
converged at the first iteration from which it stays within 1 % of its last value."""

FIGURE_3A = """\
The table has both systems. Share granted: what all servers grant of a resource over what all of them have;
of the users' power and GPU speed, what is set over the most allowed; `use` is the mean of the five. The
largest delay and the energy are of one round of all users. `rucaa`, `gucaa` and `gucro` have a constant ϕ for
all users, of which the paper does not give the value: 0.5 is our choice. *Best ϕ* is the value of a grid with
the largest mean SCR on these very worlds."""

FIGURE_3C = """\
(0.5, 0.005) and (0.1, 0.009) are the paper's pairs, the others lie on the line through them. An SCR with
other weights is another quantity: compare policies within a pair, and pairs by delay and energy. `rucaa`
and `gucaa` do not look at the weights. The table is of `dashf`."""


def head(systems: Sequence[str], policies: Sequence[str], seeds: int) -> str:
    """Return what the page is about."""
    return f"""\
Qian and Zhao, *User Association and Resource Allocation in Large Language Model Based Mobile Edge Computing
System over 6G Wireless Communications*, arXiv 2310.17872, figures 2 and 3. Scenarios {_code(systems)};
policies {_code(policies)}. Static snapshots at time 0 in {seeds} worlds (seeds 0 to {seeds - 1}:
positions, gains, adapters and token data drawn afresh); means with 95 % t intervals over the worlds."""


def _code(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
