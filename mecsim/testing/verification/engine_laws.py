"""The engine against the paper's equations, its slow twin and its own books: exactness, K1 to K3, D1, D3."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from mecsim.engine.recorder import RunRecord
from mecsim.engine.simulation import Simulation
from mecsim.policy import Observation, Policy, ScenarioInfo
from mecsim.registry import list_policies, make_policy
from mecsim.scenario.load import load_scenario
from mecsim.system.allocation import Allocation
from mecsim.testing import golden
from mecsim.testing.reference_engine import ReferenceEngine
from mecsim.testing.verification.finding import Check, Finding, Judge, Setting, equal, no_difference
from mecsim.world.world import World

PHASES = ("local", "uplink", "server", "downlink")
_TIMES = (*(f"{phase}_s" for phase in PHASES), "stall_s", "interruption_s")
_BUSY = "gucaa"


class Spy:
    """A policy that remembers the first question and the answer of another one."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.first: tuple[Observation, Allocation] | None = None

    def reset(self, info: ScenarioInfo, rng: np.random.Generator) -> None:
        """Pass it on."""
        reset = getattr(self.policy, "reset", None)
        if reset is not None:
            reset(info, rng)

    def allocate(self, observation: Observation) -> Allocation | None:
        """Pass it on, and remember."""
        answer = self.policy.allocate(observation)
        if self.first is None and answer is not None:
            self.first = (observation, answer)
        return answer


def exactness(policy: str) -> Judge:
    """Return the check that a static run has the delays, energies and SCR of the paper's equations."""

    def judge(setting: Setting, wrong: bool) -> Finding:
        scenario = load_scenario("paper").with_changes(
            {"duration_s": 1500, "users.count": 5, "users.epochs": 2, "servers.epochs": 3, "warmup_s": 0}
        )
        spy = Spy(make_policy(policy))
        record = Simulation(scenario, spy, 1 + setting.seed).run()
        assert spy.first is not None, "every policy decides at time 0"
        instance, allocation = spy.first[0].instance, spy.first[1]
        if wrong:
            users = replace(instance.users, epochs=np.ones_like(instance.users.epochs))
            servers = replace(instance.servers, epochs=np.ones_like(instance.servers.epochs))
            instance = replace(instance, users=users, servers=servers)
        first = record.rounds["round"] == 0
        order = np.argsort(record.rounds["user"][first])
        columns = [f"{phase}_{unit}" for unit in "sj" for phase in PHASES]
        got = [record.rounds[name][first][order] for name in columns]
        costs = instance.costs(allocation)
        expected = [*costs.delay_s.T, *costs.energy_j.T]
        whole = [record.generations[name][0] for name in ("delay_s", "energy_j", "scr")]
        said = [
            instance.delay(allocation).max(),
            instance.energy(allocation).sum(),
            instance.scr(allocation),
        ]
        return no_difference(np.append(got, whole), np.append(expected, said), tol=1e-9)

    return judge


@lru_cache(maxsize=2)
def moving(setting: Setting) -> RunRecord:
    """Return a run with handovers, stalls and rounds in every phase."""
    return Simulation(load_scenario("smoke"), make_policy(_BUSY), 3 + setting.seed).run()


def work_kept(setting: Setting, wrong: bool) -> Finding:
    """Check that Work started is served, left or dropped; the mutant forgets what is left at the end."""
    ledger = moving(setting).ledger
    left = 0.0 if wrong else ledger["work_left"]
    done = ledger["work_served"] + left + ledger["work_dropped"]
    return no_difference(done, ledger["work_started"], tol=1e-9)


def bits_delivered(setting: Setting, wrong: bool) -> Finding:
    """Check that the bits of finished rounds are those the radios served to them; the mutant counts bytes."""
    record = moving(setting)
    rounds = record.rounds
    world = World(load_scenario("smoke"), 3 + setting.seed)
    params, _ = world.workload.work(rounds["user"], rounds["round"])
    done = rounds["outcome"] == "finished"
    bits = math.fsum((params * world.scenario.workload.bits_per_param)[done]) / (8.0 if wrong else 1.0)
    served = math.fsum(record.ledger["work_served"][:, [1, 3]].ravel())
    unfinished = ~done
    # What rounds in progress have sent is between nothing and all of it.
    most = math.fsum((params * world.scenario.workload.bits_per_param)[unfinished])
    return Finding(served, bits, served - most, served * (1 + 1e-9))


def joules_metered(setting: Setting, wrong: bool) -> Finding:
    """Check that meters hold what rounds were charged; the mutant leaves the servers out."""
    record = moving(setting)
    metered = math.fsum(record.ledger["user_meter_j"])
    if not wrong:
        metered += math.fsum(record.ledger["server_meter_j"])
    return equal(math.fsum(record.rounds["energy_j"]), metered, rel=1e-9)


def time_accounted(setting: Setting, wrong: bool) -> Finding:
    """Check that each round starts where the user's one before has ended, by its columns of time."""
    rounds = moving(setting).rounds
    order = np.lexsort((rounds["round"], rounds["user"]))
    spent_s = sum(rounds[name] for name in (_TIMES[1:] if wrong else _TIMES))
    end_s, start_s = (rounds["start_s"] + spent_s)[order], rounds["start_s"][order]
    same = np.diff(rounds["user"][order]) == 0
    return no_difference(start_s[1:][same], end_s[:-1][same], tol=1e-9)


def twin(setting: Setting, wrong: bool) -> Finding:
    """Check that the slow engine, block by block, has the same rounds; the mutant is another world."""
    scenario = load_scenario("smoke").with_changes({"duration_s": 12, "warmup_s": 0})
    seed = 4 + setting.seed
    rounds = Simulation(scenario, make_policy(_BUSY), seed + wrong).run().rounds
    slow = ReferenceEngine(scenario, make_policy(_BUSY), seed).run()
    expected = [
        (r.user, r.start_s, sum(r.time_s) + r.stall_s + r.interruption_s, sum(r.energy_j)) for r in slow
    ]
    columns = (rounds[name] for name in ("user", "start_s", "delay_s", "energy_j"))
    return no_difference(sorted(zip(*columns, strict=True)), sorted(expected), tol=1e-9)


def repeated(setting: Setting, wrong: bool) -> Finding:
    """Count the digests that differ between two runs of one scenario, policy and seed."""
    first, second = (golden.digests_of("smoke", "dashf", seed) for seed in (7, 7 + wrong))
    return equal(float(sum(a != b for a, b in zip(first, second, strict=True))), 0.0)


def one_world(setting: Setting, wrong: bool) -> Finding:
    """Check that the world is untouched by the policy in it: digests after runs of two policies."""
    scenario = load_scenario("smoke").with_changes({"duration_s": 10, "warmup_s": 0})
    worlds = set()
    for k, name in enumerate(("rucaa", "dashf")):
        simulation = Simulation(scenario, make_policy(name), setting.seed + k * wrong)
        simulation.run()
        worlds.add(simulation.world.digest())
    return equal(float(len(worlds)), 1.0)


def golden_set(setting: Setting, wrong: bool) -> Finding:
    """Count the cases whose digests are not the shipped ones; all cases with a larger size."""
    known = golden.comparable_goldens()
    chosen = [case for case in known if setting.size > 1 or case[0] in ("smoke", "paper", "gpx-walk")]
    seed = golden.SEED + wrong
    return equal(float(sum(golden.digests_of(*case, seed=seed) != known[case] for case in chosen)), 0.0)


NAMES = [entry.name for entry in list_policies() if not entry.error]
LAWS = (
    *(
        Check(f"law {name}", "run = equations, worst error", "epochs of training forgotten", exactness(name))
        for name in NAMES
    ),
    Check("K1 work", "served + left = started", "what is left forgotten", work_kept),
    Check("K1 bits", "of finished rounds", "bytes for bits", bits_delivered),
    Check("K3 energy", "J, meters = rounds", "servers not metered", joules_metered),
    Check("K6 time", "rounds fill the run", "local training not counted", time_accounted),
    Check("twin", "engine = slow engine", "another world", twin),
)
DETERMINISM = (
    Check("D1 repeated", "digests that differ", "another seed", repeated),
    Check("D3 one world", "worlds of two policies", "a seed a policy", one_world),
    Check("D11 goldens", "cases that differ", "another seed", golden_set),
)
