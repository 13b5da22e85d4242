"""What a measured channel does not go with, and which of its links and times the file leaves open."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mecsim.config.base import Path
from mecsim.messages import counted
from mecsim.scenario.channel_trace import ChannelTrace
from mecsim.scenario.link_samples import LinkSamples

_MOST_NAMED = 10


def problems(channel: Any, known: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """Return why a channel that was measured cannot be that of a scenario: places in it, and what is allowed.

    Parameters
    ----------
    channel : Channel
    known : mapping
        The sections before it that are valid.
    """
    if channel.trace is None:
        return []
    found: list[tuple[Path, str]] = []
    if channel.interference.model != "none":
        what = "must be 'none' with channel.model = 'trace': it takes the gains of all servers at all places"
        found.append((("interference", "model"), what))
    users, calendar = known.get("users"), known.get("calendar")
    if users is not None and (users.arrivals is not None or getattr(calendar, "flash_crowds", None)):
        found.append((("model",), "'trace' has no gains of users who arrive: no users.arrivals, no crowds"))
    elif users is not None and "servers" in known:
        links, duration_s = channel.trace.links(), known.get("duration_s", math.inf)
        missing = _missing(links, users.count, known["servers"].count)
        if links.time_s.min() > duration_s:
            begin = f"its times begin at {links.time_s.min():.12g} s, after the run of {duration_s:g} s"
            found.append((("trace", "file"), f"{begin}; they must count from the start of the run"))
        if missing:
            found.append((("trace", "file"), missing))
    return found


def _missing(links: LinkSamples, users: int, servers: int) -> str:
    """Return which links of a scenario the file does not have, or an empty string."""
    used = (links.user < users) & (links.server < servers)
    there = np.zeros((users, servers), dtype=np.bool_)
    there[links.user[used], links.server[used]] = True
    if there.all():
        return ""
    named = [f"user {n} server {m}" for n, m in np.argwhere(~there)[:_MOST_NAMED].tolist()]
    rest = int((~there).sum()) - len(named)
    more = f" and {rest} more" if rest else ""
    return f"has no sample of {counted(int((~there).sum()), 'link')}: {', '.join(named)}{more}"


def remarks(
    trace: ChannelTrace, users: int, servers: int, duration_s: float, noise_dbm_per_hz: float
) -> list[str]:
    """Return which times of a run the file leaves open, what it has beyond a run, and gains above 1."""
    links = trace.links()
    used = (links.user < users) & (links.server < servers)
    link = (links.user * servers + links.server)[used]
    time_s = links.time_s[used]
    begins = np.flatnonzero(np.diff(link, prepend=-1))
    ends = np.append(begins[1:], len(link)) - 1
    late_s, early_s = float(time_s[begins].max()), float(time_s[ends].min())
    said = []
    if late_s > 0.0:
        said.append(f"until {late_s:g} s not all links have a sample; the first one holds before it")
    if early_s < duration_s:
        said.append(f"from {early_s:g} s on not all links have a sample; the last one holds after it")
    loud = int((links.value_db[used] + trace.offset_db(noise_dbm_per_hz) > 0.0).sum())
    if loud:
        what = "with a gain above 0 dB, so more power arrives than is sent"
        said.append(f"{counted(loud, 'sample')} {what}: check its sign and power_dbm")
    unused = int((~used).sum())
    if unused:
        said.append(f"{counted(unused, 'sample')} of users and servers beyond those of the scenario")
    return said
