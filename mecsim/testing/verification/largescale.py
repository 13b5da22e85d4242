"""Path loss, line of sight, shadowing and one link from metres to joules: rows C7 to C11."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from mecsim.scenario.load import load_scenario
from mecsim.system import equations
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.testing.verification.finding import (
    Check,
    Finding,
    Judge,
    Law,
    Setting,
    equal,
    follows,
    mean,
    share,
)
from mecsim.testing.verification.mutant import replaced
from mecsim.units import dbm_to_w
from mecsim.world.channel import urban
from mecsim.world.channel.model import LinkGeometry
from mecsim.world.channel.path_loss import FreeSpace, LogDistance128
from mecsim.world.channel.shadowing import ShadowingFields
from mecsim.world.channel.sight import SightFields
from mecsim.world.channel.urban import Uma, Umi, UrbanCell, breakpoint_m
from mecsim.world.world import World

FIELDS, SIGMA_DB = 10_000, 8.0
HERE = np.array([217.0, 344.0])
URBAN: dict[str, Uma | Umi] = {"uma": Uma(), "umi": Umi()}
NORMAL = Law(lambda x: ndtr(x / SIGMA_DB), lambda p: SIGMA_DB * ndtri(p))
# Kind of cell: dB at 10, 100, 1000, 5000 m, 5 GHz, 1.5 m, with and without line of sight.
LISTED_DB = {
    "uma": (
        [72.9380, 86.2362, 109.7252, 137.6794],
        [82.5131, 106.1356, 144.7641, 172.0753],
    ),
    "umi": (
        [69.8591, 88.4122, 119.3114, 147.2696],
        [76.7563, 107.9432, 143.1886, 167.8617],
    ),
}
SIGHT = {"uma": [1.0, 0.649402, 0.347671, 0.128048], "umi": [1.0, 0.519585, 0.230985, 0.093518]}


def _fields(setting: Setting) -> ShadowingFields:
    return ShadowingFields.draw(5 + setting.seed, setting.count(FIELDS), SIGMA_DB, 50.0)


def shadowing_law(setting: Setting) -> Finding:
    """Check that shadowing in dB is N(0, sigma^2)."""
    fields = _fields(setting)
    sample = fields.at(np.arange(len(fields.phase_rad)), HERE)
    return follows(sample, NORMAL)


def shadowing_correlation(away_m: float) -> Judge:
    """Return the check of exp(-distance / 50 m)."""

    def judge(setting: Setting) -> Finding:
        fields = _fields(setting)
        servers = np.arange(len(fields.phase_rad))
        here = fields.at(servers, HERE)
        there = fields.at(servers, HERE + np.array([0.6 * away_m, 0.8 * away_m]))
        rho = math.exp(-away_m / 50.0)
        return mean(here * there / SIGMA_DB**2, rho, math.sqrt(1.0 + rho**2))

    return judge


def urban_loss(kind: str) -> Judge:
    """Return the check of TR 38.901's loss at 5 GHz."""

    def judge(setting: Setting) -> Finding:
        cell = URBAN[kind]
        ground_m = np.array([10.0, 100.0, 1000.0, 5000.0])
        losses = cell.losses_db(ground_m, 5e9, cell.default_server_height_m, 1.5)
        worst = np.abs(np.array(losses) - np.array(LISTED_DB[kind])).max()
        return equal(float(worst), 0.0, tol=1e-4)

    return judge


def bend(setting: Setting) -> Finding:
    """Check that the breakpoint of UMa at 5 GHz and 1.5 m is 800 m with the c = 3e8 of TR 38.901."""
    return equal(breakpoint_m(5e9, 25.0, 1.5), 800.0, rel=1e-12)


def sight(kind: str) -> Judge:
    """Return the check of the probability of line of sight."""

    def judge(setting: Setting) -> Finding:
        probability = URBAN[kind].los_probability(np.array([18.0, 50.0, 100.0, 200.0]))
        return equal(float(np.abs(probability - SIGHT[kind]).max()), 0.0, tol=1e-6)

    return judge


def sight_drawn(setting: Setting) -> Finding:
    """Check that 0.347671 of servers are in sight at 100 m of UMa."""
    count = setting.count(FIELDS)
    fields = SightFields.draw(8 + setting.seed, count, 50.0)
    value = fields.at(np.arange(count), HERE)
    return share(value <= 0.347671, 0.347671)


def law_of_kilometres(setting: Setting) -> Finding:
    """Check 128.1 + 37.6 log10(km) at 250 m."""
    return equal(float(LogDistance128().loss_db(LinkGeometry(np.array(250.0), 2e9))), 105.4625, tol=5e-5)


def friis(setting: Setting) -> Finding:
    """Check the loss of free space at 2 GHz, 100 m."""
    return equal(float(FreeSpace().loss_db(LinkGeometry(np.array(100.0), 2e9))), 78.4684, tol=5e-5)


def link() -> tuple[World, Floats]:
    """Return a user 250 m from a server, 23 dBm, 10 MHz, and SNR, rate, time and energy of 1 Mbit."""
    scenario = load_scenario("campus").with_changes(
        {
            "area.size_m": [20_000.0, 100.0],
            "servers.positions_m": [[0.0, 50.0]],
            "servers.bandwidth_mhz": 10,
            "users.count": 1,
            "users.positions_m": [[250.0, 50.0]],
            "users.mobility": {"model": "static"},
            "users.max_power_w": dbm_to_w(23.0),
            "channel.path_loss": "log_distance_128",
            "channel.shadowing.sigma_db": 0.0,
            "channel.fading": {"model": "none"},
            "channel.noise_dbm_per_hz": -174.0,
            "channel.noise_figure_db": 0.0,
        }
    )
    world = World(scenario, 0)
    instance = world.instance(0.0)
    instance = replace(instance, bits_per_param=1e6 / float(instance.users.adapter_params[0]))
    allocation = Allocation(
        server=np.zeros(1, dtype=np.int64),
        local_fraction=np.ones(1),
        bandwidth_hz=instance.servers.bandwidth_hz,
        user_power_w=instance.users.max_power_w,
        server_power_w=instance.servers.max_power_w,
        user_gpu_flops=instance.users.max_gpu_flops,
        server_gpu_flops=instance.servers.max_gpu_flops,
    )
    costs = instance.costs(allocation)
    noise_w = instance.noise_w_per_hz * 1e7
    snr = float(instance.gain[0, 0] * instance.users.max_power_w[0] / noise_w)
    time_s = float(costs.delay_s[0, 1])
    return world, np.array([snr, 1e6 / time_s, time_s, float(costs.energy_j[0, 1])])


def link_snr(setting: Setting) -> Finding:
    """Check the SNR of the link."""
    return equal(float(link()[1][0]), 142.477264, rel=1e-8)


def link_rate(setting: Setting) -> Finding:
    """Check the rate of the link."""
    return equal(float(link()[1][1]), 71_646_783.3, rel=1e-9)


def link_energy(setting: Setting) -> Finding:
    """Check the energy of a megabit."""
    return equal(float(link()[1][3]), 2.784859588e-3, rel=1e-9)


def noise(setting: Setting) -> Finding:
    """Check the noise of 1 MHz at -174 dBm/Hz, in W."""
    return equal(link()[0].noise_w_per_hz * 1e6, 3.981072e-15, rel=1e-6)


def _redrawn(at: Any) -> Any:
    def broken(fields: ShadowingFields, servers: Ints, position_m: Floats) -> Floats:
        sample: Floats = at(fields, np.roll(servers, int(np.sum(position_m))), position_m)
        return sample

    return broken


def _decay_of_the_other(probability: Any) -> Any:
    def broken(cell: UrbanCell, ground_m: Floats) -> Floats:
        (other,) = (each for each in URBAN.values() if each != cell)
        result: Floats = probability(other, ground_m)
        return result

    return broken


def _as_dbw(world: Any) -> Any:
    # 30 dB more noise than the file says.
    return lambda scenario, seed: world(scenario.with_changes({"channel.noise_dbm_per_hz": -144.0}), seed)


ABSOLUTE = replaced("the absolute value", ShadowingFields, "at", lambda at: lambda *args: np.abs(at(*args)))
REDRAWN = replaced("drawn anew at every place", ShadowingFields, "at", _redrawn)
ONE_HEIGHT = replaced(
    "antennas at one height",
    UrbanCell,
    "losses_db",
    lambda losses: lambda cell, ground_m, hz, server_m, user_m: losses(cell, ground_m, hz, user_m, user_m),
)
NO_CLUTTER = replaced("the height of the clutter forgotten", urban, "_CLUTTER_M", lambda _: 0.0)
OTHER_DECAY = replaced("the decay of the other cell", UrbanCell, "los_probability", _decay_of_the_other)
NOT_UNIFORM = replaced(
    "the field not made uniform", SightFields, "at", lambda at: lambda fields, *args: fields.fields.at(*args)
)
METRES = replaced(
    "metres for kilometres",
    LogDistance128,
    "loss_db",
    lambda loss: lambda law, link: loss(law, replace(link, ground_m=1000.0 * link.ground_m)),
)
AMPLITUDE = replaced(
    "amplitude for power", FreeSpace, "loss_db", lambda loss: lambda *args: loss(*args) / 2.0
)
DBM_AS_DBW = replaced("dBm taken for dBW", sys.modules[__name__], "World", _as_dbw)
LOG_FOR_LOG2 = replaced(
    "log for log2", equations, "time_for", lambda time_for: lambda *args: time_for(*args) / math.log(2.0)
)
BYTES = replaced(
    "bytes for bits", equations, "radio_energy", lambda energy: lambda *args: energy(*args) * 8.0
)

CHECKS = (
    Check("C7 law", "shadowing ~ N(0, 8 dB)", shadowing_law, ABSOLUTE),
    Check("C7 rho(10 m)", "exp(-10/50)", shadowing_correlation(10.0), REDRAWN),
    Check("C7 rho(34.7 m)", "exp(-ln 2)", shadowing_correlation(50.0 * math.log(2.0)), REDRAWN),
    Check("C8 UMa", "TR 38.901, largest error, dB", urban_loss("uma"), ONE_HEIGHT),
    Check("C8 UMi", "TR 38.901, largest error, dB", urban_loss("umi"), ONE_HEIGHT),
    Check("C8 breakpoint", "UMa, 5 GHz, m", bend, NO_CLUTTER),
    Check("C9 UMa", "P(line of sight), largest error", sight("uma"), OTHER_DECAY),
    Check("C9 UMi", "P(line of sight), largest error", sight("umi"), OTHER_DECAY),
    Check("C9 drawn", "share in sight at 100 m", sight_drawn, NOT_UNIFORM),
    Check("C10 128.1", "dB at 250 m", law_of_kilometres, METRES),
    Check("C10 Friis", "dB at 2 GHz, 100 m", friis, AMPLITUDE),
    Check("C11 noise", "W in 1 MHz", noise, DBM_AS_DBW),
    Check("C11 SNR", "23 dBm, 250 m, 10 MHz", link_snr, DBM_AS_DBW),
    Check("C11 rate", "bit/s", link_rate, LOG_FOR_LOG2),
    Check("C11 energy", "J for 1 Mbit", link_energy, BYTES),
)
