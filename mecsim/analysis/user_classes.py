"""Measures by class of users: each class of ``users.classes`` as if its users were alone in the tables."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mecsim.analysis.frames import StudyFrames
from mecsim.errors import MecsimError
from mecsim.results.after_warmup import AfterWarmup
from mecsim.results.metrics import METRIC, USER_METRICS
from mecsim.results.store import load_run
from mecsim.scenario.schema import Scenario
from mecsim.world.mobility.followed import replay_of
from mecsim.world.population import Population

if TYPE_CHECKING:
    from mecsim.results.result import Results


def scenario_of(results: Results) -> Scenario:
    """Return the scenario of a run, read again from its manifest.

    Raises
    ------
    MecsimError
        If a file that it names cannot be found in the present folder or below it.
    """
    return Scenario.from_toml(results.manifest["scenario_toml"], "manifest.json", Path.cwd(), confined=True)


def user_classes(results: Results) -> NDArray[np.str_] | None:
    """Return the name of the class of every user of a run; None if there are none, or they are not known."""
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
    return np.array([classes[k].name for k in kind])


def class_metrics(results: Results, deadline_s: float = math.nan) -> dict[str, dict[str, float]]:
    """Return the metrics of ``USER_METRICS`` by class of users; empty if there are none, or none known.

    The users of other classes are left out of the tables, so that the metrics are those of
    :mod:`mecsim.results.metrics` for a run with the users of the class alone.
    """
    names = user_classes(results)
    if names is None:
        return {}
    found = {}
    for name in dict.fromkeys(names.tolist()):
        own = results.rounds[names[results.rounds["user"].to_numpy()] == name]
        run = AfterWarmup(replace(results, rounds=own), deadline_s)
        found[name] = {metric: METRIC[metric].compute(run) for metric in USER_METRICS}
    return found


def by_class(study: StudyFrames, deadline_s: float = math.nan) -> StudyFrames:
    """Return the runs of a folder with a row for each class of users, named in the column ``class``.

    Raises
    ------
    MecsimError
        If no run has classes of users.
    """
    import pandas as pd

    keys = [*study.by, "policy", "seed"]
    rows = [
        dict(zip(keys, key, strict=True)) | {"class": name} | metrics
        for key, path in study.folders.items()
        for name, metrics in class_metrics(load_run(path), deadline_s).items()
    ]
    if not rows:
        raise MecsimError("--classes: no scenario here has users.classes, or a file that it names is missing")
    return replace(study, per_run=pd.DataFrame(rows), swept=(*study.swept, "class"))
