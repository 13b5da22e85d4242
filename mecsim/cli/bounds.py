"""What commands show of upper bounds: text and tables for people, objects for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rich.table import Table

    from mecsim.system.bound import Bound, Prices
    from mecsim.system.instance import Instance

SHARES = ("bandwidth", "power", "gpu")
_OF = ("bandwidth", "transmit power", "GPU speed")
_IDLE = 1e-4
"""Price of a share below which a budget does not bind, as a part of what the score's first share earns.

The search for prices ends a little above 0 where they should be 0.
"""


def as_object(bound: Bound) -> dict[str, Any]:
    """Return what `bound --json` prints."""
    return {
        "upper_bound": bound.upper_bound,
        "scr": bound.scr,
        "gap": bound.gap,
        "certified": bound.certified,
        "nodes": bound.nodes,
        "cpu_s": bound.cpu_s,
        "prices": None if bound.prices is None else prices_object(bound.prices),
        "assumed": list(bound.assumed),
        "reason": bound.reason,
    }


def prices_object(prices: Prices) -> dict[str, Any]:
    """Return prices by name: a list with one number for each server, or for each user."""
    return {
        "per_mhz": prices.per_mhz,
        "per_w": prices.per_w,
        "per_tflops": prices.per_tflops,
        "share_price": {name: prices.share_price[:, k] for k, name in enumerate(SHARES)},
        "delay_price": prices.delay_price,
    }


def summary(instance: Instance, bound: Bound) -> list[str]:
    """Return the bound and the gap in words."""
    users, servers = (
        f"{count} {noun}{'' if count == 1 else 's'}"
        for count, noun in ((instance.user_count, "user"), (instance.server_count, "server"))
    )
    lines = [
        f"{instance.name}: {users}, {servers}",
        f"no allocation has an SCR above {shown_upper(bound.upper_bound)} (proved)",
    ]
    if bound.reason:
        return [*lines, f"since {bound.reason}"]
    nodes = "" if bound.nodes == 1 else f", {bound.nodes} nodes"
    lines.append(f"the best allocation found has {bound.scr:.6g}; {gap_text(bound.gap)}")
    lines.append(f"{bound.cpu_s:.2g} s of CPU time{nodes}")
    return [*lines, f"assumed: {'; '.join(bound.assumed)}"]


def shown_upper(value: float, digits: int = 6) -> str:
    """Return an upper bound with so many digits, rounded up: what is shown is proved, too."""
    text = f"{value:.{digits}g}"
    if float(text) >= value:
        return text
    unit = 10.0 ** (np.floor(np.log10(value)) - digits + 1)
    return f"{value + unit / 2:.{digits}g}"


def gap_text(gap: float) -> str:
    """Return a gap in words; one that is not positive is that of an optimum, to rounding."""
    if not np.isfinite(gap):
        return "no gap, as its SCR is 0"
    return f"the best possible is at most {shown_upper(100.0 * gap, 3) if gap > 0 else '0'} % above it"


def prices_table(instance: Instance, prices: Prices) -> Table:
    """Return a row a server: what one more unit is worth, and what a share costs."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=f"{instance.name}: worth and prices", box=SIMPLE_HEAD, padding=(0, 0, 0, 1))
    heads = (
        "server", "worth of\none MHz\n(SCR)", "worth of\none W\n(SCR)", "worth of one\nTFLOP/s a GPU\n(SCR)",
        "all of its\nbandwidth\n(score)", "all of its\npower\n(score)", "all of its\nGPUs\n(score)",
    )  # fmt: skip
    for head in heads:
        table.add_column(head, justify="right")
    for m in range(instance.server_count):
        worth = (prices.per_mhz[m], prices.per_w[m], prices.per_tflops[m])
        table.add_row(f"{m}", *(f"{value:.3g}" for value in (*worth, *prices.share_price[m])))
    table.caption = "worth: derivative of the bound; score: price of a share inside a decision"
    return table


def explanation(instance: Instance, upper_bound: float, prices: Prices) -> list[str]:
    """Return three sentences: what limits the SCR, whose delay does, and which budgets do not."""
    s = instance.servers
    budgets = np.stack([s.bandwidth_hz / 1e6, s.max_power_w, s.max_gpu_flops / 1e12], axis=1)
    per_unit = np.stack([prices.per_mhz, prices.per_w, prices.per_tflops], axis=1)
    gain = per_unit * budgets / upper_bound  # per cent of the bound for one per cent of a budget
    m, k = np.unravel_index(int(gain.argmax()), gain.shape)
    if gain[m, k] > 0.0:
        first = f"One per cent more {_OF[k]} of server {m} raises the bound by {gain[m, k]:.2g} %, the most."
    else:
        first = "More of no budget raises the bound."
    idle = _idle(instance, prices)
    third = f"These budgets do not bind: {', '.join(idle)}." if idle else "Every budget binds."
    return [first, _delays(instance, prices), third]


def _delays(instance: Instance, prices: Prices) -> str:
    worst = int(prices.delay_price.argmax())
    share = prices.delay_price[worst]
    if instance.objective is not None and instance.objective.is_mean:
        return "No user's delay holds the others back: the mean delay counts."
    if not share > 0.0:
        return "No user's delay has a price."
    if instance.user_count == 1:
        return "There is one user, so its delay holds nobody else back."
    return f"User {worst} holds the others back most: {share:.0%} of the price of delay is its own."


def _idle(instance: Instance, prices: Prices) -> list[str]:
    """Return the budgets that do not bind, by name, or servers of which none does."""
    law = instance.score_law
    idle = prices.share_price <= _IDLE * law.scale * law.slope
    names = []
    for m, of_server in enumerate(idle):
        if of_server.all():
            names.append(f"all of server {m}")
        else:
            names += [f"{_OF[k]} of server {m}" for k in np.flatnonzero(of_server)]
    return names
