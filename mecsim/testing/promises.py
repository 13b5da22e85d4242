"""What every policy promises, one function a promise; each raises an AssertionError that names the fault."""

from __future__ import annotations

import pickle
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

import numpy as np

from mecsim.policy import Observation, Policy, ScenarioInfo
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Ints
from mecsim.system.instance import Instance
from mecsim.testing.snapshots import draw_instance, mid_round

SYSTEMS: dict[str, dict[str, Any]] = {
    "like the paper": {"users": 10, "servers": 2},
    "one user": {"users": 1, "servers": 3},
    "one server": {"users": 7, "servers": 1},
    "one of each": {"users": 1, "servers": 1},
    "more servers than users": {"users": 3, "servers": 8},
    "many users": {"users": 60, "servers": 5},
    "hopeless channels": {"users": 6, "servers": 3, "gain_decades": (-40, -30)},
    "gains of a laboratory": {"users": 6, "servers": 3, "gain_decades": (-3, 3)},
    "gains of every size": {"users": 6, "servers": 3, "gain_decades": (-30, 0)},
    "tiny budgets": {"users": 6, "servers": 3, "scale": 1e-9},
    "huge budgets": {"users": 6, "servers": 3, "scale": 1e9},
}
# Enough where a promise is about the policy's habits and not about its arithmetic.
FEW = ("like the paper", "one of each", "tiny budgets")
Of = Literal["users", "servers"]


@dataclass(frozen=True, slots=True)
class Traits:
    """What a policy does not promise.

    Parameters
    ----------
    order_matters : set of "users", "servers"
        Whose order the answer depends on, and is seen to depend on: users who take turns, say.
    permutation_rtol : float
        From 1e-6 on, a permuted question must give that close an SCR, not the permuted answer: for
        searches that end where the last bits of what they compare decide.
    systems : tuple of str, optional
        Those of :data:`SYSTEMS` that it answers; all by default. Slow or exact policies name small ones.
    most_users : int
        More than so many users it is not asked to serve in the promises about pins and permutations.
    """

    order_matters: frozenset[Of] = frozenset()
    permutation_rtol: float = 1e-9
    systems: tuple[str, ...] = tuple(SYSTEMS)
    most_users: int = 12

    def among(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of some systems that the policy answers."""
        return tuple(name for name in names if name in self.systems)


@dataclass(frozen=True)
class Subject:
    """A policy under test.

    Parameters
    ----------
    make : callable
        Returns a new policy.
    traits : Traits
    decision_s : dict
        Processor time of a decision by system; filled by the promise on types and budgets.
    """

    make: Callable[[], Policy]
    traits: Traits = Traits()
    decision_s: dict[str, float] = field(default_factory=dict)

    def fresh(self, instance: Instance, seed: int = 5) -> Policy:
        """Return a policy as a run would have it, reset with a generator of its own."""
        policy = self.make()
        reset(policy, instance, seed)
        return policy


Promise = Callable[[Subject], None]


def reset(policy: Policy, instance: Instance, seed: int) -> None:
    """Call the optional ``reset`` as a run does."""
    hook = getattr(policy, "reset", None)
    if hook is not None:
        info = ScenarioInfo("contract", instance.user_count, instance.server_count, 3600.0, 5.0)
        hook(info, np.random.default_rng(seed))


def require(holds: bool, fault: str) -> None:
    """Raise an AssertionError that names the fault, also where Python runs without assertions."""
    if not holds:
        raise AssertionError(fault)


def feasible(answer: object, instance: Instance, where: str) -> Allocation:
    """Return the answer if it is an allocation within all budgets, of the right types and shapes."""
    if not isinstance(answer, Allocation):
        raise AssertionError(f"{where}: returned {type(answer).__name__}, must be an Allocation")
    for entry in fields(answer):
        column, kind = getattr(answer, entry.name), np.int64 if entry.name == "server" else np.float64
        shape = (instance.user_count,)
        require(column.shape == shape, f"{where}: {entry.name} has shape {column.shape}, must be {shape}")
        require(column.dtype == kind, f"{where}: {entry.name} is {column.dtype}, must be {np.dtype(kind)}")
    violations = [str(violation) for violation in answer.violations(instance)]
    require(not violations, f"{where}: " + "; ".join(violations[:3]))
    return answer


def bits(value: object) -> object:
    """Return every bit of an allocation, an observation or an instance, in a form that can be compared."""
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: bits(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return repr(value)


def changed(before: object, after: object, path: str = "observation") -> list[str]:
    """Return the dotted names of what differs between two results of :func:`bits`."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [name for key in before for name in changed(before[key], after[key], f"{path}.{key}")]
    return [] if before == after else [path]


def types_and_budgets(subject: Subject) -> None:
    """Answer any snapshot with a feasible allocation: one user, one server, tiny and huge scales."""
    for name in subject.traits.systems:
        instance = draw_instance(3, **SYSTEMS[name])
        policy = subject.fresh(instance)
        began = time.process_time()
        answer = policy.allocate(Observation.of(instance))
        subject.decision_s[name] = time.process_time() - began
        feasible(answer, instance, f"system '{name}'")


def without_reset(subject: Subject) -> None:
    """Answer a snapshot without a run around it, as `mecsim solve` asks."""
    for name in subject.traits.among(FEW):
        instance = draw_instance(3, **SYSTEMS[name])
        try:
            answer = subject.make().allocate(Observation.of(instance))
        except Exception as error:
            raise AssertionError(f"without a reset before: {type(error).__name__}: {error}") from error
        feasible(answer, instance, f"system '{name}', without a reset")


def zero_gains(subject: Subject) -> None:
    """Answer where all channels, one server's or one user's carry nothing."""
    instance = draw_instance(3, 5, 2)
    gains = {
        "all gains zero": np.zeros_like(instance.gain),
        "one server's gains zero": instance.gain * [1.0, 0.0],
        "all but one user's gains zero": instance.gain * np.eye(5)[2][:, None],
    }
    for where, gain in gains.items():
        system = replace(instance, gain=gain)
        feasible(subject.fresh(system).allocate(Observation.of(system)), system, where)


def middle_of_rounds(subject: Subject) -> None:
    """Answer with some, all and none of the users in a round; None keeps what is in force."""
    for name in subject.traits.systems:
        instance = draw_instance(3, **SYSTEMS[name])
        policy, nobody = subject.fresh(instance), np.zeros(instance.user_count)
        first = feasible(policy.allocate(Observation.of(instance)), instance, f"system '{name}'")
        asked = {"some users active": mid_round(instance, first, nobody)}
        if name in FEW:
            asked["every user active"] = mid_round(instance, first, nobody, idle=False)
            asked["no user active"] = replace(
                Observation.of(instance, time_s=40.0, allocation=first), epoch=8
            )
        for where, observation in asked.items():
            answer = policy.allocate(observation)
            feasible(first if answer is None else answer, instance, f"system '{name}', {where}")


def pinned_users(subject: Subject) -> None:
    """Leave users that are pinned at the server they have."""
    count = min(12, subject.traits.most_users)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        instance = draw_instance(seed, count, 3)
        nothing = np.zeros(count)
        elsewhere = Allocation(
            rng.integers(3, size=count),
            np.full(count, 0.5),
            nothing,
            instance.users.max_power_w,
            nothing,
            instance.users.max_gpu_flops,
            nothing,
        )
        pinned = rng.random(count) < 0.5
        answer = subject.fresh(instance).allocate(mid_round(instance, elsewhere, pinned, seed))
        if answer is None:
            continue
        feasible(answer, instance, "with pinned users")
        moved = np.flatnonzero(pinned & (answer.server != elsewhere.server)).tolist()
        require(not moved, f"pinned users {moved} were moved to other servers")


def one_answer(subject: Subject) -> None:
    """Give one answer to one question, and leave the observation as it is."""
    for name in subject.traits.among(FEW):
        instance = draw_instance(3, **SYSTEMS[name])
        policy = subject.fresh(instance)
        first = policy.allocate(Observation.of(instance))
        observation = mid_round(instance, first, np.zeros(instance.user_count))
        before = bits(observation)
        once = bits(policy.allocate(observation))
        written = changed(before, bits(observation))
        require(not written, f"system '{name}': wrote into {', '.join(written)}")
        again = bits(policy.allocate(observation))
        differs = changed(once, again, "answer")
        require(not differs, f"system '{name}': asked twice, other values of {', '.join(differs)}")


def determinism(subject: Subject) -> None:
    """Give the same bits with the same generator."""
    for name in subject.traits.among(FEW):
        instance = draw_instance(3, **SYSTEMS[name])
        once, again = (bits(subject.fresh(instance).allocate(Observation.of(instance))) for _ in range(2))
        differs = changed(once, again, "answer")
        require(not differs, f"system '{name}': the same seed gave other values of {', '.join(differs)}")


def own_random_numbers(subject: Subject) -> None:
    """Draw no random numbers but from the generator that ``reset`` gave."""
    for name in subject.traits.among(FEW):
        instance = draw_instance(3, **SYSTEMS[name])
        before = _global_states()
        subject.fresh(instance).allocate(Observation.of(instance))
        for library, state in _global_states().items():
            require(state == before[library], f"system '{name}': drew from the global generator of {library}")


def _global_states() -> dict[str, str]:
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002 - it is watched
    return {"numpy": repr(legacy), "random": repr(random.getstate())}


def forgetting(subject: Subject) -> None:
    """Forget everything at ``reset``: after a run, the next one is as the first."""
    small, other = draw_instance(3, 4, 2), draw_instance(8, 5, 3)
    policy = subject.fresh(small)
    expected = bits(policy.allocate(Observation.of(small)))
    if not callable(getattr(policy, "reset", None)):
        return
    reset(policy, other, 6)
    policy.allocate(Observation.of(other))
    reset(policy, small, 5)
    differs = changed(expected, bits(policy.allocate(Observation.of(small))), "answer")
    require(not differs, f"after reset, {', '.join(differs)} still depend on the run before")


def pickling(subject: Subject) -> None:
    """Go to a worker process and answer there what it would have answered here."""
    import cloudpickle  # as worker processes are sent what is defined anywhere

    instance = draw_instance(3, 4, 2)
    policy = subject.fresh(instance)
    try:
        text = cloudpickle.dumps(policy)
    except Exception as error:
        raise AssertionError(f"cannot be sent to a worker: {type(error).__name__}: {error}") from error
    there = pickle.loads(text)  # noqa: S301 - made two lines above
    here, answer = (bits(each.allocate(Observation.of(instance))) for each in (policy, there))
    differs = changed(here, answer, "answer")
    require(not differs, f"a copy sent to a worker gives other values of {', '.join(differs)}")


def permutation_of_users(subject: Subject) -> None:
    """Give the permuted answer to a question with permuted users."""
    _permutation(subject, "users")


def permutation_of_servers(subject: Subject) -> None:
    """Give the permuted answer to a question with permuted servers."""
    _permutation(subject, "servers")


def _permutation(subject: Subject, of: Of) -> None:
    count, matters = min(9, subject.traits.most_users), of in subject.traits.order_matters
    noticed = False
    for seed in range(20 if matters else 4):
        rng, instance = np.random.default_rng(seed), draw_instance(seed, count, 3)
        order = {"users": np.arange(count), "servers": np.arange(3)}
        order[of] = rng.permutation(len(order[of]))
        fault = _permutation_fault(subject, instance, order["users"], order["servers"])
        if not matters:
            require(not fault, f"{of} permuted (seed {seed}): {fault}")
        noticed = noticed or bool(fault)
    require(noticed or not matters, f"is said to depend on the order of {of}, and never did")


def _permutation_fault(subject: Subject, instance: Instance, users: Ints, servers: Ints) -> str:
    other = permuted(instance, users, servers)
    plain, answer = (subject.fresh(i).allocate(Observation.of(i)) for i in (instance, other))
    if plain is None or answer is None:
        return "returned None with nothing in force"
    rtol = subject.traits.permutation_rtol
    if rtol >= 1e-6:
        scr, expected = other.scr(answer), instance.scr(plain)
        return (
            "" if abs(scr - expected) <= rtol * abs(expected) else f"the SCR is {scr:.9g}, was {expected:.9g}"
        )
    wrong = [] if (answer.server == np.argsort(servers)[plain.server[users]]).all() else ["server"]
    names = [entry.name for entry in fields(answer) if entry.name != "server"]
    wrong += [
        name
        for name in names
        if not np.allclose(getattr(answer, name), getattr(plain, name)[users], rtol=rtol, atol=0)
    ]
    return f"{', '.join(wrong)} did not follow" if wrong else ""


def permuted(instance: Instance, users: Ints, servers: Ints) -> Instance:
    """Return the instance with users and servers in another order."""

    def taken(group: Any, order: Ints) -> Any:
        return replace(group, **{entry.name: getattr(group, entry.name)[order] for entry in fields(group)})

    return replace(
        instance,
        users=taken(instance.users, users),
        servers=taken(instance.servers, servers),
        gain=instance.gain[np.ix_(users, servers)],
    )


PROMISES: dict[str, Promise] = {
    "types and budgets": types_and_budgets,
    "without a reset": without_reset,
    "zero gains": zero_gains,
    "middle of rounds": middle_of_rounds,
    "pinned users": pinned_users,
    "one answer to one question": one_answer,
    "determinism": determinism,
    "its own random numbers": own_random_numbers,
    "reset forgets": forgetting,
    "pickling": pickling,
    "permutation of users": permutation_of_users,
    "permutation of servers": permutation_of_servers,
}
