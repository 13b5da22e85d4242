"""Compare policies for mobile edge computing on the same simulated, moving world.

>>> from mecsim import load_scenario, simulate, compare
>>> result = simulate("campus", policy="gucaa", seed=1)
>>> comparison = compare("campus", policies=["gucaa", "nearest"], replications=10)

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mecsim.certificate import bound
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
    from mecsim.system.allocation import Allocation
    from mecsim.system.bound import Bound
    from mecsim.system.instance import Instance
    from mecsim.system.instance_file import load_instance
    from mecsim.world.channel.model import PathLossModel
    from mecsim.world.mobility.model import MobilityModel

__version__ = "0.1.0"

__all__ = [
    "Allocation",
    "Bound",
    "Comparison",
    "Instance",
    "MobilityModel",
    "Observation",
    "PathLossModel",
    "Policy",
    "Results",
    "Scenario",
    "__version__",
    "bound",
    "compare",
    "futures",
    "load_instance",
    "load_plugin",
    "load_results",
    "load_scenario",
    "make_policy",
    "register_mobility",
    "register_path_loss",
    "simulate",
]

_HOMES = {
    "Allocation": "system.allocation",
    "Bound": "system.bound",
    "Comparison": "study.comparison",
    "Instance": "system.instance",
    "MobilityModel": "world.mobility.model",
    "Observation": "policy",
    "PathLossModel": "world.channel.model",
    "Policy": "policy",
    "Results": "results.result",
    "Scenario": "scenario.schema",
    "bound": "certificate",
    "compare": "study.compare",
    "futures": "study.futures",
    "load_instance": "system.instance_file",
    "load_plugin": "scenario.models",
    "load_results": "results.load",
    "load_scenario": "scenario.load",
    "make_policy": "registry",
    "register_mobility": "scenario.models",
    "register_path_loss": "scenario.models",
    "simulate": "study.runner",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mecsim' has no attribute '{name}'")
    value = getattr(import_module(f"mecsim.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
