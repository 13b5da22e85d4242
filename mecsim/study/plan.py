"""The runs of a study: policies x seeds, each with an identifier made from both."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mecsim.certificate import refuse_to_record
from mecsim.errors import MecsimError
from mecsim.results.provenance import environment
from mecsim.study.labels import folder_name
from mecsim.study.policy_choice import PolicyChoice

if TYPE_CHECKING:
    from mecsim.scenario.schema import Scenario

MOST_RUNS = 1_000_000
_CODE = ("code_sha256", "python", "packages")


@dataclass(frozen=True)
class Run:
    """One run: everything its tables are a function of, apart from code and versions.

    Parameters
    ----------
    scenario : Scenario
        Any.
    policy : PolicyChoice
        Any.
    seed : int
        Of the world.
    swept : dict
        Values of the keys that a study varies, as it gives them; they are in the scenario too.
    """

    scenario: Scenario
    policy: PolicyChoice
    seed: int
    swept: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def is_foreign(self) -> bool:
        """Whether code that does not ship with mecsim is run: its policy, or a model of its scenario."""
        return self.policy.is_foreign or bool(self.scenario.plugin_versions())

    @cached_property
    def scenario_sha256(self) -> str:
        """Hash of all values of the scenario."""
        return self.scenario.sha256

    @cached_property
    def run_id(self) -> str:
        """``<scenario>-<policy>-s<seed>-<hash>``; the hash tells apart what the names do not."""
        name, ending = f"{self.scenario.name}-{self.policy.label}", f"-s{self.seed}"
        slug = _slug(name + ending).removesuffix(ending)
        return folder_name(slug, f"{ending[1:]}-{_digest(self._asked())[:8]}")

    @property
    def stored_as(self) -> str:
        """Name of the run's folder in the folder of a study."""
        return self.run_id

    @property
    def identity(self) -> str:
        """Hash of the run's inputs and of the code: policy, mecsim, Python and packages.

        Two runs with one identity give the same tables, unless the policy reads other files or the
        processors differ.
        """
        here = environment()
        code = {name: here[name] for name in _CODE}
        return _digest([*self._asked(), self.policy.version, code])

    def _asked(self) -> list[Any]:
        asked = [self.scenario_sha256, self.policy.target, self.policy.parameters, self.seed]
        # The objects of one class have its name in common, and their labels tell them apart.
        return asked if self.policy.instance is None else [*asked, self.policy.label]


def plan(scenario: Scenario, policies: Sequence[PolicyChoice], replications: int, seed: int = 0) -> list[Run]:
    """Return the runs of a paired comparison.

    Replication k has the seed ``seed + k`` under every policy, hence the same world. Runs are
    ordered by replication, so that a study stopped half-way holds complete pairs.

    Raises
    ------
    MecsimError
        If there are more than `MOST_RUNS`.
    BoundError
        If the scenario wants bounds recorded that are not proved.
    """
    refuse_to_record(scenario)
    if (size := len(policies) * replications) > MOST_RUNS:
        raise MecsimError(f"replications = {replications}: {size} runs, must be at most {MOST_RUNS}")
    return [Run(scenario, policy, seed + k) for k in range(replications) for policy in policies]


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()


def _slug(text: str) -> str:
    return re.sub(r"[^\w.=+-]+", "-", text).strip("-.")
