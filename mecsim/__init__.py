"""Compare policies for mobile edge computing on the same simulated, moving world.

>>> from mecsim import load_scenario, simulate, compare
>>> result = simulate("campus", policy="gucaa", seed=1)
>>> comparison = compare("campus", policies=["gucaa", "nearest"], replications=10)

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mecsim.messages import nearest

if TYPE_CHECKING:
    from mecsim.certificate import bound
    from mecsim.engine.decisions import Decided
    from mecsim.errors import (
        BoundError,
        ContractViolation,
        InstanceError,
        InvalidAllocation,
        MecsimError,
        OtherSchema,
        PluginError,
        PolicyError,
        PolicyFailed,
        PolicyNotFound,
        ResultStoreError,
        RunFailed,
        ScenarioError,
        StudyError,
        TraceError,
        UnreadableFile,
    )
    from mecsim.policy import Observation, Policy
    from mecsim.registry import make_policy
    from mecsim.results.load import load_results
    from mecsim.results.result import Results
    from mecsim.scenario.load import load_scenario
    from mecsim.scenario.models import load_plugin, register_mobility, register_path_loss
    from mecsim.scenario.schema import Scenario
    from mecsim.study.compare import compare
    from mecsim.study.comparison import Comparison
    from mecsim.study.futures import futures
    from mecsim.study.runner import simulate
    from mecsim.study.spec import Study, load_study
    from mecsim.study.sweep import Sweep, sweep
    from mecsim.study.tune import Tuned, tune
    from mecsim.system.allocation import Allocation
    from mecsim.system.bound import Bound
    from mecsim.system.instance import Instance
    from mecsim.system.instance_file import load_instance
    from mecsim.world.channel.model import PathLossModel
    from mecsim.world.mobility.model import MobilityModel
    from mecsim.world.world import World

__version__ = "0.2.0"

__all__ = [
    "Allocation",
    "Bound",
    "BoundError",
    "Comparison",
    "ContractViolation",
    "Decided",
    "Instance",
    "InstanceError",
    "InvalidAllocation",
    "MecsimError",
    "MobilityModel",
    "Observation",
    "OtherSchema",
    "PathLossModel",
    "PluginError",
    "Policy",
    "PolicyError",
    "PolicyFailed",
    "PolicyNotFound",
    "ResultStoreError",
    "Results",
    "RunFailed",
    "Scenario",
    "ScenarioError",
    "Study",
    "StudyError",
    "Sweep",
    "TraceError",
    "Tuned",
    "UnreadableFile",
    "World",
    "__version__",
    "bound",
    "compare",
    "futures",
    "load_instance",
    "load_plugin",
    "load_results",
    "load_scenario",
    "load_study",
    "make_policy",
    "register_mobility",
    "register_path_loss",
    "rl",
    "simulate",
    "sweep",
    "tune",
]

_HOMES = {
    "Allocation": "system.allocation",
    "Bound": "system.bound",
    "BoundError": "errors",
    "Comparison": "study.comparison",
    "ContractViolation": "errors",
    "Decided": "engine.decisions",
    "Instance": "system.instance",
    "InstanceError": "errors",
    "InvalidAllocation": "errors",
    "MecsimError": "errors",
    "MobilityModel": "world.mobility.model",
    "Observation": "policy",
    "OtherSchema": "errors",
    "PathLossModel": "world.channel.model",
    "PluginError": "errors",
    "Policy": "policy",
    "PolicyError": "errors",
    "PolicyFailed": "errors",
    "PolicyNotFound": "errors",
    "ResultStoreError": "errors",
    "Results": "results.result",
    "RunFailed": "errors",
    "Scenario": "scenario.schema",
    "ScenarioError": "errors",
    "Study": "study.spec",
    "StudyError": "errors",
    "Sweep": "study.sweep",
    "TraceError": "errors",
    "Tuned": "study.tune",
    "UnreadableFile": "errors",
    "World": "world.world",
    "bound": "certificate",
    "compare": "study.compare",
    "futures": "study.futures",
    "load_instance": "system.instance_file",
    "load_plugin": "scenario.models",
    "load_results": "results.load",
    "load_scenario": "scenario.load",
    "load_study": "study.spec",
    "make_policy": "registry",
    "register_mobility": "scenario.models",
    "register_path_loss": "scenario.models",
    "simulate": "study.runner",
    "sweep": "study.sweep",
    "tune": "study.tune",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for (PEP 562)."""
    if name == "rl":  # its environments need the extra
        return import_module("mecsim.rl")
    if name not in _HOMES:
        raise AttributeError(f"module 'mecsim' has no attribute '{name}'{nearest(name, __all__)}")
    value = getattr(import_module(f"mecsim.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
