"""``mecsim train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mecsim.cli.console import print_json, print_text, progress
from mecsim.cli.options import JsonOption, QuietOption, ScenarioArgument, SetOption, read_scenario
from mecsim.errors import MecsimError

MOST_SEEDS = 100_000


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(
        epilog="Example: mecsim train campus -p bandit --seeds 100..119 --set duration_s=900 --out agent"
    )(train)


def train(
    scenario: ScenarioArgument,
    policy: Annotated[str, typer.Option("--policy", "-p", help="bandit or linear_rule.")] = "linear_rule",
    seeds: Annotated[
        str, typer.Option("--seeds", metavar="A..B", help="Seeds of the worlds: A..B, or A,B,C.")
    ] = "1000000..1000019",
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where to write, and to go on from.")
    ] = Path("agent"),
    changes: SetOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train a policy that ships with mecsim, in worlds of its own seeds.

    The folder --out gets agent.json, written after each step, and curve.csv and curve.png. The same
    command goes on where it was stopped, and with more seeds where it ended.
    """
    from mecsim.results.files import make_folder
    from mecsim.rl.training import train as trained

    loaded, wanted = read_scenario(scenario, changes), parse_seeds(seeds)
    path = make_folder(out) / "agent.json"
    with progress(f"{loaded.name}: training {policy}", len(wanted), quiet=quiet) as update:
        agent = trained(
            loaded,
            policy,
            wanted,
            path,
            lambda done, row: update(done, f"SCR {row['scr']:.4g}"),
        )
    files = [path, *_write_curve(agent.curve, out)]
    if as_json:
        print_json({"policy": policy, "training_seeds": list(agent.training_seeds), "curve": agent.curve,
                    "files": [str(file) for file in files]})  # fmt: skip
        return
    print_text(
        f"{policy}: {len(agent.training_seeds)} worlds, SCR {agent.curve[-1]['scr']:.4g} in the last ones"
    )
    print_text(f"files:  {', '.join(map(str, files))}")
    print_text(
        f"next:   mecsim compare {scenario} -p '{policy}:weights={path}',nearest --seed {max(wanted) + 1}"
    )


def parse_seeds(text: str) -> list[int]:
    """Return the seeds that ``A..B`` or ``A,B,C`` stand for.

    Raises
    ------
    MecsimError
        If it is neither, or stands for more than `MOST_SEEDS`.
    """
    first, dots, last = text.partition("..")
    parts = [part.strip() for part in ([first, last] if dots else text.split(","))]
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        raise MecsimError(f"--seeds {text}: must be A..B or A,B,C with whole numbers >= 0, such as 100..119")
    numbers = [int(part) for part in parts]
    if not dots:
        return numbers
    if not 0 <= numbers[1] - numbers[0] < MOST_SEEDS:
        raise MecsimError(f"--seeds {text}: must stand for 1 to {MOST_SEEDS:,} seeds")
    return list(range(numbers[0], numbers[1] + 1))


def _write_curve(curve: list[dict[str, float]], folder: Path) -> list[Path]:
    import pandas as pd

    from mecsim.analysis.learning_curve import draw_curve
    from mecsim.results.csv_text import write_csv_file
    from mecsim.results.files import write_atomically

    table, picture = folder / "curve.csv", folder / "curve.png"
    frame = pd.DataFrame(curve)
    write_csv_file(table, frame)
    figure = draw_curve(frame)
    write_atomically(picture, lambda part: figure.savefig(part, format="png"))
    return [table, picture]
