"""The fixed text of the page: what is plotted and how verdicts are computed; no finding is written here."""

from __future__ import annotations

from collections.abc import Sequence

from mecsim.study.paper.claims import FEW

VERDICTS = f"""\
We hold the paper's words, not its numbers. A verdict is *agrees* if all 95 % intervals (of the paired
differences, seed by seed, where policies or settings are compared) lie wholly on the side that the paper
says, *does not agree* if one of them lies wholly on the other, and *not decided* otherwise. "A few
iterations" is taken to mean at most {FEW} on average. No parameter was chosen to make anything agree."""

FIGURE_2 = """\
SCR against iteration, read off the trace of `dashf`. (a) Part 1: the largest SCR so far after each
relaxation with its rounding and φ, over all steps of y; 0 is the start, the strongest servers with an
equal split. (b) Part 2: the largest SCR so far after each solution of the resource problem, over all steps
of y; 0 is the association accepted before. The Newton steps inside a solution are not drawn. (c) The SCR of
the start (0) and after each step of Dinkelbach's y. In (a) and (b) a run's SCR is divided by its SCR at the
end; a run that has ended goes on at its last value."""

FIGURE_3A = """\
The table has both systems. Share granted: what all servers grant of a resource over what all of them have;
of the users' power and GPU speed, what is set over the most allowed; `use` is the mean of the five. The
largest delay and the energy are of one round of all users. The text of the paper that we hold says nothing
of use, delay and energy by themselves."""

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
