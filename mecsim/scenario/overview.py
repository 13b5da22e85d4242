"""What a scenario says of itself on one screen."""

from __future__ import annotations

from typing import Any

from mecsim.messages import counted, shortened, system_size
from mecsim.overview import Overview, spread


def overview_of(scenario: Any) -> Overview:
    """Return the size, length, channel, movement and decisions of a Scenario."""
    servers, channel, workload = scenario.servers, scenario.channel, scenario.workload
    decisions = scenario.reallocation
    given_mhz = servers.bandwidth_mhz
    bandwidth_mhz = given_mhz if isinstance(given_mhz, tuple) else (given_mhz,)
    rows = [
        ("about", shortened(scenario.description, 100)),
        ("system", system_size(scenario.users.count, servers.count)),
        ("time", f"{scenario.duration_s:g} s, of which {scenario.warmup_s:g} s warm-up"),
        ("bandwidth", spread(bandwidth_mhz, "MHz a server")),
        ("mobility", scenario.users.mobility.model),
        ("channel", f"{channel.carrier_ghz:g} GHz, fading {channel.fading.model}"),
        ("rounds", f"{workload.rounds.mode}, work model {workload.model}"),
        ("decisions", f"every {decisions.period_s:g} s, on gains {decisions.csi}"),
        ("left out", f"{counted(len(scenario.switched_off()), 'effect')}, see switched_off()"),
    ]
    return Overview(f"Scenario '{scenario.name}'", [row for row in rows if row[1]])
