"""Upper bounds of the SCR: the prover is found by its entry point, as policies are."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Protocol, TypeGuard

from mecsim import plugins
from mecsim.errors import BoundError, InvalidAllocation, MecsimError
from mecsim.plugin_files import Group
from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.system.allocation import Allocation
from mecsim.system.bound import Bound, EpochBound
from mecsim.system.instance import Instance
from mecsim.world.world import World

if TYPE_CHECKING:
    from mecsim.scenario.schema import Scenario

PROVERS = Group("mecsim.bounds", "prover of bounds", BoundError)
PROVER = "dual"
LIMIT_S = 60.0
MOST_FOR_LOCAL_SEARCH = 100


def bound(
    instance: Instance,
    *,
    incumbent: Allocation | None = None,
    within: float | None = None,
    limit_s: float = LIMIT_S,
) -> Bound:
    """Return a proved upper bound of the SCR of every allocation of an instance.

    Parameters
    ----------
    instance : Instance
    incumbent : Allocation, optional
        An allocation to compare with. By default that of ``local_search``, of ``dashf_plus`` for more
        than 100 users.
    within : float, optional
        Branch and bound until the gap is at most this, such as 0.01; without it the bound by prices alone.
    limit_s : float
        Wall-clock time in s after which branch and bound stops; what it has proved until then holds.

    Raises
    ------
    BoundError
        Where no bound is proved: for mean rates over fading, for GPUs that servers share, and where a
        round of all users costs nothing.
    InvalidAllocation
        If the incumbent violates a constraint.

    References
    ----------
    docs/bound.md has the proof.
    """
    _check(instance, incumbent, within, limit_s)
    began_s = time.process_time()
    prover = plugins.find(PROVERS, PROVER)
    prover.refuse(instance)
    if incumbent is None:
        incumbent = _found(instance)
    elif violated := incumbent.violations(instance):
        raise InvalidAllocation(*(f"incumbent: {violation}" for violation in violated))
    proved: Bound = prover.prove(instance, incumbent, within, limit_s)
    if not math.isfinite(proved.upper_bound):
        raise BoundError(
            f"{instance.name}: no finite upper bound is proved: best shares of budgets are so small that the "
            "allowance for rounding is larger than the costs; smaller budgets of the servers have a bound"
        )
    return replace(proved, cpu_s=time.process_time() - began_s)


class RunProver(Protocol):
    """Bounds one observation of a run after the other; the policy never meets it."""

    def bound(self, observation: Observation) -> EpochBound:
        """Return the bound of the SCR of every allocation that the policy may return now."""
        ...


def run_prover(world: World) -> RunProver:
    """Return a prover for one run in a world, which starts each bound from the prices of the last.

    Raises
    ------
    BoundError
        If a law of the world is one that the proof does not cover.
    """
    prover = plugins.find(PROVERS, PROVER)
    if world.user_count > 0:
        try:
            prover.refuse(world.instance(0.0))
        except BoundError as error:
            raise BoundError(f"{error}; with these laws, record.bound must be false") from None
    made: RunProver = prover.RunProver()
    return made


def refuse_to_record(scenario: Scenario) -> None:
    """Check, before anything is simulated, that every bound is proved that a scenario wants recorded.

    Raises
    ------
    BoundError
        If ``record.bound = true`` and a law of the scenario is one that the proof does not cover.
    """
    if scenario.record.bound:
        run_prover(World(scenario, 0))


def _check(instance: object, incumbent: object, within: object, limit_s: object) -> None:
    problems = []
    if not isinstance(instance, Instance):
        problems.append(f"instance: is a {type(instance).__name__}, must be an Instance as of load_instance")
    if not isinstance(incumbent, Allocation | None):
        problems.append(f"incumbent: is a {type(incumbent).__name__}, must be an Allocation or None")
    if within is not None and not (_is_number(within) and 0.0 < within < 1.0):
        problems.append(f"within = {within!r}: must be a number between 0 and 1, such as 0.01 for 1 %")
    if not (_is_number(limit_s) and limit_s > 0.0):
        problems.append(f"limit_s = {limit_s!r}: must be a number above 0, in s")
    if problems:
        raise MecsimError("\n".join(problems))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, Real) and not isinstance(value, bool)


def _found(instance: Instance) -> Allocation:
    """Return an allocation that is as good as is found in seconds."""
    name = "local_search" if instance.user_count <= MOST_FOR_LOCAL_SEARCH else "dashf_plus"
    allocation = make_policy(name).allocate(Observation.of(instance))
    assert allocation is not None
    return allocation
