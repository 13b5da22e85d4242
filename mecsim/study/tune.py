"""Parameters of policies, chosen on other seeds than they are tested on.

Every policy with candidates gets the same number of tuning runs, which they share equally, on the
same worlds; one that comes alone has nothing to choose and gets none. The best candidate of each
then meets the others on the test seeds, once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.errors import MecsimError
from mecsim.messages import either, nearest
from mecsim.overview import Overview, Shown
from mecsim.policy_spec import PolicySpec, parse_value
from mecsim.results.metrics import METRIC, METRICS, headline
from mecsim.study.compare import compare
from mecsim.study.comparison import Comparison
from mecsim.study.outcome import RunOutcome
from mecsim.study.policy_choice import PolicyChoice, choose_policies
from mecsim.study.progress import OnStudyProgress, counted_on
from mecsim.study.runner import as_scenario

if TYPE_CHECKING:
    import pandas as pd

    from mecsim.scenario.schema import Scenario
    from mecsim.study.policy_choice import PolicyLike

TUNING_SEED = 1_000_000
_NAMES = tuple(metric.name for metric in METRICS)
_STATISTICS = ("mean", "low", "high", "median", "median_low", "median_high", "heavy_tail")


@dataclass(frozen=True, eq=False, repr=False)
class Tuned(Shown):
    """The outcome of :func:`tune`.

    Parameters
    ----------
    metric : str
        What the candidates were chosen by.
    budget : int
        Tuning runs of each policy.
    tuning_seeds, test_seeds : tuple of int
        All seeds that served for either; none for both.
    candidates : DataFrame
        One row a candidate: ``policy``, ``candidate``, ``seeds`` (how many tuning seeds it had),
        ``mean``, ``low``, ``high`` of the metric on them, ``median``, ``median_low``, ``median_high``,
        ``heavy_tail`` (chosen by medians), ``chosen``.
    test : Comparison
        The chosen ones on the test seeds.
    failures : tuple of RunOutcome
        The runs that failed, of tuning and of the test.
    """

    metric: str
    budget: int
    tuning_seeds: tuple[int, ...]
    test_seeds: tuple[int, ...]
    candidates: pd.DataFrame
    test: Comparison
    failures: tuple[RunOutcome, ...] = ()

    def overview(self) -> Overview:
        """Return what was chosen of how many, policy by policy."""
        chosen = self.candidates[self.candidates["chosen"]].to_dict("records")
        rows = [(str(row["policy"]), f"{row['candidate']}, chosen of {row['of']}") for row in chosen]
        return Overview(f"Tuned by {self.metric}", rows)

    @property
    def lines(self) -> list[str]:
        """Lines that say which seeds served for what, and what was chosen."""
        chosen = self.candidates[self.candidates["chosen"]].to_dict("records")
        lines = [
            f"tuned by {self.metric} on seeds {_range(self.tuning_seeds)}, {self.budget} runs a policy",
            f"tested on seeds {_range(self.test_seeds)}, none of which served for tuning",
        ]
        return lines + [
            f"{row['candidate']}: chosen of {row['of']}, each on {row['seeds']} seeds"
            if row["of"] > 1
            else f"{row['candidate']}: nothing to tune"
            for row in chosen
        ]


def tune(
    scenario: Scenario | str | Path,
    policies: Sequence[str] | Mapping[str, Sequence[PolicyLike]],
    metric: str | None = None,
    *,
    budget: int = 40,
    replications: int = 10,
    seed: int = 0,
    tuning_seed: int = TUNING_SEED,
    jobs: int = 1,
    limit_s: float | None = None,
    out: str | Path | None = None,
    on_progress: OnStudyProgress | None = None,
) -> Tuned:
    """Choose the best candidate of each policy on tuning seeds and compare the chosen on test seeds.

    Parameters
    ----------
    scenario : Scenario, str or Path
    policies : sequence of str, or mapping
        Specs with alternatives, such as ``"dashf:max_iterations=1|3|10"``; or the candidates of each policy
        by its name, each as in :func:`mecsim.compare`: ``{"mine": [Mine(phi=0.2), Mine(phi=0.5)]}``.
    metric : str, optional
        What to choose by: the best mean, or median if it is heavy-tailed; of the SCR that is shown first of
        the scenario if left out.
    budget : int
        Tuning runs of each policy; one with k > 1 candidates tries each on ``budget // k`` seeds.
    replications : int
        Test runs of each policy.
    seed, tuning_seed : int
        First test seed and first tuning seed.
    jobs, limit_s, on_progress
        As in :func:`mecsim.compare`.
    out : str or Path, optional
        Folder; tuning runs go to ``tuning`` and test runs to ``test`` below it.

    Raises
    ------
    MecsimError
        If the two sets of seeds meet or the budget is too small, before any run.
    """
    loaded, given = as_scenario(scenario), _given(policies, limit_s)
    metric = metric or headline(loaded.workload.rounds.mode)
    sizes = _check(given, metric, budget, replications, seed, tuning_seed)
    folders = {name: None if out is None else Path(out) / name for name in ("tuning", "test")}
    total = sum(sizes[name] * len(own) for name, own in given.items()) + replications * len(given)
    done, parts, chosen, failures = 0, [], [], list[RunOutcome]()
    for name, own in given.items():
        chosen.append(own[0])
        if len(own) == 1:
            parts.append(_alone(name, own[0]))
            continue
        found = compare(
            loaded, own, sizes[name], seed=tuning_seed, jobs=jobs, limit_s=limit_s, out=folders["tuning"],
            on_progress=counted_on(on_progress, done, total),
        )  # fmt: skip
        done, failures = done + sizes[name] * len(own), [*failures, *found.failures]
        part, best = _chosen(found, name, metric)
        parts, chosen[-1] = [*parts, part], own[best]
    test = compare(
        loaded, chosen, replications, seed=seed, jobs=jobs, limit_s=limit_s, out=folders["test"],
        on_progress=counted_on(on_progress, done, total),
    )  # fmt: skip
    import pandas as pd

    seeds, tried = range(tuning_seed, tuning_seed + max(sizes.values())), pd.concat(parts, ignore_index=True)
    return Tuned(metric, budget, tuple(seeds), test.seeds, tried, test, (*failures, *test.failures))


def candidates(spec: str, limit_s: float | None = None) -> tuple[str, list[PolicyChoice]]:
    """Return a policy's name and its candidates: ``"dashf:max_iterations=1|3|10"`` gives three.

    Several parameters with alternatives give all their combinations. Making each may take ``limit_s``.

    Raises
    ------
    PolicyNotFound
        If one of them cannot be made.
    """
    target, parameters = PolicySpec.parse(spec)
    alternatives = [
        [parse_value(item) for item in value.split("|")] if isinstance(value, str) else [value]
        for value in parameters.values()
    ]
    specs = [
        str(PolicySpec(target, dict(zip(parameters, values, strict=True))))
        for values in product(*alternatives)
    ]
    return PolicyChoice.of(target).label, choose_policies(specs, limit_s=limit_s)


def _given(
    policies: Sequence[str] | Mapping[str, Sequence[PolicyLike]], limit_s: float | None
) -> dict[str, list[PolicyChoice]]:
    if isinstance(policies, Mapping):
        return {name: choose_policies(own, limit_s=limit_s) for name, own in policies.items()}
    return dict(candidates(spec, limit_s) for spec in policies)


def _check(
    policies: Mapping[str, Sequence[PolicyChoice]],
    metric: str,
    budget: int,
    replications: int,
    seed: int,
    tuning_seed: int,
) -> dict[str, int]:
    """Return the number of tuning seeds of each policy's candidates."""
    problems = []
    if metric not in _NAMES:
        problems.append(f"metric = {metric}: must be {either(_NAMES)}{nearest(metric, _NAMES)}")
    if replications < 1:
        problems.append(f"replications = {replications}: must be at least 1")
    problems += [
        f"budget = {budget}: must be at least {2 * len(own)}, two runs for each candidate of {name}"
        for name, own in policies.items()
        if len(own) > 1 and budget < 2 * len(own)
    ]
    sizes = {name: budget // len(own) if len(own) > 1 else 0 for name, own in policies.items()}
    most = max(sizes.values(), default=0)
    if most == 0:
        problems.append("no policy has alternatives: nothing to tune")
    if seed < tuning_seed + most and tuning_seed < seed + replications:
        problems.append(
            f"seed = {seed}, tuning_seed = {tuning_seed}: the {replications} test seeds and the {most} "
            "tuning seeds must not meet"
        )
    if problems:
        raise MecsimError("\n".join(problems))
    return sizes


def _chosen(found: Comparison, policy: str, metric: str) -> tuple[pd.DataFrame, int]:
    """Return the table of one policy's candidates, and the place of the best.

    Who fails in hard worlds has only easy ones in its mean, so the best is one of those with the most seeds.
    """
    rows = found.table[found.table["metric"] == metric]
    centres = rows["median"] if rows["heavy_tail"].any() else rows["mean"]
    ranked = (METRIC[metric].sign * centres).where(rows["n"] == rows["n"].max(), -np.inf)
    best = int(ranked.fillna(-np.inf).to_numpy().argmax())
    values: dict[str, Any] = {
        "policy": policy, "candidate": list(found.policies), "of": len(rows), "seeds": rows["n"].to_numpy(),
        **{name: rows[name].to_numpy() for name in _STATISTICS},
    }  # fmt: skip
    import pandas as pd

    return pd.DataFrame(values).assign(chosen=[k == best for k in range(len(rows))]), best


def _alone(policy: str, choice: PolicyChoice) -> pd.DataFrame:
    import pandas as pd

    row = {"policy": policy, "candidate": choice.label, "of": 1, "seeds": 0}
    unknown = dict.fromkeys(_STATISTICS[:-1], float("nan"))
    return pd.DataFrame([row | unknown | {"heavy_tail": False, "chosen": True}])


def _range(seeds: Sequence[int]) -> str:
    return f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0]}"
