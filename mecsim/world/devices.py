"""Devices of a scenario in SI units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mecsim.scenario.gpu_catalogue import GpuCard
from mecsim.scenario.power import idle_power_w
from mecsim.scenario.schema import Scenario
from mecsim.system.arrays import Floats, frozen
from mecsim.system.devices import Servers
from mecsim.system.power import DevicePower, PowerSpec
from mecsim.units import mhz_to_hz, tflops_to_flops


class GpuConstants(NamedTuple):
    """Top speed in FLOP/s, power growth rate in W/(FLOP/s)^3 and idle power in W of each device's GPU."""

    max_gpu_flops: Floats
    kappa: Floats
    idle_w: Floats


def gpu_constants(
    cards: Sequence[GpuCard], laws: Sequence[str], utilisation: Sequence[float]
) -> GpuConstants:
    """Return the constants of devices from their cards, power laws and utilisation, docs/model.md section 3.

    By the cubic law a GPU draws its board power at its peak; by the others at its top speed.
    """
    peak = np.array([tflops_to_flops(card.peak_tflops) for card in cards])
    board_w = np.array([card.board_power_w for card in cards])
    idle_w = np.array([idle_power_w(card, law) for card, law in zip(cards, laws, strict=True)])
    top = peak * np.array(utilisation)
    is_cubic = np.array([law == "cubic" for law in laws])
    kappa = np.where(is_cubic, board_w / peak**3, (board_w - idle_w) / top**3)
    return GpuConstants(frozen(top), frozen(kappa), frozen(idle_w))


def servers_of(scenario: Scenario) -> Servers:
    """Return the servers of a scenario."""
    servers, gpus = scenario.servers, server_gpus(scenario)
    return Servers(
        bandwidth_hz=frozen([mhz_to_hz(value) for value in servers.column("bandwidth_mhz")]),
        epochs=frozen(servers.column("epochs")),
        gpu_count=frozen(servers.column("gpu_count")),
        max_gpu_flops=gpus.max_gpu_flops,
        kappa=gpus.kappa,
        max_power_w=frozen(servers.column("max_power_w")),
    )


def server_gpus(scenario: Scenario) -> GpuConstants:
    """Return the constants of the servers' GPUs."""
    servers = scenario.servers
    laws = [servers.gpu_power] * servers.count
    return gpu_constants(servers.gpu_cards(), laws, servers.column("gpu_utilisation"))


def power_of(scenario: Scenario, users: Mapping[str, Floats], servers: Servers) -> PowerSpec | None:
    """Return the power law of a scenario's devices; None where it is the paper's.

    Parameters
    ----------
    scenario : Scenario
    users : mapping of (N,) float
        ``gpu_min``, ``circuit_power_w``, ``receive_power_w`` and ``max_gpu_flops`` of all users.
    servers : Servers
    """
    section = scenario.servers
    own = DevicePower(
        users["gpu_min"] * users["max_gpu_flops"], users["circuit_power_w"], users["receive_power_w"]
    )
    theirs = DevicePower(
        np.array(section.column("gpu_min")) * servers.max_gpu_flops,
        frozen(section.column("circuit_power_w")),
        frozen(section.column("receive_power_w")),
    )
    shares = np.full(section.count, section.gpu_power == "shared")
    spec = PowerSpec(own, theirs, frozen(shares, np.bool_))
    return None if spec.is_plain else spec
