"""How much a run has to do and to keep, as far as a scenario says it before the run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from mecsim.config.base import Path
from mecsim.scenario.population import MOST_USERS
from mecsim.scenario.workload import Periodic, Poisson

MOST_DECISIONS = 10_000_000
MOST_ARRIVALS = 100_000_000
MOST_WINDOWS = 10_000_000
MOST_POSITIONS = 40_000_000
MOST_LINKS = 2_000_000
MOST_TURNS_PER_S = 100
BLOCKS_A_WINDOW = 512

Found: TypeAlias = list[tuple[Path, str]]
Known: TypeAlias = Mapping[str, Any]


def problems(name: str, value: Any, known: Known) -> Found:
    """Return what would make a run larger than it can be: places in a section, and what is allowed there.

    Parameters
    ----------
    name : str
        The section that is looked at.
    value : Section
    known : mapping
        The sections and keys before it that are valid.
    """
    check = _CHECKS.get(name)
    return check(value, known) if check is not None and "duration_s" in known else []


def _users(users: Any, known: Known) -> Found:
    servers = known["servers"].count if "servers" in known else 1
    coming = 0.0 if users.arrivals is None else users.arrivals.expected(known["duration_s"])
    if coming > MOST_USERS:
        allowed = f"must bring at most {MOST_USERS} users in the run, brings about {coming:.3g}"
        return [(("arrivals", "rate_per_s"), allowed)]
    if (users.count + coming) * servers > MOST_LINKS:
        allowed = f"at most {MOST_LINKS:,} links of a user with a server: {MOST_LINKS // servers:,} users "
        return [(("count",), f"{allowed}for {servers:,} servers, those who arrive included")]
    return _speeds(users, known)


def _speeds(users: Any, known: Known) -> Found:
    """Return speeds at which users would turn more than `MOST_TURNS_PER_S` times a second."""
    if "area" not in known:
        return []
    side_m = max(known["area"].size_m)
    found: Found = []
    named: list[tuple[Path, Any]] = [
        ((), users),
        *((("classes", k), c) for k, c in enumerate(users.classes or ())),
    ]
    for path, kind in named:
        model = kind.mobility
        legs_m = {
            "random_waypoint": {"speed_mps": side_m / 3},
            "manhattan": {"speed_mps": getattr(model, "street_spacing_m", 0.0)},
            "group": {"speed_mps": side_m / 30, "member_speed_mps": getattr(model, "radius_m", 0.0)},
        }
        for name, leg_m in legs_m.get(getattr(model, "model", ""), {}).items():
            most = MOST_TURNS_PER_S * leg_m
            if getattr(model, name)[1] > most:
                allowed = (
                    f"must be at most {most:.3g}: {MOST_TURNS_PER_S} turns a second, legs of {leg_m:.3g} m"
                )
                found.append(((*path, "mobility", name), allowed))
    return found


def _workload(workload: Any, known: Known) -> Found:
    rounds, duration_s = workload.rounds, known["duration_s"]
    if isinstance(rounds, Periodic) and _times(duration_s, rounds.period_s) > MOST_ARRIVALS:
        return [(("rounds", "period_s"), _interval("rounds of a user", MOST_ARRIVALS, duration_s))]
    if isinstance(rounds, Poisson) and rounds.rate_per_s * duration_s > MOST_ARRIVALS:
        most = f"must be <= {MOST_ARRIVALS / duration_s * 0.995:.3g}: at most {MOST_ARRIVALS:,} rounds "
        return [(("rounds", "rate_per_s"), f"{most}of a user in duration_s = {duration_s:g}")]
    return []


def _calendar(calendar: Any, known: Known) -> Found:
    crowds = sum(crowd.users for crowd in calendar.flash_crowds or ())
    if crowds > MOST_USERS:
        return [(("flash_crowds",), f"must have at most {MOST_USERS} users together, have {crowds}")]
    return []


def _channel(channel: Any, known: Known) -> Found:
    block_s, duration_s = channel.fading.block_s, known["duration_s"]
    models = [users.mobility for users in _kinds_of_users(known) if users.mobility is not None]
    stands = all(model.model == "static" for model in models) and channel.fading.ambient_hz == 0
    stands = stands and channel.trace is None
    if not stands and _times(duration_s, block_s * BLOCKS_A_WINDOW) > MOST_WINDOWS:
        most = MOST_WINDOWS * BLOCKS_A_WINDOW
        return [(("fading", "block_s"), _interval("blocks", most, duration_s))]
    return []


def _reallocation(control: Any, known: Known) -> Found:
    if _times(known["duration_s"], control.period_s) > MOST_DECISIONS:
        return [(("period_s",), _interval("calls of the policy", MOST_DECISIONS, known["duration_s"]))]
    return []


def _record(record: Any, known: Known) -> Found:
    users = known["users"].count if "users" in known else 1
    most = MOST_POSITIONS // max(1, users)
    if _times(known["duration_s"], record.positions_s) > most:
        return [(("positions_s",), _interval(f"records of {users} users", most, known["duration_s"]))]
    if _times(known["duration_s"], record.window_s) > most:
        return [(("window_s",), _interval(f"windows of {users} users", most, known["duration_s"]))]
    return []


def _kinds_of_users(known: Known) -> list[Any]:
    users = known.get("users")
    return [] if users is None else [users, *(users.classes or ())]


def _times(duration_s: float, interval_s: float) -> float:
    return duration_s / interval_s if interval_s > duration_s / 1e300 else math.inf


def _interval(what: str, most: int, duration_s: float) -> str:
    # Rounded up, so that the number in the message is allowed.
    shortest_s = f"{duration_s / most * 1.005:.3g}"
    return f"must be >= {shortest_s}: at most {most:,} {what} in duration_s = {duration_s:g}"


_CHECKS: Mapping[str, Callable[[Any, Known], Found]] = {
    "users": _users,
    "workload": _workload,
    "calendar": _calendar,
    "channel": _channel,
    "reallocation": _reallocation,
    "record": _record,
}
