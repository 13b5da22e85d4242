"""The data of a report: a summary of every run of a folder, and the tables of the runs of one seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mecsim.analysis.bound_gap import Loss, loss_of
from mecsim.analysis.diagnostics import Rounds, finished_rounds
from mecsim.analysis.report.classes import class_energy
from mecsim.analysis.report.settings import by_setting
from mecsim.analysis.report.trouble import run_troubles
from mecsim.analysis.user_classes import class_metrics
from mecsim.errors import MecsimError, ResultStoreError
from mecsim.escapes import printable
from mecsim.results.after_warmup import delay_sketch, rounds_after_warmup
from mecsim.results.files import read_note
from mecsim.results.folder_plan import planned_runs
from mecsim.results.load import run_folders
from mecsim.results.manifest import read_manifest
from mecsim.results.metrics import WINDOW_SCR, headline_of, phase_energy, run_metrics
from mecsim.results.store import load_run
from mecsim.results.walk import files_below
from mecsim.system.phases import PHASES

if TYPE_CHECKING:
    import pandas as pd

    from mecsim.results.result import Results

ENERGIES = tuple(phase_energy(phase) for phase in PHASES)
_FAILED = "failed-"
_MOST_FAILURES = 1000


@dataclass(frozen=True, eq=False, slots=True)
class RunSummary:
    """One run without its tables.

    Parameters
    ----------
    folder : Path
    manifest : dict
    metrics : dict
        As in ``mecsim.results.metrics``.
    delays : DataFrame
        The sketch of the delay distribution.
    user_delay_s : Series
        Mean delay of each user's rounds after the warm-up.
    energy_j : dict
        Sums over all rounds of each phase's energy and of ``energy_j``, and over epochs, ``metered_j`` and
        ``idle_j``.
    troubles : tuple of str
        Reasons to doubt the numbers.
    rounds : Rounds
        When rounds ended and how long they took.
    class_energy_j : dict
        Energy of the GPUs and of the radios of each device class.
    loss : Loss or None
        What decisions lose against the upper bound; None unless bounds are recorded.
    class_metrics : dict
        Metrics of each class of users; empty without classes.
    """

    folder: Path
    manifest: dict[str, Any]
    metrics: dict[str, float]
    delays: pd.DataFrame
    user_delay_s: pd.Series[float]
    energy_j: dict[str, float]
    troubles: tuple[str, ...]
    rounds: Rounds
    class_energy_j: dict[str, tuple[float, float]] = field(default_factory=dict)
    loss: Loss | None = None
    class_metrics: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def policy(self) -> str:
        """Label of the policy."""
        return printable(str(self.manifest["policy"]))

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.manifest["seed"])


@dataclass(frozen=True, eq=False, slots=True)
class ScenarioRuns:
    """The runs of one scenario, whatever the policy and the seed.

    Parameters
    ----------
    label : str
        Names what was swept.
    runs : tuple of RunSummary
        By policy in the order of the folder, then seed.
    order : tuple of str
        Every policy of the folder in its order, also those without a run here; it decides colours.
    scenario : str
    values : dict
        Of the keys in which the scenarios of the folder differ.
    """

    label: str
    runs: tuple[RunSummary, ...]
    order: tuple[str, ...] = ()
    scenario: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def policies(self) -> tuple[str, ...]:
        """Labels of the policies in the order they were asked for."""
        return tuple(dict.fromkeys(run.policy for run in self.runs))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of all runs, increasing."""
        return tuple(sorted({run.seed for run in self.runs}))

    @property
    def headline(self) -> str:
        """The SCR that is shown first: over windows, or of generations where rounds are synchronous."""
        return headline_of(self.runs[0].manifest) if self.runs else WINDOW_SCR


@dataclass(frozen=True, eq=False, slots=True)
class Collected:
    """All data of a report.

    Parameters
    ----------
    root : Path
    settings : tuple of ScenarioRuns
    shown : int
        Which of the settings is shown in full.
    replays : dict
        The full tables of one seed's runs of that setting, by policy.
    failures : dict
        Run to traceback.
    problems : tuple of str
        Run folders that cannot be read, and why, and how many are of another plan.
    order : tuple of str
        Every policy of the folder in the order they were asked for; the first is the reference.
    """

    root: Path
    settings: tuple[ScenarioRuns, ...] = ()
    shown: int = 0
    replays: dict[str, Results] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    order: tuple[str, ...] = ()

    @property
    def setting(self) -> ScenarioRuns | None:
        """The setting that is shown in full; None without any run."""
        return self.settings[self.shown] if self.settings else None


def collect(folder: str | Path, setting: int = 0, seed: int | None = None, *, mix: bool = False) -> Collected:
    """Read a results folder, one run after the other; keep the tables of a single seed.

    Parameters
    ----------
    folder : str or Path
        A run folder, or any folder with run folders below it; none need to be there.
    setting : int
        Which of several settings to show in full, from 0.
    seed : int, optional
        Which world to replay; if left out, the first among those with the most policies.
    mix : bool
        Whether runs of several plans may be put together.

    Raises
    ------
    ResultStoreError
        If there is no such folder.
    MecsimError
        If there is no such setting or seed, or the runs are of several studies.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ResultStoreError(f"{root}: no such folder; give a run folder, or a folder of them")
    problems: list[str] = []
    manifests = _readable(run_folders(root), read_manifest, problems)
    planned = planned_runs(root, manifests, mix=mix)
    problems += [planned.note] if planned.note else []
    groups = by_setting({place: manifests[place] for place in planned.folders})
    if groups and not 0 <= setting < len(groups):
        raise MecsimError(
            f"--setting {setting}: must be 0 to {len(groups) - 1}, of the {len(groups)} in {root}"
        )
    replays: dict[str, Results] = {}
    settings = []
    for number, (label, (values, members)) in enumerate(groups.items()):
        kept = _replayed(members, manifests, seed, root) if number == setting else None
        runs = []
        for run, results in _loaded(members, problems):
            runs.append(_summary(run, results))
            if results.manifest["seed"] == kept:
                replays[printable(str(results.manifest["policy"]))] = results
        name = manifests[members[0]]["scenario"]
        kept_runs = _once(runs, planned.policies, problems)
        settings.append(ScenarioRuns(label, kept_runs, planned.policies, name, values))
    notes = files_below(root, lambda name: name.startswith(_FAILED) and name.endswith(".txt"))
    failures = {path.stem.removeprefix(_FAILED): read_note(path) for path in notes[:_MOST_FAILURES]}
    if len(notes) > _MOST_FAILURES:
        problems.append(f"{root}: {len(notes)} runs failed; the first {_MOST_FAILURES} are shown")
    full = [one for one in settings if one.runs]
    replays = {policy: replays[policy] for policy in planned.policies if policy in replays}
    return Collected(
        root, tuple(full), min(setting, max(len(full) - 1, 0)), replays, failures, tuple(problems),
        planned.policies,
    )  # fmt: skip


def _readable(folders: Iterable[Path], read: Callable[[Path], Any], problems: list[str]) -> dict[Path, Any]:
    found = {}
    for folder in folders:
        try:
            found[folder] = read(folder)
        except ResultStoreError as error:
            problems.append(str(error))
    return dict(sorted(found.items(), key=lambda item: str(item[1].get("started_utc", ""))))


def _loaded(folders: Iterable[Path], problems: list[str]) -> Iterable[tuple[Path, Results]]:
    for folder in folders:
        try:
            yield folder, load_run(folder)
        except ResultStoreError as error:
            problems.append(str(error))


def _replayed(
    members: list[Path], manifests: dict[Path, dict[str, Any]], seed: int | None, root: Path
) -> int:
    met: dict[int, set[str]] = {}
    for folder in members:
        met.setdefault(manifests[folder]["seed"], set()).add(manifests[folder]["policy"])
    if seed is not None and seed not in met:
        raise MecsimError(
            f"--seed {seed}: no run in {root} has it; there are {', '.join(map(str, sorted(met)))}"
        )
    return seed if seed is not None else min(met, key=lambda one: (-len(met[one]), one))


def _once(runs: list[RunSummary], order: Sequence[str], problems: list[str]) -> tuple[RunSummary, ...]:
    """Return the runs, of two with the same policy and seed the later one."""
    kept: dict[tuple[str, int], RunSummary] = {}
    for run in runs:
        if (twin := kept.pop((run.policy, run.seed), None)) is not None:
            problems.append(
                f"{twin.folder}: also {run.policy}, seed {run.seed}; {run.folder.name} is later and counts"
            )
        kept[run.policy, run.seed] = run
    return tuple(sorted(kept.values(), key=lambda run: (order.index(run.policy), run.seed)))


def _summary(folder: Path, results: Results) -> RunSummary:
    rounds, metrics = results.rounds, run_metrics(results)
    kept = rounds_after_warmup(results)
    energy = {name: float(rounds[name].sum()) for name in (*ENERGIES, "energy_j")}
    energy["metered_j"] = float(results.epochs["realised_energy_j"].sum())
    energy["idle_j"] = float(results.epochs["idle_j"].sum())
    return RunSummary(
        folder, results.manifest, metrics, delay_sketch(results),
        kept.groupby("user")["delay_s"].mean(), energy, tuple(run_troubles(results, metrics)),
        finished_rounds(results), class_energy(results), loss_of(results), class_metrics(results),
    )  # fmt: skip
