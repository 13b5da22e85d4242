"""``mecsim promise``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mecsim.cli.console import print_json, print_table, say, writing
from mecsim.cli.options import (
    JsonOption,
    OutOption,
    PluginOption,
    PolicyOption,
    QuietOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    read_scenario,
)
from mecsim.errors import MecsimError
from mecsim.results.csv_text import write_csv_file

if TYPE_CHECKING:
    import pandas as pd

    from mecsim.policy import Policy
    from mecsim.scenario.schema import Scenario
    from mecsim.study.prediction_gap import PredictionGap

_FRAMES = ("rounds", "generations", "epochs")
_UNITS = {"delay_s": "delay (s)", "energy_j": "energy (J)", "score": "score", "scr": "SCR"}


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(epilog="Example: mecsim promise campus --policy dashf --set duration_s=1200")(promise)


def promise(
    scenario: ScenarioArgument,
    policy: PolicyOption = "nearest",
    seed: SeedOption = 0,
    changes: SetOption = None,
    plugins: PluginOption = None,
    out: OutOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate, and split the gap between what decisions promised and what came of them by cause.

    The table has means over generations (over epochs where users come and go). --out gets
    rounds.csv, generations.csv and epochs.csv with every single one.
    """
    gap = _gap(read_scenario(scenario, changes), policy, seed)
    of, means = _means(gap)
    if out is not None:
        _write(gap, out)
    if as_json:
        print_json({"of": of, "means": means.reset_index().to_dict("records")})
        return
    from rich.table import Table

    table = Table("mean", *means.columns)
    for quantity, row in means.iterrows():
        table.add_row(_UNITS[str(quantity)], *(f"{value:.4g}" for value in row))
    table.title = f"{scenario}, {policy}, seed {seed}: {of}"
    print_table(table)
    say("from predicted to realised, one cause switched on at a time: docs/world.md", quiet=quiet)


def _gap(scenario: Scenario, policy: str, seed: int) -> PredictionGap:
    """Return the gap of a policy, from a process of its own if it is not built in."""
    from mecsim.study.apart import computed_apart
    from mecsim.study.policy_choice import choose_policies
    from mecsim.study.prediction_gap import PredictionGap, split_gap

    choice = choose_policies([policy])[0]
    if not choice.is_foreign:
        return split_gap(scenario, choice, seed)
    import pandas as pd

    columns = computed_apart(choice, _columns, choice.label, scenario, seed)
    return PredictionGap(**{name: pd.DataFrame(columns[name]) for name in _FRAMES})


def _columns(policy: Policy, label: str, scenario: Scenario, seed: int) -> dict[str, Any]:
    from mecsim.study.prediction_gap import gap_of

    gap = gap_of(policy, label, scenario, seed)
    return {name: getattr(gap, name).to_dict(orient="list") for name in _FRAMES}


def _means(gap: PredictionGap) -> tuple[str, pd.DataFrame]:
    """Return what the means are over, and the mean of every quantity and part."""
    from mecsim.study.prediction_gap import CAUSES, QUANTITIES

    for of, frame in (("generations", gap.generations), ("epochs", gap.epochs)):
        if len(frame):
            parts = frame.groupby("quantity")[["predicted", *CAUSES, "realised"]].mean()
            return of, parts.loc[list(QUANTITIES)]
    raise MecsimError("no round was finished: nothing to compare a promise with; try a longer duration_s")


def _write(gap: PredictionGap, folder: Path) -> None:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in _FRAMES:
            write_csv_file(folder / f"{name}.csv", getattr(gap, name))
