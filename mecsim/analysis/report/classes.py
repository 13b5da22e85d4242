"""Energy by kind of device: users by class, and servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from mecsim.analysis.user_classes import user_classes
from mecsim.system.phases import PHASES
from mecsim.system.resources import Medium, Owner

if TYPE_CHECKING:
    from mecsim.results.result import Results

USERS, SERVERS = "users", "servers"
_MEDIA: tuple[Medium, ...] = ("gpu", "radio")


def class_energy(results: Results) -> dict[str, tuple[float, float]]:
    """Return the energy of GPUs and of radios, in J, of each device class over all rounds of a run.

    Users are one class unless the scenario has ``users.classes``, and if its files cannot be read again.
    """
    rounds = results.rounds
    user = pd.DataFrame({medium: _spent_j(rounds, "user", medium) for medium in _MEDIA})
    user = user.groupby(rounds["user"]).sum()
    names = user_classes(results)
    named = user.groupby(
        [USERS] * len(user) if names is None else [f"{USERS}: {names[n]}" for n in user.index]
    ).sum()
    found = {str(name): (float(gpu), float(radio)) for name, gpu, radio in named.itertuples()}
    gpu_j, radio_j = (float(_spent_j(rounds, "server", medium).sum()) for medium in _MEDIA)
    return found | {SERVERS: (gpu_j, radio_j)}


def _spent_j(rounds: pd.DataFrame, payer: Owner, medium: Medium) -> pd.Series[float]:
    """Return the energy of each round in the phases that a payer pays for, on GPUs or by radio."""
    phases = [p for p in PHASES if p.payer == payer and p.resource.medium == medium]
    return rounds[[f"{phase.name}_j" for phase in phases]].sum(axis=1)
