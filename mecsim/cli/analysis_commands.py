"""``mecsim promise`` and ``mecsim recovery``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    import pandas as pd

    from mecsim.study.promise import Gap

_UNITS = {"delay_s": "delay (s)", "energy_j": "energy (J)", "score": "score", "scr": "SCR"}


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(epilog="Example: mecsim promise campus --policy dashf --set duration_s=1200")(promise)
    app.command(epilog="Example: mecsim recovery blocks --policy dashf --seed 1")(recovery)


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
    from mecsim.study.promise import split_gap

    gap = split_gap(read_scenario(scenario, changes), policy, seed)
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


def _means(gap: Gap) -> tuple[str, pd.DataFrame]:
    """Return what the means are over, and the mean of every quantity and part."""
    from mecsim.study.promise import CAUSES, QUANTITIES

    for of, frame in (("generations", gap.generations), ("epochs", gap.epochs)):
        if len(frame):
            parts = frame.groupby("quantity")[["predicted", *CAUSES, "realised"]].mean()
            return of, parts.loc[list(QUANTITIES)]
    raise MecsimError("no round was finished: nothing to compare a promise with; try a longer duration_s")


def _write(gap: Gap, folder: Path) -> None:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("rounds", "generations", "epochs"):
            getattr(gap, name).to_csv(folder / f"{name}.csv", index=False)


def recovery(
    scenario: ScenarioArgument,
    policy: PolicyOption = "nearest",
    seed: SeedOption = 0,
    changes: SetOption = None,
    plugins: PluginOption = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="SCR is back where it misses less than this share.")
    ] = 0.1,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate, and say for each outage what it cost and how long it took to be as good as before."""
    from mecsim.analysis.recovery import outages_of
    from mecsim.analysis.recovery import recovery as recovery_of
    from mecsim.study.runner import simulate

    loaded = read_scenario(scenario, changes)
    outages = outages_of(loaded, seed)
    if not outages:
        raise MecsimError(f"{scenario}: no server fails in this world; see mecsim explain calendar")
    results = simulate(loaded, policy=policy, seed=seed)
    found: list[dict[str, Any]] = []
    for server, from_s, to_s in outages:
        one = recovery_of(results, from_s, to_s, tolerance=tolerance)
        found.append({"server": server, **asdict(one), "time_to_recover_s": one.time_to_recover_s})
    if as_json:
        print_json(found)
        return
    from rich.table import Table

    heads = ("server", "from (s)", "to (s)", "SCR before", "lowest", "back after (s)", "dip area (s)")
    table = Table(*heads, "rounds lost", "delayed", "by (s)")
    keys = ("from_s", "to_s", "scr_before", "scr_lowest", "time_to_recover_s", "dip_area_s")
    for row in found:
        counted = (str(row["rounds_lost"]), str(row["rounds_delayed"]), f"{row['delayed_s']:.4g}")
        table.add_row(str(row["server"]), *(f"{row[key]:.4g}" for key in keys), *counted)
    table.title = f"{scenario}, {policy}, seed {seed}: {len(found)} outages"
    print_table(table)
    say("the ratio over time and its dip are those of docs/world.md", quiet=quiet)
