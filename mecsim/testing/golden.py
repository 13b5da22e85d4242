"""Digests of short runs of every shipped scenario under every policy, on rounded values.

A case has four digests: the ``order`` of events, ``times``, ``allocations`` (predictions and local
fractions), and ``records`` of energy and score. They separate a change of times or of records from a change
of events. Values are rounded to six digits, because the last bits depend on the processor. A search may
still choose differently between two candidates that differ only in the last bits, so the digests of searches
are compared only where processor features, kernels and packages are those that made them. An unchanged digest
shows that a result is unchanged, not that it is correct.
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
# These take seconds a decision or accept small instances only, so each has one small scenario.
SLOW = ("certified", "dashf_reference", "exhaustive", "local_search")
_SLOW_S = 6.0
# Policies that need not meet every world: what they do of their own shows in these.
_WORLDS = dict.fromkeys(SLOW, ("smoke",)) | {"drift_plus_penalty": ("laptops", "smoke")}
# With all its nodes a decision can take a minute.
SHORTER = {"certified": "certified:max_nodes=4"}
SEARCHES: tuple[str, ...] = ("aauco", "best_response", "certified", "dashf", "dashf_plus", "dashf_reference")
SEARCHES += ("drift_plus_penalty", "exhaustive", "gucro", "local_search")
_PACKAGES = ("numpy", "scipy", "cvxpy", "clarabel", "scs", "ecos")
# The only policy that asks ECOS, where that is installed.
_ECOS_USER = "dashf_reference"

_ORDER = ("user", "round", "server_first", "server_last", "handovers", "restarts", "outcome", "epoch")
_TIMES = ("start_s", "delay_s", "wait_s", "stall_s", "interruption_s")
_RECORDS = ("energy_j", "local_j", "uplink_j", "server_j", "downlink_j", "score", "moved_bits")
_DECIDED = ("score", "delay_s", "energy_j", "scr", "handovers", "status")


class Digests(NamedTuple):
    """The digests of one case."""

    order: str
    times: str
    allocations: str
    records: str


def cases(scenarios: list[str], policies: list[str]) -> list[tuple[str, str]]:
    """Return all cases: every scenario under every policy, but for those that some scenarios suffice for."""
    return [(s, p) for s in scenarios for p in policies if s in _WORLDS.get(p, scenarios)]


def scenario_of(name: str, policy: str) -> Scenario:
    """Return the scenario of a case: the shipped one, shortened to a few decisions."""
    scenario = load_scenario(name)
    period_s = scenario.reallocation.period_s
    long_s = _SLOW_S if policy in SLOW else min(_MOST_S, max(_LEAST_S, _DECISIONS * period_s))
    return scenario.with_changes({"duration_s": min(long_s, scenario.duration_s), "warmup_s": 0})


def digests_of(name: str, policy: str, seed: int = SEED) -> Digests:
    """Run a case and return its digests."""
    with one_blas_thread():
        record = Simulation(scenario_of(name, policy), make_policy(SHORTER.get(policy, policy)), seed).run()
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
    """Return the shipped digests by scenario and policy."""
    known = _shipped()["digests"]
    return {(s, p): Digests(**each) for s, policies in known.items() for p, each in policies.items()}


def comparable_goldens() -> dict[tuple[str, str], Digests]:
    """Return the shipped digests that these kernels and packages must reproduce."""
    here, there = made_with(), _shipped()["made_with"]
    same_ecos = here.pop("ecos") == there.get("ecos")
    alike = here == {name: value for name, value in there.items() if name != "ecos"}
    return {
        case: digests
        for case, digests in shipped_goldens().items()
        if case[1] not in SEARCHES or (alike and (same_ecos or case[1] != _ECOS_USER))
    }


def made_with() -> dict[str, Any]:
    """Return the processor features, kernels and package versions on which searches depend."""
    found = environment()
    packages = {name: found["packages"][name] for name in _PACKAGES}
    return {"simd": found["simd"], "kernels": found["kernels"], **packages}


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
