"""Digests of short runs of every shipped scenario under every policy, on rounded values.

A case has four: ``order`` of events, ``times``, ``allocations`` as the policy's predictions and grants
show them, and ``records`` of energy and score. A change that moves only times, or only what is recorded,
can so be told from one that changes what happens. Values are rounded to six digits: the last bits depend
on the processor, the digests must not. Searches may still take another turn where two choices are equal
but for the last bits, so theirs are compared only on processors and packages like those they were made
with. A digest that is kept says "as before", not "right".
"""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from mecsim.engine.recorder import RunRecord, Table
from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy
from mecsim.results.blas import one_blas_thread
from mecsim.results.provenance import environment
from mecsim.scenario.load import load_scenario
from mecsim.scenario.schema import Scenario

FILE = "goldens.json"
SEED = 1
DIGITS = 6
_LEAST_S, _MOST_S, _DECISIONS = 20.0, 120.0, 3
# These take seconds a decision, or refuse what is large: they have a small scenario each.
SLOW = {"dashf-reference": "smoke", "exhaustive": "smoke", "local_search": "smoke"}
_SLOW_S = 6.0
SEARCHES = ("aauco", "dashf", "dashf-reference", "exhaustive", "gucro", "local_search")
_PACKAGES = ("numpy", "scipy", "cvxpy", "clarabel", "scs")

_ORDER = ("user", "round", "server_first", "server_last", "handovers", "restarts", "outcome", "epoch")
_TIMES = ("start_s", "delay_s", "wait_s", "stall_s", "interruption_s")
_RECORDS = ("energy_j", "local_j", "uplink_j", "server_j", "downlink_j", "score", "moved_bits")
_DECIDED = ("score", "delay_s", "energy_j", "scr", "handovers", "status")


class Digests(NamedTuple):
    """What a case is remembered by."""

    order: str
    times: str
    allocations: str
    records: str


def cases(scenarios: list[str], policies: list[str]) -> list[tuple[str, str]]:
    """Return the cases there must be: every scenario under every policy, slow ones on one alone."""
    return [(s, p) for s in scenarios for p in policies if SLOW.get(p, s) == s]


def scenario_of(name: str, policy: str) -> Scenario:
    """Return the scenario of a case: the shipped one, cut short after a few decisions."""
    scenario = load_scenario(name)
    period_s = scenario.reallocation.period_s
    long_s = _SLOW_S if policy in SLOW else min(_MOST_S, max(_LEAST_S, _DECISIONS * period_s))
    return scenario.with_changes({"duration_s": min(long_s, scenario.duration_s), "warmup_s": 0})


def digests_of(name: str, policy: str, seed: int = SEED) -> Digests:
    """Run a case and return its digests."""
    with one_blas_thread():
        record = Simulation(scenario_of(name, policy), make_policy(policy), seed).run()
    return digests(record)


def digests(record: RunRecord) -> Digests:
    """Return the digests of a run."""
    rounds, epochs = record.rounds, record.epochs
    return Digests(
        order=_digest(rounds, _ORDER),
        times=_digest(rounds, _TIMES),
        allocations=_digest(epochs, _DECIDED) + _digest(rounds, ("local_fraction",)),
        records=_digest(rounds, _RECORDS),
    )


def shipped_goldens() -> dict[tuple[str, str], Digests]:
    """Return the digests that mecsim ships, by scenario and policy."""
    known = _shipped()["digests"]
    return {(s, p): Digests(**each) for s, policies in known.items() for p, each in policies.items()}


def comparable_goldens() -> dict[tuple[str, str], Digests]:
    """Return those of the shipped digests that must be met on this processor, with these packages."""
    alike = _shipped()["made_with"] == made_with()
    return {case: each for case, each in shipped_goldens().items() if alike or case[1] not in SEARCHES}


def made_with() -> dict[str, Any]:
    """Return what the turns that searches take depend on: processor features and packages."""
    told = environment()
    return {"simd": told["simd"], **{name: told["packages"][name] for name in _PACKAGES}}


def _shipped() -> dict[str, Any]:
    known: dict[str, Any] = json.loads(files("mecsim.testing").joinpath(FILE).read_text("utf-8"))
    return known


def _digest(table: Table, names: tuple[str, ...]) -> str:
    total = hashlib.sha256()
    for name in names:
        column = table[name]
        if column.dtype.kind == "f":
            shown = np.char.mod(f"%.{DIGITS - 1}e", column + 0.0).tolist()
        else:
            shown = column.tolist()
        total.update(f"{name} {json.dumps(shown)}\n".encode())
    return total.hexdigest()[:12]
