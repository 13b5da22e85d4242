"""The physical effects that a scenario leaves out."""

from __future__ import annotations

from typing import Any

from mecsim.scenario.calendar import Calendar
from mecsim.scenario.control import Handover, Reallocation
from mecsim.scenario.radio import Channel
from mecsim.scenario.servers import Servers
from mecsim.scenario.users import Users
from mecsim.scenario.workload import Workload


def effects_left_out(
    channel: Channel,
    servers: Servers,
    users: Users,
    workload: Workload,
    calendar: Calendar,
    handover: Handover,
    reallocation: Reallocation,
    *,
    users_change: bool,
) -> list[str]:
    """Return the effects that sections of a scenario switch off, each with the value that does."""
    owners: tuple[Any, ...] = (servers, users, *(users.classes or ()))
    powers = [power for each in owners for power in (each.circuit_power_w, each.receive_power_w)]
    has_electronics = any(any(power) if isinstance(power, tuple) else power for power in powers)
    has_boards = any(each.gpu_power not in ("cubic", None) for each in owners)
    effects = {
        "shadowing: sigma_db = 0": channel.shadowing.sigma_db == 0,
        "fast fading: model = 'none'": channel.fading.model == "none",
        "surroundings that move: ambient_hz = 0": channel.fading.ambient_hz == 0,
        "highest rate of a modem: rate = 'shannon'": channel.rate_spec.is_ideal,
        "interference between cells: model = 'none'": channel.interference.model == "none",
        "receiver noise: noise_figure_db = 0": channel.noise_figure_db == 0,
        "board power of GPUs: gpu_power = 'cubic'": not has_boards,
        "radio electronics: circuit_power_w, receive_power_w = 0": not has_electronics,
        "mobility: model = 'static'": users.mobility.model == "static",
        "passes through the base model: model = 'adapter'": workload.model == "adapter",
        "memory of GPUs: no base_model": workload.base_model is None,
        "transfer times: bits_per_param = 0": workload.bits_per_param == 0,
        "handover interruption: latency_s = 0": handover.latency_s == 0,
        "outdated channel knowledge: csi = 'instantaneous'": reallocation.csi == "instantaneous",
        "age of channel knowledge: csi_delay_s = 0": reallocation.csi_delay_s == 0,
        "errors of channel knowledge: csi_error_db = 0": reallocation.csi_error_db == 0,
        "decision time: decision_latency = 'none'": reallocation.decision_latency == "none",
        "users who come and go: no users.arrivals": not users_change,
        "server outages: no calendar.outages, no calendar.failures": not calendar.has_outages,
        "battery: no users.battery": not users.has_batteries,
    }
    return [effect for effect, is_off in effects.items() if is_off]
