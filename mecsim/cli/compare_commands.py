"""``mecsim compare`` and ``demo``."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecsim.cli.console import (
    name_failures,
    output_width,
    print_json,
    print_table,
    print_text,
    progress,
    say,
)
from mecsim.cli.dry_run import DryRunOption, show_plan
from mecsim.cli.live import LiveOption, monitored
from mecsim.cli.options import (
    JobsOption,
    JsonOption,
    LimitOption,
    OutOption,
    PluginOption,
    QuietOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    read_scenario,
)
from mecsim.cli.result_options import RESULTS
from mecsim.cli.run_commands import state_of
from mecsim.errors import MecsimError

if TYPE_CHECKING:
    from mecsim.analysis.bound_gap import PolicyLoss
    from mecsim.scenario.schema import Scenario
    from mecsim.study.comparison import Comparison
    from mecsim.study.policy_choice import PolicyChoice
    from mecsim.study.progress import OnStudyProgress
    from mecsim.study.until import SequentialComparison

DEMO_POLICIES = "rucaa,gucaa,aauco,gucro,dashf,dashf_plus"
DEMO_REPLICATIONS = 4
DEMO_CHANGES = ["duration_s=3600"]

UntilOption = Annotated[
    list[str] | None,
    typer.Option(
        "--until",
        metavar="CLAIM",
        show_default=False,
        help="Add replications until this is decided, such as 'scr:dashf-gucaa ±2%'; may be repeated.",
    ),
]
MostOption = Annotated[int, typer.Option("--most", min=2, help="With --until: the most replications.")]
FromOption = Annotated[
    float | None,
    typer.Option(
        "--from-s",
        metavar="S",
        show_default=False,
        help="Compare from this time on, in s: until then the policy of --before decides in every run.",
    ),
]
BeforeOption = Annotated[
    str | None,
    typer.Option("--before", metavar="P", show_default=False, help="With --from-s: who decides until then."),
]
ReplicationsOption = Annotated[int, typer.Option("--replications", "-r", min=1, help="Runs of each policy.")]
PoliciesOption = Annotated[
    str,
    typer.Option(
        "--policies",
        "-p",
        metavar="A,B,C",
        show_default=False,
        help="Policies separated by commas; a comma before key= stays within one policy.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(
        epilog="Example: mecsim compare campus --policies 'gucaa,nearest,mine.py:Mine:alpha=0.5,beta=2' -r 10"
    )(compare)
    app.command(epilog="Example: mecsim demo --quiet")(demo)


def compare(
    scenario: ScenarioArgument,
    policies: PoliciesOption,
    replications: ReplicationsOption = 10,
    until: UntilOption = None,
    most: MostOption = 200,
    from_s: FromOption = None,
    before: BeforeOption = None,
    jobs: JobsOption = -1,
    seed: SeedOption = 0,
    changes: SetOption = None,
    plugins: PluginOption = None,
    limit_s: LimitOption = None,
    out: OutOption = None,
    dry_run: DryRunOption = False,
    live: LiveOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare policies on the same worlds: intervals, paired differences to the first policy, a figure.

    Replication k has seed --seed + k under every policy. The folder --out, or
    results/SCENARIO-HASH, gets one folder a run, comparison.csv, per_run.csv, paired.csv, comparison.png,
    comparison.pdf and report.html. Finished runs that are there already are used again if nothing that
    their bits depend on has changed, so an interrupted comparison goes on where it stopped, and a further
    policy costs only its own runs. Policies of your own are always run.

    With --until, --replications is how many there are at the first look; then half as many more each
    time until the interval of METRIC, POLICY against REFERENCE, says better, worse, or equivalent
    within the margin, or there are --most. The looks share an error of 5 %.

    With --from-s and --before, the runs of a replication have the same past bit for bit, and the metrics
    are of what follows: of rounds that start at that time or later, SCR over windows and rounds/h of those
    that end then. The tables call each policy by its own name.
    """  # fmt: skip
    asked = _Asked(
        read_scenario(scenario, changes), policies, replications, seed, jobs, out, until, most, limit_s,
        from_s, before,
    )  # fmt: skip
    if dry_run:
        _plan(asked, quiet=quiet, as_json=as_json)
    else:
        _compare(asked, live=live, quiet=quiet, as_json=as_json)


def demo(
    jobs: JobsOption = -1,
    replications: ReplicationsOption = DEMO_REPLICATIONS,
    out: OutOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare six policies over a simulated hour of ten people walking on a campus, in several worlds."""
    say(
        "mecsim demo: six policies, the same hour on a campus, every replication another world",
        quiet=quiet,
    )
    asked = _Asked(read_scenario("campus", DEMO_CHANGES), DEMO_POLICIES, replications, 0, jobs, out)
    _compare(asked, live=False, quiet=quiet, as_json=as_json)


@dataclass(frozen=True)
class _Asked:
    """What to compare, and where to put it."""

    scenario: Scenario
    policies: str
    replications: int
    seed: int
    jobs: int
    out: Path | None
    until: list[str] | None = None
    most: int = 0
    limit_s: float | None = None
    from_s: float | None = None
    before: str | None = None

    def choices(self) -> tuple[Scenario, list[PolicyChoice]]:
        """Return the scenario and the policies to run, those of --from-s as futures of one past."""
        from mecsim.study.futures import futures
        from mecsim.study.policy_choice import choose_policies, split_policies

        if (self.from_s is None) != (self.before is None):
            raise MecsimError("--from-s S and --before POLICY belong together: one of them is missing")
        policies = split_policies(self.policies)
        if self.from_s is None or self.before is None:
            return self.scenario, choose_policies(policies, limit_s=self.limit_s)
        scenario, switched = futures(self.scenario, policies, before=self.before, from_s=self.from_s)
        return scenario, choose_policies(switched, limit_s=self.limit_s)

    def run(
        self, scenario: Scenario, choices: list[PolicyChoice], folder: Path, on_progress: OnStudyProgress
    ) -> tuple[Comparison, SequentialComparison | None]:
        """Return the comparison, and the claims it decided if there are any."""
        from mecsim.study.compare import compare
        from mecsim.study.until import compare_until

        options: dict[str, Any] = {
            "seed": self.seed, "jobs": self.jobs, "limit_s": self.limit_s, "out": folder,
            "on_progress": on_progress,
        }  # fmt: skip
        if not self.until:
            return compare(scenario, choices, self.replications, **options), None
        decided = compare_until(scenario, choices, self.until, self.replications, self.most, **options)
        return decided.comparison, decided

    def folder(self, scenario: Scenario) -> Path:
        """Return where the runs go."""
        return self.out or RESULTS / f"{scenario.name}-{scenario.sha256[:8]}"

    @property
    def moment(self) -> list[str]:
        """A line that says what the policies share, if they are futures of one past."""
        if self.from_s is None:
            return []
        return [
            f"futures: {self.before} decides until {self.from_s:g} s in every run; rounds that start from "
            "then on count, in window SCR and rounds/h those that end"
        ]


def _plan(asked: _Asked, *, quiet: bool, as_json: bool) -> None:
    from mecsim.study.plan import plan

    scenario, choices = asked.choices()
    folder = asked.folder(scenario)
    runs = plan(scenario, choices, asked.replications, asked.seed)
    states = [state_of(run, folder / run.stored_as) for run in runs]
    show_plan(scenario.name, states, folder, asked.jobs, as_json=as_json, quiet=quiet)


def _compare(asked: _Asked, *, live: bool, quiet: bool, as_json: bool) -> None:
    from mecsim.analysis.bound_texts import loss_object
    from mecsim.analysis.diagnostics import study_warnings
    from mecsim.cli.bound_losses import bound_losses
    from mecsim.cli.summaries import comparison_object, tail_warnings

    scenario, choices = asked.choices()
    folder = asked.folder(scenario)
    title = f"{scenario.name}: {len(choices)} policies x {asked.replications}"
    total, labels = len(choices) * asked.replications, [choice.label for choice in choices]
    with (
        monitored(live, title, total, folder, labels) as monitor,
        progress(title, total, quiet=quiet) as update,
        warnings.catch_warnings(),
    ):
        # Failed runs are named at the end.
        warnings.simplefilter("ignore", RuntimeWarning)
        show = monitor.forward(update)
        comparison, decided = asked.run(
            scenario, choices, folder, lambda done, of, message: show(done * total / of, message)
        )
        files = comparison.save(folder)
        report = monitor.write_report(quiet=quiet)
    warned = [*study_warnings(comparison.stored_runs()), *tail_warnings(comparison)]
    warned += decided.warnings if decided else []
    losses = bound_losses(comparison) if asked.scenario.record.bound else []
    if as_json:
        more: dict[str, Any] = {"until": [asdict(verdict) for verdict in decided.verdicts]} if decided else {}
        shared = {"before": asked.before, "from_s": asked.from_s}
        more |= {"futures": shared} if asked.from_s is not None else {}
        more |= {"bound": [loss_object(loss) for loss in losses]} if losses else {}
        print_json(comparison_object(comparison, files) | {"warnings": warned} | more)
    else:
        first = [*asked.moment, *(decided.lines if decided else ()), *(f"warning: {line}" for line in warned)]
        last = [f"report: {report}"] if report is not None else []
        _print(comparison, losses, [*first, *_afterwards(comparison, files), *last])
    name_failures(comparison.failures, f"{comparison.out}/failed-*.txt", len(comparison.outcomes))


def _print(comparison: Comparison, losses: list[PolicyLoss], lines: list[str]) -> None:
    from mecsim.cli.bound_losses import losses_table
    from mecsim.cli.summaries import comparison_table

    print_table(comparison_table(comparison, narrow=output_width() < 110))
    if losses:
        print_table(losses_table(losses))
    for line in lines:
        print_text(line)


def _afterwards(comparison: Comparison, files: list[Path]) -> list[str]:
    reused, replaced = (sum(o.origin == kind for o in comparison.outcomes) for kind in ("reused", "replaced"))
    lines = [f"note: {note}" for note in comparison.notes]
    if reused:
        lines.append(f"{reused} finished runs were there already and used again")
    if replaced:
        lines.append(
            f"{replaced} finished runs of other code, packages or policies were run again and replaced"
        )
    lines.append(f"runs:   {comparison.out}")
    lines.append(f"tables: {', '.join(str(file) for file in files if file.suffix == '.csv')}")
    lines.append(f"figure: {', '.join(str(file) for file in files if file.suffix != '.csv')}")
    return lines
