"""A slow, independent implementation of the engine, written from docs/model.md sections 10 to 13 alone.

It steps from one instant to the next: the edge of a fading block, a decision, the end of a phase
or of an interruption, the start of a round. Between two instants all rates are constant, so amounts
grow by rate times time; at each instant all rates are computed again. It uses no SimPy, no windows
of blocks and no bookkeeping of changes, and it shares no code with the engine.
"""

from __future__ import annotations

import math

import numpy as np

from mecsim.policy import Observation, Phase, Policy, ScenarioInfo
from mecsim.rng import Purpose, stream
from mecsim.scenario.schema import Scenario
from mecsim.scenario.workload import Continuous, Synchronous
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, frozen
from mecsim.testing.reference_power import electronics_w, part_of_cube, shares_gpu
from mecsim.testing.reference_rate import bits_per_s_and_hz
from mecsim.testing.reference_round import Round, User, works
from mecsim.units import gbps_to_bps
from mecsim.world.world import World

RADIO = (Phase.UPLINK, Phase.DOWNLINK)
PHASES = (Phase.LOCAL, Phase.UPLINK, Phase.SERVER, Phase.DOWNLINK)


class ReferenceEngine:
    """The slow counterpart of :class:`mecsim.engine.simulation.Simulation`, for small scenarios.

    The policy must return feasible allocations; they are not checked here.

    Parameters
    ----------
    scenario : Scenario
    policy : Policy
    seed : int
    """

    def __init__(self, scenario: Scenario, policy: Policy, seed: int) -> None:
        self.scenario, self.policy, self.world = scenario, policy, World(scenario, seed)
        self.now_s, self.block, self.epoch, self.handovers = 0.0, 0, 0, 0
        self.periods, self.ready_s, self.asked_meanwhile = 0, math.inf, False
        self.decided: Allocation | None = None
        self.ended: list[Round] = []
        self.user_meter_j = [0.0] * self.world.user_count
        self.server_meter_j = [0.0] * self.world.server_count
        self.allocation: Allocation | None = None
        until_s, mode, count = scenario.duration_s, scenario.workload.rounds, self.world.user_count
        self.chained = isinstance(mode, Continuous | Synchronous)
        self.think_s = mode.think_s if isinstance(mode, Continuous | Synchronous) else 0.0
        self.arrivals_s = [[*self.world.workload.arrivals_s(n, until_s), math.inf] for n in range(count)]
        self.users = [User(0.0 if self.chained else self.arrivals_s[n][0]) for n in range(count)]
        if hasattr(policy, "reset"):
            period_s = scenario.reallocation.period_s
            info = ScenarioInfo(scenario.name, count, self.world.server_count, until_s, period_s)
            policy.reset(info, stream(seed, Purpose.POLICY))

    def run(self) -> list[Round]:
        """Return the rounds: the finished ones in the order of their ends, then the others by user."""
        period_s = self.scenario.reallocation.period_s
        while True:
            for n, user in enumerate(self.users):
                user.rate, user.power_w = self._rate_and_power(n) if user.round else (0.0, 0.0)
            changes_s = [self._next_change(user) for user in self.users]
            edge_s = (self.block + 1) * self.world.block_s
            instant_s = min(*changes_s, edge_s, self.periods * period_s, self.ready_s, self._next_visit_s())
            if instant_s >= self.scenario.duration_s:
                break
            ending = [n for n, user in enumerate(self.users) if user.rate > 0 and changes_s[n] == instant_s]
            self._pass_time(instant_s)
            self.block += instant_s == edge_s
            for n in ending:
                self._begin_next_phase(n)
            self._come_and_go()
            if instant_s == self.periods * period_s:
                self.periods += 1
                self._ask()
            if instant_s == self.ready_s:
                self._put_in_force(self.decided)
                if self.asked_meanwhile:
                    self._ask()
            for n, user in enumerate(self.users):
                if user.round is None and user.next_start_s <= self.now_s:
                    self._start_round(n)
        self._pass_time(self.scenario.duration_s)
        return self.ended + [user.round for user in self.users if user.round]

    def _next_visit_s(self) -> float:
        """Return when the next user comes or goes; here everybody is there all the time."""
        return math.inf

    def _come_and_go(self) -> None:
        """Take out who goes now, and let in who comes."""

    def _next_change(self, user: User) -> float:
        if user.round is None:
            return user.next_start_s
        if self._interrupted(user):
            return user.interrupted_until_s
        return self.now_s + max(0.0, user.left / user.rate) if user.rate > 0 else math.inf

    def _interrupted(self, user: User) -> bool:
        return user.interrupted_until_s > self.now_s

    def _pass_time(self, until_s: float) -> None:
        """Advance to an instant at the present rates and powers."""
        elapsed_s = until_s - self.now_s
        for n, user in enumerate(self.users):
            if user.round is None:
                continue
            user.round.score_s += self._score(n) * elapsed_s
            if self._interrupted(user):
                user.round.interruption_s += elapsed_s
            elif user.rate == 0:
                user.round.stall_s += elapsed_s
            else:
                user.left -= user.rate * elapsed_s
                user.round.time_s[user.phase] += elapsed_s
                user.round.energy_j[user.phase] += (user.power_w + user.other_w) * elapsed_s
                meters = [(self.user_meter_j, n), (self.server_meter_j, self._server(n))]
                payer, other = meters if user.phase in (Phase.LOCAL, Phase.UPLINK) else meters[::-1]
                payer[0][payer[1]] += user.power_w * elapsed_s
                other[0][other[1]] += user.other_w * elapsed_s
        self.now_s = until_s

    def _rate_and_power(self, n: int) -> tuple[float, float]:
        """Return the rate in bit/s or FLOP/s and the power in W of the phase that a user is in."""
        user, grants, world = self.users[n], self._grants(), self.world
        server, user.other_w = self._server(n), 0.0
        if self._interrupted(user):
            return 0.0, 0.0
        if user.phase in RADIO:
            bandwidth_hz = grants.bandwidth_hz[n] * self._stretch(n, RADIO, grants.bandwidth_hz)
            power_w = (grants.user_power_w if user.phase is Phase.UPLINK else grants.server_power_w)[n]
            if bandwidth_hz == 0 or power_w == 0:
                return 0.0, 0.0
            block_s = np.array([self.block * world.block_s])
            gain = world.gain(np.array([n]), np.array([server]), block_s).item()
            if user.phase is Phase.DOWNLINK:
                gain *= world.downlink_share(np.array([n]), np.array([server]), block_s).item()
            snr = gain * power_w / (world.noise_w_per_hz * bandwidth_hz)
            circuit_w, user.other_w = electronics_w(world, user.phase, n, server)
            return bandwidth_hz * bits_per_s_and_hz(
                self.scenario.channel, snr, user.phase
            ), power_w + circuit_w
        if user.phase is Phase.LOCAL:
            speed = grants.user_gpu_flops[n]
            gpus, kappa = world.workload.devices["gpu_count"][n], world.workload.devices["kappa"][n]
        else:
            granted, serving = grants.server_gpu_flops, (Phase.SERVER,)
            speed = granted[n] * self._stretch(n, serving, granted)
            gpus, kappa = world.servers.gpu_count[server], world.servers.kappa[server]
            if shares_gpu(world, server):
                in_use = (granted[k] * self._stretch(k, serving, granted) for k in self._using(n, serving))
                return gpus * speed, gpus * kappa * part_of_cube(world, server, speed, in_use)
        return gpus * speed, gpus * kappa * speed**3

    def _stretch(self, n: int, phases: tuple[Phase, ...], grant: Floats) -> float:
        """Return the factor of a grant under work-conserving sharing: all grants over those in use."""
        if self.scenario.service.sharing == "reserved":
            return 1.0
        server = self._grants().server
        used = sum(grant[k] for k in self._using(n, phases))
        here = sum(grant[k] for k in range(len(server)) if server[k] == server[n])
        return float(here / used) if used > 0 else 1.0

    def _using(self, n: int, phases: tuple[Phase, ...]) -> list[int]:
        """Return the users at the server of a user who are in some phases and not interrupted."""
        server = self._grants().server
        here = [k for k in range(len(server)) if server[k] == server[n]]
        return [k for k in here if self.users[k].phase in phases and not self._interrupted(self.users[k])]

    def _score(self, n: int) -> float:
        grants, servers, law = self._grants(), self.world.servers, self.scenario.objective
        m = self._server(n)
        shares = (
            grants.bandwidth_hz[n] / servers.bandwidth_hz[m]
            + grants.server_power_w[n] / servers.max_power_w[m]
            + grants.server_gpu_flops[n] / servers.max_gpu_flops[m]
        )
        return float(law.score_scale * math.log(1.0 + law.score_slope * shares))

    def _server(self, n: int) -> int:
        return int(self._grants().server[n])

    def _grants(self) -> Allocation:
        assert self.allocation is not None, "no round starts before the first decision"
        return self.allocation

    def _start_round(self, n: int) -> None:
        user, grants = self.users[n], self._grants()
        k = user.begun
        params, flops_per_param = self.world.workload.work(np.array([n]), np.array([k]))
        wait_s = 0.0 if self.chained else self.now_s - self.arrivals_s[n][k]
        server, phi = self._server(n), float(grants.local_fraction[n])
        user.round = Round(n, k, self.now_s, wait_s, server, server, phi, params[0], flops_per_param[0])
        user.round.epoch = self.epoch - 1
        user.begun += 1
        self._begin_next_phase(n)

    def _begin_next_phase(self, n: int) -> None:
        """Start the next phase with work; end the round after the last one."""
        user = self.users[n]
        work = self._work(n, user.round) if user.round else {}
        for phase in PHASES[user.phase + 1 :]:
            if work[phase] > 0:
                user.phase, user.work, user.left = phase, work[phase], work[phase]
                return
        self._end_round(n)

    def _work(self, n: int, r: Round) -> dict[Phase, float]:
        epochs = self.world.workload.devices["epochs"][n], self.world.servers.epochs[self._server(n)]
        return works(self.scenario.workload, r, *epochs)

    def _end_round(self, n: int) -> None:
        """Record the round and the start of the next one, and start it if that is now."""
        user, now = self.users[n], self.now_s
        if user.round:
            user.round.outcome = "finished"
            self.ended.append(user.round)
        user.round, user.phase, user.left = None, Phase.IDLE, 0.0
        user.next_start_s = now + self.think_s if self.chained else self.arrivals_s[n][user.begun]
        next_ones = [n]
        if isinstance(self.scenario.workload.rounds, Synchronous):
            user.next_start_s = math.inf
            if any(other.round or other.next_start_s < math.inf for other in self.users):
                return
            next_ones = list(range(len(self.users)))
            for other in self.users:
                other.next_start_s = now + self.think_s
        for k in next_ones:
            if self.users[k].next_start_s <= now:
                self._start_round(k)

    def _ask(self) -> None:
        """Ask the policy. The first decision is in force at once, later ones after the decision latency."""
        self.asked_meanwhile = self.ready_s < math.inf
        if self.asked_meanwhile:
            return
        self.decided = self.policy.allocate(self._observe())
        self.epoch += 1
        latency = self.scenario.reallocation.decision_latency
        if self.allocation is None or latency == "none":
            self._put_in_force(self.decided)
        else:
            self.ready_s = self.now_s + latency

    def _put_in_force(self, decided: Allocation | None) -> None:
        self.ready_s = math.inf
        before, self.allocation = self.allocation, decided or self._grants()
        for n, user in enumerate(self.users):
            if user.round and before and before.server[n] != self.allocation.server[n]:
                self._hand_over(user, user.round, int(self.allocation.server[n]))

    def _hand_over(self, user: User, r: Round, server: int) -> None:
        """Move or lose what the old server holds; in the local phase it holds nothing."""
        self.handovers += 1
        r.handovers += 1
        r.server_last = server
        if user.phase is Phase.LOCAL:
            return
        if self.scenario.handover.mode == "restart":
            r.restarts += not self._interrupted(user)  # a round that waits to restart has no more to lose
            user.phase = Phase.LOCAL
            self._begin_next_phase(r.user)
            user.interrupted_until_s = self.now_s + self.scenario.handover.latency_s
            return
        received = self._work(r.user, r)[Phase.UPLINK]
        held = {Phase.UPLINK: user.work - user.left, Phase.SERVER: received, Phase.DOWNLINK: user.left}
        r.moved_bits += held[user.phase]
        handover = self.scenario.handover
        move_s = held[user.phase] / gbps_to_bps(handover.backhaul_gbps)
        user.interrupted_until_s = self.now_s + handover.latency_s + move_s

    def _observe(self) -> Observation:
        world, users = self.world, self.users
        gain = world.gain if self.scenario.reallocation.csi == "instantaneous" else world.mean_gain
        links = np.arange(world.user_count)[:, None], np.arange(world.server_count)[None, :]
        rounds = np.array([user.begun - (user.round is not None) for user in users])
        return Observation(
            time_s=self.now_s,
            instance=world.snapshot(
                world.workload.users(rounds),
                gain(*links, np.array([self.now_s])),
                world.downlink_share(*links, np.array([self.now_s])),
            ),
            phase=frozen([user.phase for user in users], np.int8),
            remaining=frozen([user.left for user in users]),
            local_fraction=frozen([user.round.phi if user.round else math.nan for user in users]),
            pinned=frozen(np.zeros(len(users)), np.bool_),
            allocation=self.allocation,
            epoch=self.epoch,
        )
