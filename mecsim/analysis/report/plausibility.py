"""The plausibility page: what decisions asked of radio and GPUs, beside what is known of such devices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecsim.analysis.plausibility import (
    GPU_POWER_SHARE,
    MEMORY,
    SERVER_POWER_W,
    SPECTRAL_EFFICIENCY,
    USER_POWER_W,
    KnownRange,
    base_of,
)
from mecsim.analysis.report.collect import Collected
from mecsim.analysis.report.decision_values import (
    MOST_DECISIONS,
    decisions,
    gpu_values,
    memory_values,
    radio_values,
    work_values,
)
from mecsim.analysis.user_classes import scenario_of
from mecsim.errors import MecsimError
from mecsim.system.arrays import Floats
from mecsim.units import tflops_to_flops
from mecsim.world.workload import user_cards
from mecsim.world.world import World


class Quantity(NamedTuple):
    """One line of the page: what it shows, the known range, and the key that mends what lies outside."""

    label: str
    known: KnownRange
    mend: str


class PlausibilityRow(NamedTuple):
    """A quantity under a policy: median and extremes, and what is known.

    ``verdict`` is empty if all values lie inside the known range, and then so is ``mend``.
    """

    policy: str
    quantity: str
    median: str
    smallest: str
    largest: str
    known: str
    verdict: str
    mend: str


class Plausibility(NamedTuple):
    """The page: its rows, the source of each quantity's range, and why there are no rows, if so."""

    rows: list[PlausibilityRow]
    sources: dict[str, str]
    missing: str = ""
    most: int = MOST_DECISIONS


def plausibility(collected: Collected) -> Plausibility:
    """Return the page of all policies in the world that is replayed."""
    rows: list[PlausibilityRow] = []
    sources: dict[str, str] = {}
    for policy, results in collected.replays.items():
        if results.allocations.empty:
            return Plausibility([], {}, "The grants are not recorded (record.allocations = false).")
        try:
            world = World(scenario_of(results), int(results.manifest["seed"]))
        except MecsimError as error:
            return Plausibility([], {}, f"The scenario cannot be read again: {error}")
        made = decisions(results, world)
        each = [
            radio_values(one) | work_values(one, world) | gpu_values(one, world) | memory_values(one, world)
            for one in made
        ]
        for name, quantity in quantities(world).items():
            values = np.concatenate([one[name] for one in each])
            if len(values):
                rows.append(_row(policy, quantity, values))
                sources[quantity.label] = quantity.known.source
    return Plausibility(rows, sources)


def quantities(world: World) -> dict[str, Quantity]:
    """Return the lines of the page by the name of their values."""
    base, rate, work = base_of(world.scenario), "channel.rate = 'nr-256qam'", "workload.model = 'peft'"
    laws = {"user": world.scenario.users.gpu_power, "server": world.scenario.servers.gpu_power}
    forward = KnownRange(base.forward_flop, np.inf, f"forward pass of {base} (arXiv 2001.08361)")
    lines = {
        "uplink_efficiency": Quantity("uplink, bit/s/Hz", SPECTRAL_EFFICIENCY, rate),
        "downlink_efficiency": Quantity("downlink, bit/s/Hz", SPECTRAL_EFFICIENCY, rate),
        "user_power_w": Quantity("transmit power of a user, W", USER_POWER_W, "users.max_power_w"),
        "server_power_w": Quantity("transmit power of a server, W", SERVER_POWER_W, "servers.max_power_w"),
        "flop_per_token": Quantity("work of a token in a round, FLOP", forward, work),
    }
    cards = {
        "user": user_cards(world.scenario, world.population),
        "server": world.scenario.servers.gpu_cards(),
    }
    for owner, owned in cards.items():
        peak = tflops_to_flops(max(card.peak_tflops for card in owned))
        most = KnownRange(0.0, peak / base.forward_flop, f"peak speed over the forward pass of {base.name}")
        lines[f"{owner}_tokens_per_s"] = Quantity(f"tokens/s of a {owner}'s GPU", most, work)
        drawn = f"power of a {owner}'s GPU in use, over its board power"
        most_real = "shared" if owner == "server" else "board"
        key = "gpu_min" if laws[owner] == most_real else f"gpu_power = '{most_real}'"
        lines[f"{owner}_gpu_share"] = Quantity(drawn, GPU_POWER_SHARE, f"{owner}s.{key}")
        taken = f"memory that training takes, over that of a {owner}'s GPUs"
        lines[f"{owner}_memory"] = Quantity(taken, MEMORY, "workload.precision, workload.recompute")
    return lines


def _row(policy: str, quantity: Quantity, values: Floats) -> PlausibilityRow:
    known, median = quantity.known, np.asarray(np.median(values))
    outside = known.outside(values)
    verdict = ""
    if outside.any():
        word = "implausible" if known.outside(median) else "in part implausible"
        verdict = f"{word}: {100.0 * outside.mean():.0f} % outside"
    return PlausibilityRow(
        policy, quantity.label, f"{median:.3g}", f"{values.min():.3g}", f"{values.max():.3g}", _range(known),
        verdict, quantity.mend if verdict else "",
    )  # fmt: skip


def _range(known: KnownRange) -> str:
    if np.isinf(known.high):
        return f"at least {known.low:.3g}"
    return f"up to {known.high:.3g}" if known.low == 0 else f"{known.low:.3g} to {known.high:.3g}"
