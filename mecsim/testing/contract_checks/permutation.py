"""Contract checks of symmetry: the order of users and servers carries no information."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from mecsim.policy import Observation
from mecsim.system.arrays import Ints
from mecsim.system.instance import Instance
from mecsim.testing.contract_checks.subject import PermutedAxis, Subject, decide, require
from mecsim.testing.snapshots import draw_instance


def permutation_of_users(subject: Subject) -> None:
    """Require the permuted decision if the users are permuted."""
    _permutation(subject, "users")


def permutation_of_servers(subject: Subject) -> None:
    """Require the permuted decision if the servers are permuted."""
    _permutation(subject, "servers")


def _permutation(subject: Subject, axis: PermutedAxis) -> None:
    count, matters = min(9, subject.traits.most_users), axis in subject.traits.order_matters
    depended = False
    for seed in range(20 if matters else 3):
        rng, instance = np.random.default_rng(seed), draw_instance(seed, count, 3)
        order = {"users": np.arange(count), "servers": np.arange(3)}
        order[axis] = rng.permutation(len(order[axis]))
        fault = _permutation_fault(subject, instance, order["users"], order["servers"])
        if not matters:
            require(not fault, f"{axis} permuted (seed {seed}): {fault}")
        depended = depended or bool(fault)
    require(
        depended or not matters,
        f"traits declare that the order of {axis} matters, but no decision depended on it",
    )


def _permutation_fault(subject: Subject, instance: Instance, users: Ints, servers: Ints) -> str:
    other = permuted(instance, users, servers)
    plain, answer = (decide(subject.fresh(i), Observation.of(i)) for i in (instance, other))
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

    def reordered(group: Any, order: Ints) -> Any:
        return replace(group, **{entry.name: getattr(group, entry.name)[order] for entry in fields(group)})

    return replace(
        instance,
        users=reordered(instance.users, users),
        servers=reordered(instance.servers, servers),
        gain=instance.gain[np.ix_(users, servers)],
    )
