"""Energy by kind of device: users by class, and servers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mecsim.errors import MecsimError
from mecsim.scenario.schema import Scenario
from mecsim.system.phases import PHASES
from mecsim.system.resources import Medium, Owner
from mecsim.world.mobility.followed import replay_of
from mecsim.world.population import Population

if TYPE_CHECKING:
    from mecsim.results.result import Results

USERS, SERVERS = "users", "servers"
_MEDIA: tuple[Medium, ...] = ("gpu", "radio")


def scenario_of(results: Results) -> Scenario:
    """Return the scenario of a run, read again from its manifest.

    Raises
    ------
    MecsimError
        If a file that it names cannot be found in the present folder or below it.
    """
    return Scenario.from_toml(results.manifest["scenario_toml"], "manifest.json", Path.cwd(), confined=True)


def class_energy(results: Results) -> dict[str, tuple[float, float]]:
    """Return the energy of GPUs and of radios, in J, of each device class over all rounds of a run.

    Users are one class unless the scenario has ``users.classes``, and if its files cannot be read again.
    """
    rounds = results.rounds
    user = pd.DataFrame({medium: _spent_j(rounds, "user", medium) for medium in _MEDIA})
    user = user.groupby(rounds["user"]).sum()
    names = _user_classes(results)
    named = user.groupby([USERS] * len(user) if names is None else names[user.index]).sum()
    found = {str(name): (float(gpu), float(radio)) for name, gpu, radio in named.itertuples()}
    gpu_j, radio_j = (float(_spent_j(rounds, "server", medium).sum()) for medium in _MEDIA)
    return found | {SERVERS: (gpu_j, radio_j)}


def _spent_j(rounds: pd.DataFrame, payer: Owner, medium: Medium) -> pd.Series[float]:
    """Return the energy of each round in the phases that a payer pays for, on GPUs or by radio."""
    phases = [p for p in PHASES if p.payer == payer and p.resource.medium == medium]
    return rounds[[f"{phase.name}_j" for phase in phases]].sum(axis=1)


def _user_classes(results: Results) -> np.ndarray[tuple[int], np.dtype[np.str_]] | None:
    """Return the class of every user of a run; None if there are none, or if they cannot be known."""
    if "classes" not in results.manifest["scenario_toml"]:
        return None
    try:
        scenario = scenario_of(results)
    except MecsimError:
        return None
    classes = scenario.users.classes
    if not classes:
        return None
    replayed = replay_of(scenario)
    seen_s = None if replayed is None else (replayed.enters_s, replayed.leaves_s)
    kind = Population.draw(scenario, int(results.manifest["seed"]), seen_s).kind
    if results.rounds["user"].max() >= len(kind):  # tables that are not of this scenario
        return None
    return np.array([f"{USERS}: {classes[k].name}" for k in kind])
