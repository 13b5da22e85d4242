"""Devices of a scenario in SI units."""

from __future__ import annotations

import numpy as np

from mecsim.scenario.schema import Scenario
from mecsim.system.arrays import frozen
from mecsim.system.devices import Servers
from mecsim.units import mhz_to_hz, tflops_to_flops


def servers_of(scenario: Scenario) -> Servers:
    """Return the servers of a scenario."""
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
