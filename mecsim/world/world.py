"""The world of one run: positions, gains and work, for any user at any time in any order."""

from __future__ import annotations

import hashlib

import numpy as np

from mecsim.scenario.schema import Scenario
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.system.instance import Instance, Score, Servers, Users, Weights
from mecsim.units import SPEED_OF_LIGHT_MPS, db_to_linear, dbm_to_w, ghz_to_hz, mhz_to_hz, tflops_to_flops
from mecsim.world.fading import RayleighLinks
from mecsim.world.mobility import Trajectories
from mecsim.world.pathloss import PATH_LOSS
from mecsim.world.shadowing import ShadowingFields
from mecsim.world.waves import GRID
from mecsim.world.workload import Workload

WINDOW_BLOCKS = GRID
_PAIRS_AT_ONCE = 32


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
        channel = scenario.channel
        self.scenario = scenario
        self.user_count = scenario.users.count
        self.server_count = scenario.servers.count
        self.block_s = channel.fading.block_s
        self.window_s = WINDOW_BLOCKS * self.block_s
        self.servers = _servers(scenario)
        self.server_position_m = frozen(scenario.servers.positions_m)
        self.noise_w_per_hz = dbm_to_w(channel.noise_dbm_per_hz + channel.noise_figure_db)
        self.workload = Workload(scenario, seed)
        self.trajectories = Trajectories.draw(scenario, seed, scenario.duration_s + self.window_s)
        self._path_loss = PATH_LOSS[channel.path_loss]
        self._min_distance_m = channel.min_distance_m
        self._carrier_hz = ghz_to_hz(channel.carrier_ghz)
        self._shadowing: ShadowingFields | None = None
        if channel.shadowing.sigma_db > 0:
            self._shadowing = ShadowingFields.draw(
                seed, self.server_count, channel.shadowing.sigma_db, channel.shadowing.decorrelation_m
            )
        self._fading: RayleighLinks | None = None
        if channel.fading.model == "rayleigh":
            wavelength_m = SPEED_OF_LIGHT_MPS / self._carrier_hz
            self._fading = RayleighLinks.draw(seed, self.user_count, self.server_count, wavelength_m)

    def block(self, times_s: Floats) -> Ints:
        """Return the index of the fading block that holds each time."""
        index = np.floor(np.asarray(times_s) / self.block_s).astype(np.int64)
        # The quotient may round across a block's edge; the edge itself is index * block_s.
        index += (index + 1) * self.block_s <= times_s
        index -= index * self.block_s > times_s
        return index

    def block_start_s(self, times_s: Floats) -> Floats:
        """Return the start of the fading block that holds each time."""
        return self.block(times_s).astype(np.float64) * self.block_s

    def position_m(self, users: Ints, times_s: Floats) -> Floats:
        """Return positions in m, shape S + (2,)."""
        return self.trajectories.position_m(users, times_s)

    def mean_gain(self, users: Ints, servers: Ints, times_s: Floats) -> Floats:
        """Return path loss x shadowing as a linear power gain: the local mean, without fast fading."""
        return self._mean_gain_at(servers, self.trajectories.position_m(users, self.block_start_s(times_s)))

    def gain(self, users: Ints, servers: Ints, times_s: Floats) -> Floats:
        """Return the linear power gain of links at the fading block of each time."""
        gain = self.mean_gain(users, servers, times_s)
        if self._fading is None:
            return gain
        travelled_m = self.trajectories.travelled_m(users, self.block_start_s(times_s))
        return gain * self._fading.power(users, servers, travelled_m)

    def all_gains(self, time_s: float, *, fading: bool) -> Floats:
        """Return the gains of all links at one time, shape (N, M), with or without fast fading."""
        users, servers = np.arange(self.user_count)[:, None], np.arange(self.server_count)[None, :]
        return (self.gain if fading else self.mean_gain)(users, servers, np.array(time_s))

    def gain_window(self, users: Ints, servers: Ints, window: int) -> Floats:
        """Return the gains of U links over one window of blocks, shape (U, WINDOW_BLOCKS).

        The same numbers as ``gain`` to rounding, many times faster. Window w holds the blocks
        from ``w * WINDOW_BLOCKS`` on; each link's row depends on the link and the window alone.
        """
        gains = np.empty((len(users), WINDOW_BLOCKS))
        for i in range(0, len(users), _PAIRS_AT_ONCE):
            part = slice(i, i + _PAIRS_AT_ONCE)
            self._fill_window(gains[part], users[part], servers[part], window)
        return gains

    def instance(self, time_s: float, rounds: Ints | None = None, *, fading: bool = True) -> Instance:
        """Return the snapshot at a time, of the given round of each user (the first by default)."""
        if rounds is None:
            rounds = np.zeros(self.user_count, dtype=np.int64)
        return self.snapshot(self.workload.users(rounds), self.all_gains(time_s, fading=fading))

    def snapshot(self, users: Users, gain: Floats) -> Instance:
        """Return an instance of this world's servers and objective for given users and gains."""
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
        )

    def digest(self) -> str:
        """Return a SHA-256 over positions, gains, work and arrivals sampled over the whole run."""
        times_s = np.linspace(0.0, self.scenario.duration_s, 17)
        users, servers = np.arange(self.user_count), np.arange(self.server_count)
        work = [self.workload.work(users, np.full(self.user_count, k)) for k in range(3)]
        arrivals = [self.workload.arrivals_s(n, self.scenario.duration_s) for n in range(self.user_count)]
        parts = [
            self.position_m(users[:, None], times_s),
            self.gain(users[:, None, None], servers[None, :, None], times_s),
            self.gain_window(users, users % self.server_count, 1),
            *(column for pair in work for column in pair),
            *arrivals,
        ]
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()

    def _mean_gain_at(self, servers: Ints, position_m: Floats) -> Floats:
        away = position_m - self.server_position_m[servers]
        loss_db = self._loss_db(away[..., 0], away[..., 1])
        if self._shadowing is not None:
            loss_db = loss_db + self._shadowing.at(servers, position_m)
        return db_to_linear(-loss_db)

    def _loss_db(self, away_x_m: Floats, away_y_m: Floats) -> Floats:
        distance_m = np.sqrt(away_x_m * away_x_m + away_y_m * away_y_m)
        return self._path_loss(np.maximum(distance_m, self._min_distance_m), self._carrier_hz)

    def _fill_window(self, gains: Floats, users: Ints, servers: Ints, window: int) -> None:
        first = window * WINDOW_BLOCKS
        start_s = first * self.block_s
        last_s = (first + WINDOW_BLOCKS - 1) * self.block_s
        first_leg = np.array(self.trajectories.leg_now(users.tolist(), start_s))
        last_leg = np.array(self.trajectories.leg_now(users.tolist(), last_s))
        for turn in range(int((last_leg - first_leg).max()) + 1):
            # A way with a turn in the window is worked out for each leg as if it went on for ever.
            rows = np.flatnonzero(first_leg + turn <= last_leg)
            leg = first_leg[rows] + turn
            values = self._leg_gains(users[rows], servers[rows], leg, start_s)
            if turn == 0:
                gains[rows] = values
                continue
            begin = self.block(self.trajectories.legs.start_s[leg]) - first
            begin += (begin + first) * self.block_s < self.trajectories.legs.start_s[leg]
            later = np.arange(WINDOW_BLOCKS) >= begin[:, None]
            gains[rows] = np.where(later, values, gains[rows])

    def _leg_gains(self, users: Ints, servers: Ints, leg: Ints, start_s: float) -> Floats:
        legs = self.trajectories.legs
        since_s = start_s - legs.start_s[leg]
        start_m = legs.start_m[leg] + legs.velocity_mps[leg] * since_s[:, None]
        step_m = legs.velocity_mps[leg] * self.block_s
        away = start_m - self.server_position_m[servers]
        blocks = np.arange(WINDOW_BLOCKS)
        loss_db = self._loss_db(away[:, :1] + step_m[:, :1] * blocks, away[:, 1:] + step_m[:, 1:] * blocks)
        if self._shadowing is not None:
            loss_db += self._shadowing.on_grid(servers, start_m, step_m)
        gains = db_to_linear(-loss_db)
        if self._fading is not None:
            travelled_m = legs.travelled_m[leg] + legs.speed_mps[leg] * since_s
            gains *= self._fading.power_on_grid(
                users, servers, travelled_m, legs.speed_mps[leg] * self.block_s
            )
        return gains


def _servers(scenario: Scenario) -> Servers:
    servers = scenario.servers
    cards = servers.gpu_cards()
    peak = np.array([tflops_to_flops(card.peak_tflops) for card in cards])
    return Servers(
        bandwidth_hz=frozen([mhz_to_hz(value) for value in servers.column("bandwidth_mhz")]),
        epochs=frozen(servers.column("epochs")),
        gpu_count=frozen(servers.column("gpu_count")),
        max_gpu_flops=frozen(peak * np.array(servers.column("gpu_utilisation"))),
        kappa=frozen(np.array([card.board_power_w for card in cards]) / peak**3),
        max_power_w=frozen(servers.column("max_power_w")),
    )
