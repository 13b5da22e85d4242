"""Run one scenario under one policy and collect what came out."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mecsim.engine.decisions import Decided
from mecsim.errors import PolicyFailed, ResultStoreError
from mecsim.plugin_files import files_as_first_read
from mecsim.results.blas import one_blas_thread
from mecsim.results.learning import TOKENS, round_tokens
from mecsim.results.notes import MEASURED_DECISIONS, judged
from mecsim.results.objective import objective_entries
from mecsim.results.plain_values import through_json
from mecsim.results.provenance import environment
from mecsim.results.recompute import checked_metrics
from mecsim.results.result import Results, tables_digest
from mecsim.results.store import claim, load_run, write_run
from mecsim.study.isolation.child import is_inside
from mecsim.study.notebook_bar import notebook_bar
from mecsim.study.own_policies import is_own, policy_remarks
from mecsim.study.plan import Run
from mecsim.study.policy_choice import PolicyChoice
from mecsim.study.progress import OnProgress
from mecsim.study.replaced_code import code_watch
from mecsim.study.run_status import run_status
from mecsim.study.threads_of_making import ThreadsOfMaking
from mecsim.study.working_folder import same_folder
from mecsim.tables import SCHEMA

if TYPE_CHECKING:
    from mecsim.engine.recorder import RunRecord
    from mecsim.engine.simulation import Simulation
    from mecsim.policy import Policy
    from mecsim.scenario.schema import Scenario
    from mecsim.study.policy_choice import PolicyLike
    from mecsim.study.shared_world import SharedWorld
    from mecsim.world.world import World

OnDecision = Callable[[Decided], object]
"""Called with each decision, what it was made on, and when it came into force."""


def simulate(
    scenario: Scenario | str | Path,
    policy: PolicyLike = "nearest",
    seed: int = 0,
    *,
    on_progress: OnProgress | None = None,
    on_decision: OnDecision | None = None,
    out: str | Path | None = None,
    **parameters: Any,
) -> Results:
    """Simulate one scenario under one policy.

    Parameters
    ----------
    scenario : Scenario, str or Path
        A scenario, a scenario file, or the name of a shipped one.
    policy : str, mapping, class or Policy
        A name, ``package.module:Class``, ``file.py:Class``, each with optional parameters
        (``"gucaa:local_fraction=0.3"``); a class with ``allocate(observation)``; or an object of one, of
        which the run uses a copy.
    seed : int
        Decides the world, together with the scenario, and the policy's own randomness.
    on_progress : callable, optional
        Called now and then with the simulated seconds done; a notebook shows a bar where it is left out.
    on_decision : callable, optional
        Called after each decision with a :class:`mecsim.Decided`: ``observation``, what the policy saw;
        ``allocation`` and ``in_force_s``, what is in force from when on. All are copies.
    out : str or Path, optional
        Folder to write the run to; it appears when the run is complete.
    **parameters
        Parameters of the policy.

    Raises
    ------
    ScenarioError, PolicyNotFound
        If there is no such scenario or policy.
    InvalidAllocation, PolicyFailed
        If the policy fails during the run.
    ResultStoreError
        If ``out`` holds something else or cannot be written.
    """
    run = Run(as_scenario(scenario), PolicyChoice.of(policy, **parameters), seed)
    with notebook_bar(run.run_id, run.scenario.duration_s, shown=on_progress is None) as tell:
        told = on_progress or (lambda done_s: tell(done_s, ""))
        return execute(run, out=out, on_progress=told, on_decision=on_decision)


def as_scenario(scenario: Scenario | str | Path) -> Scenario:
    """Return the scenario, loaded if it is a path or a name."""
    from mecsim.scenario.load import load_scenario

    return load_scenario(scenario) if isinstance(scenario, str | Path) else scenario


def execute(
    run: Run,
    *,
    out: str | Path | None = None,
    on_progress: OnProgress | None = None,
    on_decision: OnDecision | None = None,
    before_writing: Callable[[], None] | None = None,
    shared: SharedWorld | None = None,
) -> Results:
    """Run, and write the folder if one is given; raise what :func:`simulate` raises.

    ``before_writing`` is called once no code of the policy is needed any more. ``shared`` has the world, if
    other runs meet in it.
    """
    if out is not None:
        out = Path(out).absolute()
        claim(out, run.run_id)
    with files_as_first_read():
        done = _simulated(run, on_progress, on_decision, shared)
        manifest = _manifest(run, done.policy, dict(done.record.counts), done.world)
    manifest |= _marks(run, done)
    if run.scenario.learning is not None:
        manifest[TOKENS] = round_tokens(run.scenario, done.world.workload, done.record.rounds)
    results = Results.of(done.record, done.world, manifest | done.times)
    results.manifest["environment"] = environment() | {"threads": done.threads}
    results.manifest["digest"] = tables_digest(results.tables)
    results.manifest["tables"] = {name: {"rows": len(frame)} for name, frame in results.tables.items()}
    if before_writing is not None:
        before_writing()
    if out is not None:
        results.manifest.update(judged(results))
        results.manifest.update(write_run(results, out))
    return results


class _Simulated(NamedTuple):
    """A run that has been simulated: its policy and world, what happened, and in what surroundings."""

    policy: Policy
    world: World
    record: RunRecord
    drawn: tuple[str, ...]  # libraries whose global generator was moved when the policy was made
    times: dict[str, Any]
    threads: dict[str, str | None]


def _simulated(
    run: Run, on_progress: OnProgress | None, on_decision: OnDecision | None, shared: SharedWorld | None
) -> _Simulated:
    from mecsim.engine.global_generators import GlobalGenerators
    from mecsim.engine.simulation import Simulation

    generators = GlobalGenerators()
    with (
        code_watch(run.policy.label, on_progress, is_foreign=run.policy.is_foreign) as watched,
        same_folder(),
        ThreadsOfMaking(run.policy.label) as threads,
    ):
        policy, label = threads.of_making(run.policy.make), run.policy.label
        _refuse_training_seeds(run, policy)
        drawn = generators.look()
        started = datetime.now(UTC)
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        try:
            with one_blas_thread() as blas:
                simulation = Simulation(
                    run.scenario, policy, run.seed, label=label, on_progress=watched, on_decided=on_decision,
                    world=None if shared is None else shared.of(run),
                )  # fmt: skip
                record = simulation.run()
                _refuse_an_early_end(run, simulation)
        finally:
            generators.put_back(drawn)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    times = {"started_utc": started.isoformat(timespec="seconds"), "wall_s": wall_s, "cpu_s": cpu_s}
    return _Simulated(policy, simulation.world, record, drawn, times, blas.threads)


def _refuse_training_seeds(run: Run, policy: Any) -> None:
    """Refuse to judge a learned policy in a world that it was trained in, unless it allows that."""
    seeds = getattr(policy, "training_seeds", ()) if is_own(policy) else ()
    if run.seed in seeds and not policy.allow_training_seeds:
        raise PolicyFailed(
            f"policy '{run.policy.label}': seed {run.seed} is one of the {len(seeds)} that it was trained "
            f"with; take others, such as {max(seeds) + 1}, or set allow_training_seeds"
        )


def _refuse_an_early_end(run: Run, simulation: Simulation) -> None:
    """Refuse a simulation that did not come to its end: SimPy has an exception that says so, and means it."""
    if simulation.clock.now < run.scenario.duration_s:
        when = f"t = {simulation.clock.now:g} s (epoch {simulation.counters.epochs - 1})"
        raise PolicyFailed(
            f"policy '{run.policy.label}': its run ended at {when}, before {run.scenario.duration_s:g} s: "
            "something raised StopSimulation"
        )


def finished(run: Run, folder: Path) -> Results | None:
    """Return the run from its folder if computing it again could not give other bits; else None.

    Raises
    ------
    ResultStoreError
        If the folder is damaged, or its metrics are not those of its tables.
    """
    found = run_status(run, folder, exact=True)
    if found.status == "damaged":
        raise ResultStoreError(found.why)
    return checked_metrics(load_run(folder)) if found.status == "finished" else None


def _manifest(run: Run, policy: Policy, counts: dict[str, Any], world: World) -> dict[str, Any]:
    scenario = run.scenario
    return {
        "schema": SCHEMA,
        "run_id": run.run_id,
        "identity": run.identity,
        "scenario": scenario.name,
        "policy": run.policy.label,
        "seed": run.seed,
        "swept": through_json(dict(run.swept)),
        "duration_s": scenario.duration_s,
        "warmup_s": scenario.warmup_s,
        "window_s": scenario.record.window_s,
        "users": scenario.users.count,
        "servers": scenario.servers.count,
        "objective": {
            "delay_weight_per_s": scenario.objective.delay_weight_per_s,
            "energy_weight_per_j": scenario.objective.energy_weight_per_j,
            **objective_entries(world.objective),
        },
        "switched_off": scenario.switched_off(),
        "policy_target": run.policy.target,
        "policy_parameters": through_json(run.policy.parameters),
        "policy_version": run.policy.version,
        "policy_is_own": _is_own(run, policy),
        "solvers": _solvers(run, policy),
        "scenario_sha256": run.scenario_sha256,
        "plugins": scenario.plugin_versions(),
        "scenario_toml": scenario.to_toml(),
        "scenario_text": scenario.text,
        "counts": through_json(counts),
        "environment": environment(),
    }


def _marks(run: Run, done: _Simulated) -> dict[str, Any]:
    """Return what the manifest says of a run that another may not repeat, or whose policy broke a rule."""
    by_policy = [
        f"policy '{run.policy.label}' has drawn from or seeded the global generator of {library} when it was "
        "made; another run may differ"
        for library in done.drawn
    ]
    by_policy += done.record.irreproducible
    told = [f"policy '{run.policy.label}': {line}" for line in policy_remarks(done.policy)]
    measured = run.scenario.reallocation.decision_latency == "measured"
    reasons = [MEASURED_DECISIONS] * measured + by_policy
    return {
        "reproducible": not reasons,
        "not_reproducible_because": reasons,
        "remarks": [*done.record.remarks, *by_policy, *told],
        "policy_in_process": run.policy.instance is not None and not is_inside(),
    }


def _solvers(run: Run, policy: Policy) -> dict[str, int]:
    """Return how many problems each solver has solved, from a policy that ships with mecsim and says so."""
    return dict(getattr(policy, "solvers", {})) if _is_own(run, policy) else {}


def _is_own(run: Run, policy: Policy) -> bool:
    """Return whether a policy ships with mecsim: by its name, and by its code."""
    return not run.policy.is_foreign and is_own(policy)
