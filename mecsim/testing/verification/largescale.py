"""Path loss, line of sight, shadowing and one link from metres to joules: C7 to C11 of VERIFICATION."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy.special import ndtr, ndtri

from mecsim.scenario.load import load_scenario
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats
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
from mecsim.units import dbm_to_w
from mecsim.world.channel.model import LinkGeometry
from mecsim.world.channel.path_loss import FreeSpace, LogDistance128
from mecsim.world.channel.shadowing import ShadowingFields
from mecsim.world.channel.sight import SightFields
from mecsim.world.channel.urban import Uma, Umi, breakpoint_m
from mecsim.world.world import World

FIELDS, SIGMA_DB = 10_000, 8.0
HERE = np.array([217.0, 344.0])
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
    return ShadowingFields.draw(5 + setting.seed, FIELDS * setting.size, SIGMA_DB, 50.0)


def shadowing_law(setting: Setting, wrong: bool) -> Finding:
    """Check that Shadowing in dB is N(0, sigma^2)."""
    fields = _fields(setting)
    sample = fields.at(np.arange(len(fields.phase_rad)), HERE)
    return follows(np.abs(sample) if wrong else sample, NORMAL)


def shadowing_correlation(away_m: float) -> Judge:
    """Return the check of exp(-distance / 50 m); the mutant draws anew at every place."""

    def judge(setting: Setting, wrong: bool) -> Finding:
        fields = _fields(setting)
        servers = np.arange(len(fields.phase_rad))
        here = fields.at(servers, HERE)
        there = fields.at(
            np.roll(servers, 1) if wrong else servers, HERE + np.array([0.6 * away_m, 0.8 * away_m])
        )
        rho = math.exp(-away_m / 50.0)
        return mean(here * there / SIGMA_DB**2, rho, math.sqrt(1.0 + rho**2))

    return judge


URBAN: dict[str, Uma | Umi] = {"uma": Uma(), "umi": Umi()}


def urban(kind: str) -> Judge:
    """Return the check of TR 38.901's loss at 5 GHz; the mutant forgets that antennas stand high."""

    def judge(setting: Setting, wrong: bool) -> Finding:
        cell = URBAN[kind]
        height_m = 1.5 if wrong else cell.default_server_height_m
        losses = cell.losses_db(np.array([10.0, 100.0, 1000.0, 5000.0]), 5e9, height_m, 1.5)
        worst = np.abs(np.array(losses) - np.array(LISTED_DB[kind])).max()
        return equal(float(worst), 0.0, tol=1e-4)

    return judge


def bend(setting: Setting, wrong: bool) -> Finding:
    """Check that the breakpoint of UMa at 5 GHz and 1.5 m is 800 m with the c = 3e8 of TR 38.901."""
    return equal(breakpoint_m(5e9, 25.0, 2.5 if wrong else 1.5), 800.0, rel=1e-12)


def sight(kind: str) -> Judge:
    """Return the check of the probability of line of sight; the mutant has the other cell's decay."""

    def judge(setting: Setting, wrong: bool) -> Finding:
        cell = URBAN[("umi" if kind == "uma" else "uma") if wrong else kind]
        probability = cell.los_probability(np.array([18.0, 50.0, 100.0, 200.0]))
        return equal(float(np.abs(probability - SIGHT[kind]).max()), 0.0, tol=1e-6)

    return judge


def sight_drawn(setting: Setting, wrong: bool) -> Finding:
    """Check that 0.347671 of servers are in sight at 100 m of UMa; the mutant does not invert the field."""
    count = FIELDS * setting.size
    fields = SightFields.draw(8 + setting.seed, count, 50.0)
    value = (fields.fields if wrong else fields).at(np.arange(count), HERE)
    return share(value <= 0.347671, 0.347671)


def law_of_kilometres(setting: Setting, wrong: bool) -> Finding:
    """Check that 128.1 + 37.6 log10(km) at 250 m."""
    distance_m = np.array(250_000.0 if wrong else 250.0)
    return equal(float(LogDistance128().loss_db(LinkGeometry(distance_m, 2e9))), 105.4625, tol=5e-5)


def friis(setting: Setting, wrong: bool) -> Finding:
    """Check that free space at 2 GHz, 100 m; the mutant takes the amplitude for the power."""
    loss_db = float(FreeSpace().loss_db(LinkGeometry(np.array(100.0), 2e9)))
    return equal(loss_db / 2.0 if wrong else loss_db, 78.4684, tol=5e-5)


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


def link_snr(setting: Setting, wrong: bool) -> Finding:
    """Return the SNR of the link; the mutant reads dBm as dBW."""
    snr = float(link()[1][0])
    return equal(snr * 1000.0 if wrong else snr, 142.477264, rel=1e-8)


def link_rate(setting: Setting, wrong: bool) -> Finding:
    """Return the rate of the link; the mutant takes the natural logarithm."""
    rate = float(link()[1][1])
    return equal(rate * math.log(2.0) if wrong else rate, 71_646_783.3, rel=1e-9)


def link_energy(setting: Setting, wrong: bool) -> Finding:
    """Return the energy of a megabit; the mutant sends bytes."""
    energy_j = float(link()[1][3])
    return equal(8.0 * energy_j if wrong else energy_j, 2.784859588e-3, rel=1e-9)


def noise(setting: Setting, wrong: bool) -> Finding:
    """Return the noise of 1 MHz at -174 dBm/Hz, in W; the mutant forgets the milli."""
    noise_w = link()[0].noise_w_per_hz * 1e6
    return equal(noise_w * 1000.0 if wrong else noise_w, 3.981072e-15, rel=1e-6)


_REDRAWN = "drawn anew at every place"
CHECKS = (
    Check("C7 law", "shadowing ~ N(0, 8 dB)", "the absolute value", shadowing_law),
    Check("C7 rho(10 m)", "exp(-10/50)", _REDRAWN, shadowing_correlation(10.0)),
    Check("C7 rho(34.7 m)", "exp(-ln 2)", _REDRAWN, shadowing_correlation(50.0 * math.log(2.0))),
    Check("C8 UMa", "TR 38.901, largest error, dB", "antennas at one height", urban("uma")),
    Check("C8 UMi", "TR 38.901, largest error, dB", "antennas at one height", urban("umi")),
    Check("C8 breakpoint", "UMa, 5 GHz, m", "a user a metre taller", bend),
    Check("C9 UMa", "P(line of sight), largest error", "the decay of UMi", sight("uma")),
    Check("C9 UMi", "P(line of sight), largest error", "the decay of UMa", sight("umi")),
    Check("C9 drawn", "share in sight at 100 m", "the field not made uniform", sight_drawn),
    Check("C10 128.1", "dB at 250 m", "metres for kilometres", law_of_kilometres),
    Check("C10 Friis", "dB at 2 GHz, 100 m", "amplitude for power", friis),
    Check("C11 noise", "W in 1 MHz", "dBm taken for dBW", noise),
    Check("C11 SNR", "23 dBm, 250 m, 10 MHz", "dBm taken for dBW", link_snr),
    Check("C11 rate", "bit/s", "log for log2", link_rate),
    Check("C11 energy", "J for 1 Mbit", "bytes for bits", link_energy),
)
