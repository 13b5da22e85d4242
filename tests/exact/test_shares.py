"""What servers give, at every moment (docs/verification.md K4), and a policy's own time (K7)."""

import math
import time

import numpy as np
import pytest

from mecsim.engine.job import JobState
from mecsim.engine.radio import BlockFadingRadio
from mecsim.engine.service import Service
from mecsim.engine.sharing import WorkConserving
from mecsim.engine.simulation import Simulation
from mecsim.policy import Phase
from mecsim.world.world import World


class Watch:
    """Looks at what every server gives, each time that rates change (K4)."""

    def __init__(self, monkeypatch):
        self.bandwidth_hz, self.looks, self.shared = {}, 0, 0
        refresh, serve = Service.refresh, BlockFadingRadio.serve

        def watched_serve(radio, grants, now_s, shares=None):
            self.bandwidth_hz |= {grant.job.user: grant.bandwidth_hz for grant in grants}
            if shares is not None:
                users = [job.user for job in shares.jobs]
                self.bandwidth_hz |= zip(users, shares.bandwidth_hz, strict=True)
            serve(radio, grants, now_s, shares)

        def watched_refresh(service, jobs):
            refresh(service, jobs)
            self.look(service._roster.jobs, service._in_force.grants)

        monkeypatch.setattr(BlockFadingRadio, "serve", watched_serve)
        monkeypatch.setattr(Service, "refresh", watched_refresh)

    def look(self, all_jobs, grants):
        self.looks += 1
        servers = self.world.servers
        for m in range(self.world.server_count):
            there = [job for job in all_jobs if job.in_service and job.server == m]
            radio = [job for job in there if job.phase in (Phase.UPLINK, Phase.DOWNLINK)]
            gpu = [job for job in there if job.phase == Phase.SERVER]
            used = {
                "bandwidth": (radio, grants.bandwidth_hz, [self.bandwidth_hz[j.user] for j in radio]),
                "gpu": (gpu, grants.server_gpu_flops, [j.rate / servers.gpu_count[m] for j in gpu]),
            }
            budget = {"bandwidth": servers.bandwidth_hz[m], "gpu": servers.max_gpu_flops[m]}
            for name, (jobs, granted, got) in used.items():
                assert math.fsum(got) <= budget[name] * (1 + 1e-12), name
                own = [granted[job.user] for job in jobs]
                if self.sharing == "reserved":
                    assert got == pytest.approx(own, rel=1e-12), name
                elif math.fsum(own) > 0:
                    everyones = math.fsum(g for g, k in zip(granted, grants.server, strict=True) if k == m)
                    assert math.fsum(got) == pytest.approx(everyones, rel=1e-12), name
                    self.shared += math.fsum(got) > math.fsum(own)
                for job, share in zip(jobs, own, strict=True):
                    assert share > 0 or job.state is not JobState.SERVED, "service without a grant"

    def run(self, scenario, policy, seed):
        self.world, self.sharing = World(scenario, seed), scenario.service.sharing
        return Simulation(scenario, policy, seed).run()


@pytest.fixture
def watch(monkeypatch):
    return Watch(monkeypatch)


@pytest.mark.parametrize("sharing", ["reserved", "work_conserving"])
def test_no_server_gives_more_than_it_has_at_any_moment(draw_scenario, random_policy, watch, sharing):
    for seed in range(6):
        scenario = draw_scenario(
            seed, moving=True, changes={"service.sharing": sharing, "workload.rounds": {"mode": "continuous"}}
        )
        watch.run(scenario, random_policy(seed), seed)
    assert watch.looks > 1000
    assert (watch.shared > 100) == (sharing == "work_conserving")


@pytest.mark.parametrize(
    "bug",
    [
        lambda sharing, job: 1.0,
        lambda sharing, job: float(len(sharing._roster.jobs)),
        lambda sharing, job: 1.0 if job.phase == Phase.UPLINK else 1.5,
    ],
    ids=["shares not given back", "everyone gets everything", "uplink apart from downlink"],
)
def test_a_wrong_share_is_noticed(draw_scenario, random_policy, monkeypatch, bug):
    monkeypatch.setattr(WorkConserving, "factor", bug)
    watch = Watch(monkeypatch)
    scenario = draw_scenario(3, moving=True, changes={"service.sharing": "work_conserving"})
    assert scenario.users.count > scenario.servers.count
    with pytest.raises(AssertionError):
        watch.run(scenario, random_policy(3), 3)


class Slow:
    """A policy that takes its time, by the processor's clock and by the wall's."""

    def __init__(self, policy):
        self.policy = policy

    def allocate(self, observation):
        answer = self.policy.allocate(observation)
        until = time.process_time() + 0.002
        while time.process_time() < until:
            time.sleep(0.0005)
            sum(range(20_000))
        return answer


def test_the_policys_own_time_moves_no_clock(draw_scenario, random_policy, digest):
    scenario = draw_scenario(5, moving=True)
    quick = Simulation(scenario, random_policy(5), 5).run()
    slow = Simulation(scenario, Slow(random_policy(5)), 5).run()
    assert digest(quick) == digest(slow)
    assert slow.epochs["decision_cpu_s"].min() >= 0.002 > np.median(quick.epochs["decision_cpu_s"])
