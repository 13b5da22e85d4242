"""The engine against the equations of the paper, its slow twin and its ledger: rows K1 to K6 and D."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.optimize import brentq

from mecsim.engine.job import JobState
from mecsim.engine.recorder import RunRecord
from mecsim.engine.simulation import Simulation
from mecsim.policy import Observation, Phase, Policy, ScenarioInfo
from mecsim.registry import list_policies, make_policy
from mecsim.results.derive import generations
from mecsim.results.load import load_results
from mecsim.scenario.load import load_scenario
from mecsim.study.plan import plan
from mecsim.study.policy_choice import PolicyChoice
from mecsim.study.pool import run_here, run_in_workers
from mecsim.system.allocation import Allocation
from mecsim.testing import golden
from mecsim.testing.reference_engine import ReferenceEngine
from mecsim.testing.verification.broken_engine import (
    DependsOnTheProcess,
    other_record,
    other_scenario,
    other_seeds,
    smaller_grants,
    stateful_policies,
    zeroed,
)
from mecsim.testing.verification.finding import Check, Finding, Judge, Setting, equal, no_difference
from mecsim.testing.verification.mutant import replaced, reused
from mecsim.world.world import World

PHASES = ("local", "uplink", "server", "downlink")
_TIMES = (*(f"{phase}_s" for phase in PHASES), "stall_s", "interruption_s")
_BUSY = "gucaa"
SENT = ("nearest", _BUSY)
"""The policies that are sent to worker processes."""


class Spy:
    """A policy that stores the first observation and decision of another one."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.first: tuple[Observation, Allocation] | None = None

    def reset(self, info: ScenarioInfo, rng: np.random.Generator) -> None:
        """Reset the other policy."""
        reset = getattr(self.policy, "reset", None)
        if reset is not None:
            reset(info, rng)

    def allocate(self, observation: Observation) -> Allocation | None:
        """Return the decision of the other policy."""
        answer = self.policy.allocate(observation)
        if self.first is None and answer is not None:
            self.first = (observation, answer)
        return answer


def exactness(policy: str) -> Judge:
    """Return the check that a static run has the delays, energies and SCR of the paper's equations."""

    def judge(setting: Setting) -> Finding:
        scenario = load_scenario("paper").with_changes(
            {"duration_s": 1500, "users.count": 5, "users.epochs": 2, "servers.epochs": 3, "warmup_s": 0}
        )
        spy = Spy(make_policy(golden.SHORTER.get(policy, policy)))
        record = Simulation(scenario, spy, 1 + setting.seed).run()
        assert spy.first is not None, "every policy decides at time 0"
        instance, allocation = spy.first[0].instance, spy.first[1]
        first = record.rounds["round"] == 0
        order = np.argsort(record.rounds["user"][first])
        columns = [f"{phase}_{unit}" for unit in "sj" for phase in PHASES]
        got = [record.rounds[name][first][order] for name in columns]
        costs = instance.costs(allocation)
        expected = [*costs.delay_s.T, *costs.energy_j.T]
        made = generations(record.rounds, record.epochs, scenario)
        whole = [made[name][0] for name in ("delay_s", "energy_j", "scr")]
        said = [
            instance.delay(allocation).max(),
            instance.energy(allocation).sum(),
            instance.scr(allocation),
        ]
        return no_difference(np.append(got, whole), np.append(expected, said), tol=1e-9)

    return judge


@reused
def moving(setting: Setting) -> RunRecord:
    """Return a run with handovers, stalls and rounds in every phase."""
    return Simulation(load_scenario("smoke"), make_policy(_BUSY), 3 + setting.seed).run()


def work_kept(setting: Setting) -> Finding:
    """Check that all work that was started is served, left at the end or dropped."""
    ledger = moving(setting).ledger
    done = ledger["work_served"] + ledger["work_left"] + ledger["work_dropped"]
    return no_difference(done, ledger["work_started"], tol=1e-9)


def bits_delivered(setting: Setting) -> Finding:
    """Check that the bits of finished rounds are those the radios served to them."""
    record = moving(setting)
    rounds = record.rounds
    world = World(load_scenario("smoke"), 3 + setting.seed)
    params, _ = world.workload.work(rounds["user"], rounds["round"])
    done = rounds["outcome"] == "finished"
    bits = math.fsum((params * world.scenario.workload.bits_per_param)[done])
    served = math.fsum(record.ledger["work_served"][:, [1, 3]].ravel())
    unfinished = ~done
    # What rounds in progress have sent is between nothing and all of it.
    most = math.fsum((params * world.scenario.workload.bits_per_param)[unfinished])
    return Finding(served, bits, served - most, served * (1 + 1e-9))


def joules_metered(setting: Setting) -> Finding:
    """Check that meters hold what rounds were charged."""
    record = moving(setting)
    metered = math.fsum(record.ledger["user_meter_j"]) + math.fsum(record.ledger["server_meter_j"])
    return equal(math.fsum(record.rounds["energy_j"]), metered, rel=1e-9)


def shares(setting: Setting) -> Finding:
    """Check that a GPU or radio in use is shared out completely, after every event.

    The bandwidth of a user is computed from its rate.
    """
    still = {"users.mobility": {"model": "static"}, "channel.fading": {"model": "none"}}
    scenario = load_scenario("smoke").with_changes(
        still | {"duration_s": 20, "warmup_s": 0, "users.count": 6, "service.sharing": "work_conserving"}
    )
    simulation = Simulation(scenario, make_policy(_BUSY), 2 + setting.seed)
    clock, decisions, worst, looks = simulation.clock, simulation.decisions, 0.0, 0
    while clock.peek() < scenario.duration_s:
        clock.step()
        if decisions.asked:
            decisions.take(simulation.guard.decide(decisions.asked.observation))
        for given, whole in _given(simulation):
            worst, looks = max(worst, abs(given / whole - 1.0)), looks + 1
    return Finding(0.0, worst if looks > 100 else math.nan, 0.0, 1e-9)


def _given(simulation: Simulation) -> Iterator[tuple[float, float]]:
    """Yield what each GPU and radio in use gives, and what it has."""
    world, jobs = simulation.world, [job for job in simulation.roster.jobs if job.state is JobState.SERVED]
    servers, gains = world.servers, world.all_gains(0.0, fading=True)
    for m in range(world.server_count):
        here = [job for job in jobs if job.server == m]
        gpu = [job.rate / servers.gpu_count[m] for job in here if job.phase == Phase.SERVER]
        radio = [
            _band_hz(job.rate, job.power_w * gains[job.user, m] / world.noise_w_per_hz)
            for job in here
            if job.phase in (Phase.UPLINK, Phase.DOWNLINK)
        ]
        if gpu:
            yield math.fsum(gpu), float(servers.max_gpu_flops[m])
        if radio:
            yield math.fsum(radio), float(servers.bandwidth_hz[m])


def _band_hz(rate: float, received_over_noise_hz: float) -> float:
    """Return b with b log2(1 + s / b) = rate."""

    def missing(band_hz: float) -> float:
        return band_hz * math.log2(1.0 + received_over_noise_hz / band_hz) - rate

    return float(brentq(missing, 1e-3, 1e12, xtol=1e-6, rtol=1e-14))


def time_accounted(setting: Setting) -> Finding:
    """Check that each round starts where the user's one before has ended, by its columns of time."""
    rounds = moving(setting).rounds
    order = np.lexsort((rounds["round"], rounds["user"]))
    spent_s = sum(rounds[name] for name in _TIMES)
    end_s, start_s = (rounds["start_s"] + spent_s)[order], rounds["start_s"][order]
    same = np.diff(rounds["user"][order]) == 0
    return no_difference(start_s[1:][same], end_s[:-1][same], tol=1e-9)


def twin(setting: Setting) -> Finding:
    """Check that the slow engine, block by block, has the same rounds."""
    scenario = load_scenario("smoke").with_changes({"duration_s": 12, "warmup_s": 0})
    seed = 4 + setting.seed
    rounds = Simulation(scenario, make_policy(_BUSY), seed).run().rounds
    slow = ReferenceEngine(scenario, make_policy(_BUSY), seed).run()
    expected = [
        (r.user, r.start_s, sum(r.time_s) + r.stall_s + r.interruption_s, sum(r.energy_j)) for r in slow
    ]
    columns = (rounds[name] for name in ("user", "start_s", "delay_s", "energy_j"))
    return no_difference(sorted(zip(*columns, strict=True)), sorted(expected), tol=1e-9)


def repeated(setting: Setting) -> Finding:
    """Count the digests that differ between two runs of one scenario, policy and seed."""
    first, second = (golden.digests_of("smoke", "dashf", seed) for seed in (7, 7))
    return equal(float(sum(a != b for a, b in zip(first, second, strict=True))), 0.0)


def workers(setting: Setting) -> Finding:
    """Count the runs whose tables differ between this process and two others."""
    scenario = load_scenario("smoke").with_changes({"duration_s": 10, "warmup_s": 0})
    policies = [PolicyChoice.of(name) for name in SENT]
    with TemporaryDirectory(prefix="mecsim-") as folder:
        places = [Path(folder, place) for place in ("here", "there")]
        for place in places:
            place.mkdir()
        here = plan(scenario, policies, 2, setting.seed)
        list(run_here(here, places[0], None))
        list(run_in_workers(plan(scenario, policies, 2, setting.seed), 2, places[1]))
        digests = [{load_results(run).digest() for run in place.glob("[!.]*/")} for place in places]
    return equal(float(len(here) - len(digests[0] & digests[1])), 0.0)


def one_world(setting: Setting) -> Finding:
    """Check that the world is untouched by the policy in it: digests after runs of two policies."""
    scenario = load_scenario("smoke").with_changes({"duration_s": 10, "warmup_s": 0})
    worlds = set()
    for name in ("rucaa", "dashf"):
        simulation = Simulation(scenario, make_policy(name), setting.seed)
        simulation.run()
        worlds.add(simulation.world.digest())
    return equal(float(len(worlds)), 1.0)


def golden_set(setting: Setting) -> Finding:
    """Count the cases whose digests are not the shipped ones; all cases with a larger size."""
    known, few = golden.comparable_goldens(), ("smoke", "paper", "gpx-walk")[: setting.count(3)]
    chosen = [case for case in known if setting.size > 1 or case[0] in few]
    return equal(float(sum(golden.digests_of(*case) != known[case] for case in chosen)), 0.0)


_HERE = sys.modules[__name__]
SMALLER_GRANTS = smaller_grants("1 % less in force than decided", _HERE)
NO_WORK_LEFT = other_record("what is left forgotten", _HERE, zeroed("ledger", "work_left"))
BYTES = other_scenario("bytes for bits", _HERE, {"workload.bits_per_param": 4})
NO_SERVER_METERS = other_record("servers not metered", _HERE, zeroed("ledger", "server_meter_j"))
RESERVED = other_scenario("shares reserved for others", _HERE, {"service.sharing": "reserved"})
NO_LOCAL_TIME = other_record("local training not counted", _HERE, zeroed("rounds", "local_s"))
LOUD = other_scenario("1 dB of noise too much", _HERE, {"channel.noise_figure_db": 1.0})
STATEFUL = stateful_policies("state that runs share", golden)
PROCESS = replaced(
    "decisions that depend on the process",
    _HERE,
    "SENT",
    lambda _: (f"{DependsOnTheProcess.__module__}:{DependsOnTheProcess.__name__}",),
)
OTHER_WORLDS = other_seeds("a seed a run", _HERE)
OTHER_GOLDENS = smaller_grants("1 % less in force than decided", golden)

NAMES = [entry.name for entry in list_policies() if not entry.error]
LAWS = (
    *(
        Check(f"law {name}", "run = equations, worst error", exactness(name), SMALLER_GRANTS)
        for name in NAMES
    ),
    Check("K2 work", "served + left = started", work_kept, NO_WORK_LEFT),
    Check("K1 bits", "of finished rounds", bits_delivered, BYTES),
    Check("K3 energy", "J, meters = rounds", joules_metered, NO_SERVER_METERS),
    Check("K4 shares", "all that is there, worst error", shares, RESERVED),
    Check("K6 time", "rounds fill the run", time_accounted, NO_LOCAL_TIME),
    Check("twin", "engine = slow engine", twin, LOUD),
)
DETERMINISM = (
    Check("D1 repeated", "digests that differ", repeated, STATEFUL),
    Check("D2 workers", "runs that differ, 1 and 2 processes", workers, PROCESS),
    Check("D3 one world", "worlds of two policies", one_world, OTHER_WORLDS),
    Check("D11 goldens", "cases that differ", golden_set, OTHER_GOLDENS),
)
