"""The output of ``mecsim solve``: tables for people, objects for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.messages import system_size
from mecsim.system.objective import weighted
from mecsim.system.phases import PHASES, PhaseSpec

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from rich.table import Table

    from mecsim.system.allocation import Allocation
    from mecsim.system.instance import Costs, Instance


@dataclass(frozen=True, eq=False)
class Solution:
    """What a policy decided for a snapshot, and what that took.

    Parameters
    ----------
    label : str
        What to call the policy.
    instance : Instance
    allocation : Allocation
        One entry a user, each with a server of the instance.
    cpu_s : float
        CPU time of the decision in s.
    iterations : int or None
        The policy's attribute of that name; None if it has none.
    trace : sequence of named tuples or None
        The policy's iterates; None if it stores none.
    """

    label: str
    instance: Instance
    allocation: Allocation
    cpu_s: float
    iterations: Any = None
    trace: Any = None

    @cached_property
    def costs(self) -> Costs:
        """Delays in s and energies in J, users down, phases across."""
        return self.instance.costs(self.allocation)

    @property
    def score(self) -> float:
        """The sum of the users' scores."""
        return float(self.instance.score(self.allocation).sum())

    @property
    def delay_s(self) -> float:
        """The delay that the objective counts, in s: the largest of a user, or the mean."""
        return self.instance.total_delay(self.costs.delay_s.sum(axis=1))

    @property
    def energy_j(self) -> float:
        """The energy of all users in J, with their weights."""
        return self.instance.total_energy(self.costs.energy_j)

    @property
    def delay_name(self) -> str:
        """What :attr:`delay_s` is, in one word."""
        objective = self.instance.objective
        return "mean" if objective is not None and objective.is_mean else "largest"

    @property
    def scr(self) -> float:
        """The service-cost ratio."""
        return self.instance.scr(self.allocation)

    @property
    def violations(self) -> list[str]:
        """Every broken constraint, in words."""
        return [str(violation) for violation in self.allocation.violations(self.instance)]

    def as_object(self) -> dict[str, Any]:
        """Return what `solve --json` prints; totals over users, as the objective counts them."""
        allocation = self.allocation
        return {
            "policy": self.label,
            "scr": self.scr,
            "score": self.score,
            "delay_s": self.delay_s,
            "energy_j": self.energy_j,
            "server": allocation.server,
            "local_fraction": allocation.local_fraction,
            "bandwidth_hz": allocation.bandwidth_hz,
            "user_power_w": allocation.user_power_w,
            "server_power_w": allocation.server_power_w,
            "user_gpu_flops": allocation.user_gpu_flops,
            "server_gpu_flops": allocation.server_gpu_flops,
            "violations": self.violations,
            "decision_cpu_s": self.cpu_s,
        }


def allocation_table(solution: Solution) -> Table:
    """Return the allocation of each user: server, gain of that link, phi and resources."""
    instance, allocation = solution.instance, solution.allocation
    users = np.arange(instance.user_count)
    with np.errstate(divide="ignore"):
        gain_db = 10.0 * np.log10(instance.gain[users, allocation.server])
    columns: dict[str, ArrayLike] = {
        "user": users,
        "server": allocation.server,
        "gain\n(dB)": gain_db,
        "local\nfrac-\ntion": allocation.local_fraction,
        "band-\nwidth\n(MHz)": allocation.bandwidth_hz / 1e6,
        "user\npower\n(W)": allocation.user_power_w,
        "server\npower\n(W)": allocation.server_power_w,
        "user\nGPU\n(TFLOP\n/s)": allocation.user_gpu_flops / 1e12,
        "server\nGPU\n(TFLOP\n/s)": allocation.server_gpu_flops / 1e12,
        "score": instance.score(allocation),
    }
    title = f"{instance.name}, {solution.label}: SCR {solution.scr:.6g}"
    return _table(title, columns, (_cells(values) for values in columns.values()))


def _head(phase: PhaseSpec) -> str:
    """Return the name of a phase in at most seven letters a line."""
    return phase.name if len(phase.name) < 8 else f"{phase.name[:4]}-\n{phase.name[4:]}"


def cost_table(solution: Solution) -> Table:
    """Return the cost of each user's round by phase; who sets the largest delay, if it counts, is marked."""
    delay_s, energy_j = solution.costs.delay_s, solution.costs.energy_j
    total_s = delay_s.sum(axis=1)
    objective, counts_largest = solution.instance.objective, solution.delay_name == "largest"
    counted_s = total_s if objective is None else weighted(objective.delay_weight, total_s)
    marks = ["*" if counts_largest and own_s == counted_s.max() else " " for own_s in counted_s]
    columns = {"user": _cells(np.arange(len(total_s)))}
    columns |= {f"{_head(phase)}\n(s)": _cells(delay_s[:, k], 3) for k, phase in enumerate(PHASES)}
    columns["delay\n(s)  "] = [f"{cell} {mark}" for cell, mark in zip(_cells(total_s), marks, strict=True)]
    columns |= {f"{_head(phase)}\n(J)": _cells(energy_j[:, k], 3) for k, phase in enumerate(PHASES)}
    columns["energy\n(J)"] = _cells(energy_j.sum(axis=1))
    table = _table(None, columns, columns.values())
    table.caption = "* sets the largest delay" if counts_largest else None
    # Eleven columns fit a terminal of 80 only without padding.
    table.padding = 0
    return table


def totals(solution: Solution) -> str:
    """Return the totals in two lines."""
    broken = len(solution.violations)
    iterations = "" if solution.iterations is None else f" and {solution.iterations} iterations"
    return (
        f"score {solution.score:.6g}, {solution.delay_name} delay {solution.delay_s:.6g} s, "
        f"energy {solution.energy_j:.6g} J, SCR {solution.scr:.6g}\n"
        f"decided in {1e3 * solution.cpu_s:.3g} ms of CPU time{iterations}, "
        f"{broken if broken else 'no'} constraint{'' if broken == 1 else 's'} violated"
    )


def policies_table(solutions: Sequence[Solution]) -> Table:
    """Return a row a policy: SCR, score, delay, energy, time of the decision; the best SCR is marked."""
    best = max((s.scr for s in solutions if not s.violations), default=np.nan)
    rows = [
        (
            s.label, f"{s.scr:.5g}{' *' if s.scr == best and not s.violations else '  '}", f"{s.score:.5g}",
            f"{s.delay_s:.4g}", f"{s.energy_j:.4g}", f"{1e3 * s.cpu_s:.3g}",
            "-" if s.iterations is None else f"{s.iterations}", f"{len(s.violations) or '-'}",
        )
        for s in solutions
    ]  # fmt: skip
    names = (
        "policy", "SCR  ", "score", f"{solutions[0].delay_name}\ndelay\n(s)", "energy\n(J)",
        "decision\n(ms CPU)", "iter-\nations", "viol-\nations",
    )  # fmt: skip
    instance = solutions[0].instance
    title = f"{instance.name}: {system_size(instance.user_count, instance.server_count)}"
    table = _table(title, names, zip(*rows, strict=True))
    table.columns[0].justify = "left"
    table.caption = "* largest SCR without a violation"
    return table


def _cells(values: ArrayLike, digits: int = 4) -> list[str]:
    """Return numbers with so many digits; large ones in full, for an exponent takes more room."""
    return [
        f"{value:.0f}" if 10**digits <= abs(value) < 1e6 else f"{value:.{digits}g}"
        for value in np.asarray(values)
    ]


def _table(title: str | None, names: Iterable[str], columns: Iterable[Sequence[str]]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 0, 0, 1))
    for name in names:
        table.add_column(name, justify="right")
    for row in zip(*columns, strict=True):
        table.add_row(*row)
    return table
