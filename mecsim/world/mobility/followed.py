"""Which residents follow which trace: all of them, or those of the classes that have one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mecsim.errors import ScenarioError
from mecsim.scenario.layout_file import ONE_ORIGIN, files_in_degrees
from mecsim.scenario.models import Model
from mecsim.scenario.schema import Scenario
from mecsim.system.arrays import frozen
from mecsim.world.mobility.legs import Legs
from mecsim.world.mobility.replay import Replay, TraceReplay, replay
from mecsim.world.population import kinds


def replay_of(scenario: Scenario) -> Replay | None:
    """Return the traces of a scenario's residents, or None if the trajectories of all of them are drawn.

    The residents of a class with a trace are the first users of that trace, in order; classes without a
    mobility of their own share ``users.mobility``. Who follows no trace has no legs, and is always present.

    Raises
    ------
    TraceError
        If a file cannot be read, has gaps or jumps, or leaves the area.
    ScenarioError
        If a trace has fewer users than follow it, or several files in degrees have no common origin.
    """
    traced = traces_of(scenario)
    if not traced:
        return None
    followers = _followers(scenario)
    _refuse_two_origins(scenario, traced)
    count = scenario.users.count
    legs: list[Legs | None] = [None] * count
    absences_s: list[list[tuple[float, float]]] = [[] for _ in range(count)]
    enters_s, leaves_s = np.zeros(count), np.full(count, np.inf)
    for key, model in traced.items():
        residents = followers.get(key, [])
        what = "users.count" if key == -1 else f"the users of class {_name(scenario, key)}"
        found = replay(model, scenario.area, len(residents), scenario.duration_s, what)
        for place, n in enumerate(residents):
            legs[n], absences_s[n] = found.legs[place], found.absences_s[place]
            enters_s[n], leaves_s[n] = found.enters_s[place], found.leaves_s[place]
    return Replay(legs, frozen(enters_s), frozen(leaves_s), absences_s)


def _followers(scenario: Scenario) -> dict[int, list[int]]:
    """Return the residents of each class with a mobility of its own, and under -1 all others."""
    classes, count = scenario.users.classes or (), scenario.users.count
    followers: dict[int, list[int]] = {}
    for n, kind in enumerate(kinds(scenario, 0, count, count).tolist()):
        own = kind >= 0 and classes[kind].mobility is not None
        followers.setdefault(kind if own else -1, []).append(n)
    return followers


def traces_of(scenario: Scenario) -> dict[int, TraceReplay]:
    """Return the traces of classes, and under -1 that of all others."""
    models: dict[int, Model | None] = {-1: scenario.users.mobility}
    models |= {k: each.mobility for k, each in enumerate(scenario.users.classes or ())}
    return {k: model for k, model in models.items() if isinstance(model, TraceReplay)}


def _name(scenario: Scenario, kind: int) -> str:
    return (scenario.users.classes or ())[kind].name


def _refuse_two_origins(scenario: Scenario, traced: Mapping[int, TraceReplay]) -> None:
    """Raise that of several files in degrees one has its own corner as (0, 0), and another has not."""
    users, area = scenario.users, scenario.area
    if area.origin_deg is not None:
        return
    in_degrees = files_in_degrees(scenario.servers.layout, users.layout, area, users.count)
    for key, model in traced.items():
        if not model.trace().geo:
            continue
        place = "users.mobility" if key == -1 else f"users.classes[{key}].mobility"
        if in_degrees and (model.origin_deg is None or any(in_degrees.values())):
            what = f"{place}.file is in degrees, as is {next(iter(in_degrees))}"
            raise ScenarioError(str(model.file), [f"{model.file}: {what}: {ONE_ORIGIN}"])
        in_degrees[place] = model.origin_deg is None
