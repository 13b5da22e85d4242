"""What standards and measurements support, and doubts about a scenario that need no run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mecsim.messages import counted
from mecsim.scenario.base_model import base_model, base_model_names
from mecsim.scenario.layout_file import LayoutFile, PlacesFile
from mecsim.scenario.measured import remarks
from mecsim.scenario.schema import Scenario
from mecsim.scenario.sites import Sites
from mecsim.system.arrays import Floats
from mecsim.system.rates import RateLaw
from mecsim.units import dbm_to_w, mhz_to_hz
from mecsim.world.channel.local_mean import LocalMean
from mecsim.world.mobility.followed import replay_of, traces_of
from mecsim.world.traces.info import LOOKS_LIKE_DEGREES_M, degrees_hint

FORWARD_FLOP = 2.0
"""FLOP per parameter and token of a forward pass (Kaplan et al., arXiv 2001.08361)."""

_POINTS_A_SIDE = 20


class KnownRange(NamedTuple):
    """The values of a quantity that standards or measurements support, and their source."""

    low: float
    high: float
    source: str

    def outside(self, values: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Return which values lie outside, by more than 1e-6 relative."""
        return np.asarray((values < self.low * (1 - 1e-6)) | (values > self.high * (1 + 1e-6)))


SPECTRAL_EFFICIENCY = KnownRange(
    0.0, 8 * 948 / 1024, "256-QAM with code rate 948/1024 is the fastest of 3GPP TS 38.214, table 5.1.3.1-2"
)
USER_POWER_W = KnownRange(0.0, 0.4, "26 dBm, power class 2 of 3GPP TS 38.101-1")
SERVER_POWER_W = KnownRange(0.0, 80.0, "49 dBm, a macro cell of 20 MHz in 3GPP TR 36.814")
GPU_POWER_SHARE = KnownRange(
    0.25,
    1.0,
    "eight H100 in training drew 0.82 of the node's rating (arXiv 2412.08602); the lower end is [R]",
)
MEMORY = KnownRange(0.0, 1.0, "what the cards have")


class BaseChoice(NamedTuple):
    """The base model that work is compared with: the scenario's, else the smallest of the catalogue."""

    name: str
    params: float
    is_named: bool

    @property
    def forward_flop(self) -> float:
        """FLOP per token of its forward pass."""
        return FORWARD_FLOP * self.params

    def __str__(self) -> str:
        return self.name if self.is_named else f"{self.name}, the smallest base model of the catalogue"


def base_of(scenario: Scenario) -> BaseChoice:
    """Return the base model that the work of a scenario is compared with."""
    own = scenario.workload.base_model
    if own is not None:
        return BaseChoice(own.name, own.params, is_named=True)
    params = {name: base_model(name).params for name in base_model_names()}
    name = min(params, key=params.__getitem__)
    return BaseChoice(name, params[name], is_named=False)


def doubts(scenario: Scenario) -> list[str]:
    """Return one line for each coarse value that a referee would doubt, with the key that mends it.

    Raises
    ------
    TraceError, ScenarioError
        If a trace cannot be replayed.
    """
    return [
        *_radio_doubts(scenario),
        *_gpu_doubts(scenario),
        *_work_doubts(scenario),
        *degrees_doubts(scenario),
        *_absence_doubts(scenario),
        *_channel_doubts(scenario),
    ]


def degrees_doubts(scenario: Scenario) -> list[str]:
    """Return which traces and files of places look like degrees taken for metres."""
    found = list(_place_doubts(scenario))
    for kind, model in traces_of(scenario).items():
        if hint := degrees_hint(model.trace()):
            table = "users.mobility" if kind < 0 else f"users.classes[{kind}].mobility"
            found.append(f"{table}.file = {model.file}: {hint}")
    return found


def _place_doubts(scenario: Scenario) -> Iterator[str]:
    """Yield which files of places look like degrees taken for metres."""
    area, users = scenario.area, scenario.users
    found: list[tuple[str, PlacesFile, Sites]] = []
    if isinstance(scenario.servers.layout, LayoutFile):
        found.append(("servers", scenario.servers.layout, scenario.servers.layout.read(area)))
    if users.layout is not None:
        found.append(("users", users.layout, users.layout.read(area, users.count)))
    for name, layout, places in found:
        span_m = np.ptp(np.array(places.points_m), axis=0)
        if not places.geo and 0.0 < span_m.max() < LOOKS_LIKE_DEGREES_M:
            what = "all places lie within a metre: they may be degrees (columns lat and lon)"
            yield f"{name}.layout.file = {layout.file}: {what}"


def _absence_doubts(scenario: Scenario) -> Iterator[str]:
    """Yield how many users of traces come after the end of the run."""
    replayed = replay_of(scenario)
    if replayed is None:
        return
    late = int((replayed.enters_s >= scenario.duration_s).sum())
    if late:
        users = f"{late} of {counted(len(replayed.enters_s), 'user')}"
        yield f"{users} enter only after the run of {scenario.duration_s:g} s: change start_s or duration_s"


def _channel_doubts(scenario: Scenario) -> Iterator[str]:
    trace = scenario.channel.trace
    if trace is not None:
        size = scenario.users.count, scenario.servers.count
        noise_dbm_per_hz = scenario.channel.noise_dbm_per_hz + scenario.channel.noise_figure_db
        said = remarks(trace, *size, scenario.duration_s, noise_dbm_per_hz)
        yield from (f"channel.trace: {remark}" for remark in said)


def median_efficiencies(scenario: Scenario) -> tuple[float, float]:
    """Return the median Shannon efficiency up and down, in bit/s/Hz, over the area.

    Places on a grid are served by their nearest server without fast fading; users are spread evenly over the
    servers, which split bandwidth and power equally.
    """
    servers, channel = scenario.servers, scenario.channel
    sites_m, size_m = np.array(servers.sites_m, dtype=np.float64), scenario.area.size_m
    steps = (np.arange(_POINTS_A_SIDE) + 0.5) / _POINTS_A_SIDE
    places_m = np.stack(np.meshgrid(steps * size_m[0], steps * size_m[1]), axis=-1).reshape(-1, 2)
    nearest = np.linalg.norm(places_m[:, None] - sites_m, axis=-1).argmin(axis=1)
    gain = LocalMean(channel, sites_m, 0).at(nearest, places_m).gain
    law = RateLaw.of(dbm_to_w(channel.noise_dbm_per_hz + channel.noise_figure_db)).up
    bandwidth_hz = mhz_to_hz(1.0) * np.array(servers.column("bandwidth_mhz"))[nearest]
    sharers = max(scenario.users.count / servers.count, 1.0)
    user_w = float(np.mean(scenario.users.column("max_power_w"))) if scenario.users.count else 0.0
    server_w = np.array(servers.column("max_power_w"))[nearest]
    rates = (law.rate(bandwidth_hz, power_w, gain) for power_w in (user_w * sharers, server_w))
    up, down = (float(np.median(rate / bandwidth_hz)) for rate in rates)
    return up, down


def _radio_doubts(scenario: Scenario) -> Iterator[str]:
    channel = scenario.channel
    if channel.interference.model != "none" or channel.trace is not None or not channel.rate_spec.is_ideal:
        return
    for direction, median in zip(("uplink", "downlink"), median_efficiencies(scenario), strict=True):
        if median > SPECTRAL_EFFICIENCY.high:
            yield (
                f"half of the area has more than {median:.1f} bit/s/Hz on the {direction} under an equal "
                f"split; 256-QAM carries {SPECTRAL_EFFICIENCY.high:.1f}; set channel.rate = 'nr-256qam'"
            )


def _gpu_doubts(scenario: Scenario) -> Iterator[str]:
    kinds = [
        (name, name, equipped.gpu_power, min(equipped.column("gpu_utilisation"), default=1.0))
        for name, equipped in (("servers", scenario.servers), ("users", scenario.users))
    ]
    _, _, law, utilisation = kinds[1]
    kinds += [
        (f"users of class {own.name}", "users", own.gpu_power or law, own.gpu_utilisation or utilisation)
        for own in scenario.users.classes or ()
        if own.gpu_power is not None or own.gpu_utilisation is not None
    ]
    for name, table, law, utilisation in kinds:
        share = utilisation**3
        if law == "cubic" and share < GPU_POWER_SHARE.low:
            yield (
                f"{name}: a GPU at its top speed draws {share:.2f} of its board power (gpu_utilisation^3), "
                f"less than any in training ({GPU_POWER_SHARE.low:g}); set {table}.gpu_power = 'board'"
            )


def _work_doubts(scenario: Scenario) -> Iterator[str]:
    work, base = scenario.workload, base_of(scenario)
    flop = work.flops_per_param_and_token * work.adapter_params.mean
    if work.model == "adapter" and flop < base.forward_flop:
        yield (
            f"the mean adapter takes {flop:.2g} FLOP a token, less than the {base.forward_flop:.2g} of a "
            f"forward pass of {base}; set workload.model = 'peft'"
        )
