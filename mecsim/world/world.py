"""The world of one run: positions, gains and work of any user at any time, in any order."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cached_property

import numpy as np

from mecsim.scenario.schema import Scenario
from mecsim.system.arrays import Floats, Ints, frozen, of_users
from mecsim.system.devices import Score, Users, Weights
from mecsim.system.instance import Instance
from mecsim.system.rates import RateLaw
from mecsim.units import SPEED_OF_LIGHT_MPS, db_to_linear, dbm_to_w, ghz_to_hz
from mecsim.world.channel.fading import RayleighLinks
from mecsim.world.channel.interference import Interference
from mecsim.world.channel.local_mean import Link, LocalMean, looked_up
from mecsim.world.channel.measured import MeasuredGains
from mecsim.world.channel.model import Bools
from mecsim.world.channel.rician import LineOfSightComponent
from mecsim.world.devices import power_of, servers_of
from mecsim.world.faults import ServerConditions
from mecsim.world.mobility.followed import replay_of
from mecsim.world.mobility.trajectories import GrowingTrajectories, Trajectories
from mecsim.world.population import Population
from mecsim.world.windows import WINDOW, WINDOW_BLOCKS, Windows, block_index
from mecsim.world.workload import Workload

_MOST_KEPT = 1_000_000


class World:
    """A pure function of (scenario, seed, entity, time); no policy can change it.

    Gains are constant over fading blocks: the value of block ``k`` is that of its start,
    ``k * block_s``. The methods of an array of users, servers and times broadcast.

    Parameters
    ----------
    scenario : Scenario
    seed : int
        Not negative. Same scenario and seed, same world.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        channel, fading = scenario.channel, scenario.channel.fading
        self.scenario = scenario
        replayed = replay_of(scenario)
        seen_s, self.absences_s = (replayed.seen_s, replayed.absences_s) if replayed else (None, [])
        self.population = Population.draw(scenario, seed, seen_s)
        self.conditions = ServerConditions.draw(scenario, seed)
        self.user_count, self.server_count = self.population.count, scenario.servers.count
        self.block_s = fading.block_s
        self.window_s = WINDOW_BLOCKS * self.block_s
        self.servers = servers_of(scenario)
        self.server_position_m = frozen(scenario.servers.sites_m)
        self.noise_w_per_hz = dbm_to_w(channel.noise_dbm_per_hz + channel.noise_figure_db)
        self.workload = Workload(scenario, seed, self.population)
        self.population = self.population.with_idle_power(self.workload.gpu_idle_w)
        self.power = power_of(scenario, self.workload.power | self.workload.devices, self.servers)
        self.objective = self.population.objective(scenario)
        self._trajectories = GrowingTrajectories(scenario, seed, self.population, replayed)
        self.windows = Windows(self._trajectories, self.block_s)
        self.rate_law = RateLaw.of(self.noise_w_per_hz, channel.rate_spec, ergodic=fading.model == "ergodic")
        self._local = LocalMean(channel, self.server_position_m, seed)
        self._measured: MeasuredGains | None = None
        if channel.trace is not None:
            offset_db = channel.trace.offset_db(channel.noise_dbm_per_hz + channel.noise_figure_db)
            links = self.user_count, self.server_count
            self._measured = MeasuredGains.of(channel.trace.links(), offset_db, *links)
        self._interference: Interference | None = None
        if channel.interference.model == "full_buffer":
            user_power_w = float(self.workload.devices["max_power_w"].mean())
            place = self.server_position_m, self._local, self.noise_w_per_hz
            self._interference = Interference(scenario, self.servers, user_power_w, *place)
        wavelength_m = SPEED_OF_LIGHT_MPS / ghz_to_hz(channel.carrier_ghz)
        self._ambient_mps = fading.ambient_hz * wavelength_m
        self._fading: RayleighLinks | None = None
        self._direct: LineOfSightComponent | None = None
        if fading.model in ("rayleigh", "rician"):
            self._fading = RayleighLinks.draw(seed, self.user_count, self.server_count, wavelength_m)
        if fading.direct_db is not None:
            k, heights_m = db_to_linear(fading.direct_db), channel.heights_m or (0.0, 0.0)
            self._direct = LineOfSightComponent(k, wavelength_m, heights_m[0] - heights_m[1])

    @property
    def trajectories(self) -> Trajectories:
        """The trajectories as far as they are drawn: at least until the latest time asked for so far."""
        return self._trajectories.drawn

    @property
    def moving(self) -> bool:
        """Whether any gain changes with time."""
        return self.trajectories.moving or self._ambient_mps > 0 or self._measured is not None

    @property
    def interfered(self) -> bool:
        """Whether cells disturb one another, so that gains differ between uplink and downlink."""
        return self._interference is not None

    @cached_property
    def _still_mean(self) -> Floats | None:
        """Local means of all links (N, M) where they never change, and are not too many to keep."""
        return None if self._changes else self._local_mean(*self._all_links(), np.array(0.0)).gain

    @cached_property
    def _still_gain(self) -> Floats | None:
        return None if self._changes else self._gain(*self._all_links(), np.array(0.0))

    @property
    def _changes(self) -> bool:
        return self.moving or self.user_count * self.server_count > _MOST_KEPT

    def _all_links(self) -> tuple[Ints, Ints]:
        return np.arange(self.user_count)[:, None], np.arange(self.server_count)[None, :]

    def block(self, times_s: Floats) -> Ints:
        """Return the index of the fading block that holds each time."""
        return block_index(times_s, self.block_s)

    def block_start_s(self, times_s: Floats) -> Floats:
        """Return the start of the fading block that holds each time."""
        return self.block(times_s).astype(np.float64) * self.block_s

    def position_m(self, users: Ints, times_s: Floats) -> Floats:
        """Return positions in m, shape S + (2,)."""
        return self._trajectories.reaching(times_s).position_m(users, times_s)

    def is_away(self, users: Ints, times_s: Floats) -> Bools:
        """Return whether users of a trace are away at times between its first and last sample."""
        users, times_s = np.broadcast_arrays(users, times_s)
        away = np.zeros(users.shape, dtype=np.bool_)
        for n, absences_s in enumerate(self.absences_s):
            for from_s, to_s in absences_s:
                away |= (users == n) & (times_s >= from_s) & (times_s < to_s)
        return away

    def mean_gain(self, users: Ints, servers: Ints, times_s: Floats) -> Floats:
        """Return path loss x shadowing as a linear power gain: the local mean, without fast fading."""
        if self._still_mean is not None:
            return looked_up(self._still_mean, users, servers, times_s)
        return self._local_mean(users, servers, times_s).gain

    def mean_gain_at(self, servers: Ints, position_m: Floats) -> Floats:
        """Return the local mean between servers and any places, shapes S and S + (2,)."""
        return self._local.at(servers, position_m).gain

    def line_of_sight(self, users: Ints, servers: Ints, times_s: Floats) -> Bools | None:
        """Return whether links have line of sight; None if the path loss does not depend on it."""
        return self._local_mean(users, servers, times_s).los

    def gain(self, users: Ints, servers: Ints, times_s: Floats) -> Floats:
        """Return the linear power gain of links at the fading block of each time."""
        if self._still_gain is not None:
            return looked_up(self._still_gain, users, servers, times_s)
        return self._gain(users, servers, times_s)

    def rate(self, user: Ints, server: Ints, time_s: Floats, bandwidth_hz: Floats, power_w: Floats) -> Floats:
        """Return uplink rates in bit/s of links with a bandwidth and a transmit power, by ``rate_law``."""
        return self.rate_law.up.rate(bandwidth_hz, power_w, self.gain(user, server, time_s))

    def _gain(self, users: Ints, servers: Ints, times_s: Floats) -> Floats:
        link = self._local_mean(users, servers, times_s)
        if self._fading is None:
            return link.gain
        start_s = self.block_start_s(times_s)
        ways = self._trajectories.reaching(start_s)
        travelled_m = ways.travelled_m(users, start_s) + self._ambient_mps * start_s
        if self._direct is None:
            return link.gain * self._fading.power(users, servers, travelled_m)
        scattered = self._fading.coefficient(users, servers, travelled_m)
        return link.gain * self._direct.power(scattered, link)

    def downlink_share(self, users: Ints, servers: Ints, times_s: Floats) -> Floats:
        """Return the factors that convert gains, which are those of the uplink, into downlink gains.

        Where cells disturb one another, a gain is the channel's times what the interference leaves of it,
        ``N0 / (N0 + I)``; see :class:`~mecsim.world.channel.interference.Interference`.
        """
        if self._interference is None:
            return np.ones(np.broadcast_shapes(np.shape(users), np.shape(servers), np.shape(times_s)))
        left = self._interference.downlink(servers, self.position_m(users, self.block_start_s(times_s)))
        return np.asarray(left / self._interference.uplink[servers])

    def all_downlink_shares(self, time_s: float) -> Floats | None:
        """Return those factors of all links at one time, (N, M); None without interference."""
        if self._interference is None:
            return None
        return self.downlink_share(*self._all_links(), np.array(time_s))

    def all_gains(self, time_s: float, *, fading: bool) -> Floats:
        """Return the gains of all links at one time, shape (N, M), with or without fast fading."""
        return (self.gain if fading else self.mean_gain)(*self._all_links(), np.array(time_s))

    def gain_window(self, users: Ints, servers: Ints, window: int, blocks: range = WINDOW) -> Floats:
        """Return the gains of U links over one window of blocks or a part of it, (U, len(blocks)).

        The same numbers as ``gain`` to rounding, many times faster. Window w holds the blocks
        from ``w * WINDOW_BLOCKS`` on; a gain depends on the link, the window and its block alone.
        """
        return self.windows.values(self._leg_gains, users, servers, window, blocks)

    def downlink_window(self, users: Ints, servers: Ints, window: int, blocks: range = WINDOW) -> Floats:
        """Return the factors of ``downlink_share`` of U links over the same blocks."""
        return self.windows.values(self._leg_downlink_shares, users, servers, window, blocks)

    def instance(self, time_s: float, rounds: Ints | None = None, *, fading: bool = True) -> Instance:
        """Return the snapshot at a time, of the given round of each user (the first by default)."""
        rounds = np.zeros(self.user_count, dtype=np.int64) if rounds is None else rounds
        gain, share = self.all_gains(time_s, fading=fading), self.all_downlink_shares(time_s)
        return self.snapshot(self.workload.users(rounds), gain, share)

    def snapshot(self, users: Users, gain: Floats, share: Floats | None, who: Ints | None = None) -> Instance:
        """Return an instance of this world's servers for given users and gains; ``who`` if not of all."""
        objective = self.scenario.objective
        return Instance(
            users=users,
            servers=self.servers,
            gain=gain,
            noise_w_per_hz=self.noise_w_per_hz,
            bits_per_param=self.scenario.workload.bits_per_param,
            weights=Weights(objective.delay_weight_per_s, objective.energy_weight_per_j),
            score_law=Score(objective.score_scale, objective.score_slope),
            name=self.scenario.name,
            ergodic=self.scenario.channel.fading.model == "ergodic",
            downlink_share=share,
            rate=self.scenario.channel.rate_spec,
            power=of_users(self.power, who),
            work=self.workload.affine(users),
            objective=of_users(self.objective, who),
        )

    def digest(self) -> str:
        """Return a SHA-256 over positions, gains, work, arrivals and events sampled over the whole run."""
        times_s = np.linspace(0.0, self.scenario.duration_s, 17)
        users, servers = np.arange(self.user_count), np.arange(self.server_count)
        work = [self.workload.work(users, np.full(self.user_count, k)) for k in range(3)]
        arrivals = [self.workload.arrivals_s(n, self.scenario.duration_s) for n in range(self.user_count)]
        parts = [
            self.position_m(users[:, None], times_s),
            self.gain(users[:, None, None], servers[None, :, None], times_s),
            self.gain_window(users, users % self.server_count, 1),
            self.downlink_share(users[:, None, None], servers[None, :, None], times_s)
            if self.interfered
            else np.empty(0),
            *(column for pair in work for column in pair),
            *arrivals,
            *([] if self.population.always else self.population.columns),
            *(np.array([time_s, m, *value]) for time_s, m, value in self.conditions.changes()),
        ]
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()

    def _local_mean(self, users: Ints, servers: Ints, times_s: Floats) -> Link:
        start_s = self.block_start_s(times_s)
        link = self._local.at(servers, self.position_m(users, start_s))
        if self._measured is not None:
            return replace(link, gain=self._measured.at(users, servers, start_s))
        return self._with_uplink_interference(link, servers)

    def _with_uplink_interference(self, link: Link, servers: Ints) -> Link:
        if self._interference is None:
            return link
        return replace(link, gain=link.gain * self._interference.uplink[servers])

    def _leg_downlink_shares(
        self, users: Ints, servers: Ints, leg: Ints, start_s: float, blocks: range
    ) -> Floats:
        if self._interference is None:
            return np.ones((len(users), len(blocks)))
        legs = self.trajectories.legs
        start_m = legs.start_m[leg] + legs.velocity_mps[leg] * (start_s - legs.start_s[leg])[:, None]
        step_m = legs.velocity_mps[leg] * self.block_s
        left = self._interference.downlink_on_grid(servers, start_m, step_m, blocks)
        return np.asarray(left / self._interference.uplink[servers][:, None])

    def _leg_gains(self, users: Ints, servers: Ints, leg: Ints, start_s: float, blocks: range) -> Floats:
        legs = self.trajectories.legs
        since_s = start_s - legs.start_s[leg]
        start_m = legs.start_m[leg] + legs.velocity_mps[leg] * since_s[:, None]
        link = self._local.on_grid(servers, start_m, legs.velocity_mps[leg] * self.block_s, blocks)
        if self._measured is not None:
            index = self.block(np.array(start_s)) + np.arange(blocks.start, blocks.stop)
            times_s = index.astype(np.float64) * self.block_s
            link = replace(link, gain=self._measured.at(users[:, None], servers[:, None], times_s))
        link = self._with_uplink_interference(link, servers[:, None])
        if self._fading is None:
            return link.gain
        travelled_m = legs.travelled_m[leg] + legs.speed_mps[leg] * since_s + self._ambient_mps * start_s
        step_m = (legs.speed_mps[leg] + self._ambient_mps) * self.block_s
        if self._direct is None:
            return link.gain * self._fading.power_on_grid(users, servers, travelled_m, step_m, blocks)
        scattered = self._fading.coefficient_on_grid(users, servers, travelled_m, step_m, blocks)
        return link.gain * self._direct.power(scattered, link)
