"""The contract kit of models: checks that every mobility model and every path loss must pass.

>>> from mecsim.testing.models import check_mobility, check_path_loss
>>> check_mobility("random_waypoint", speed_mps=[1, 2])
>>> check_path_loss("free_space")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np

from mecsim.engine.global_generators import GlobalGenerators
from mecsim.errors import ContractViolation
from mecsim.plugin_files import Group
from mecsim.plugins import find
from mecsim.scenario.models import MOBILITY, PATH_LOSS, fault_of
from mecsim.testing.model_checks import (
    MOBILITY_CHECKS,
    PATH_LOSS_CHECKS,
    MobilityCase,
)
from mecsim.world.channel.model import PathLossModel
from mecsim.world.mobility.model import MobilityModel

SEED, USERS, HORIZON_S = 7, 5, 400.0
SIZE_M = (300.0, 200.0)


ModelLike: TypeAlias = "str | type[Any] | MobilityModel | PathLossModel"
"""A model as people have it: a name with parameters, a class with parameters, or an object."""


def check_mobility(
    model: ModelLike,
    *,
    size_m: tuple[float, float] = SIZE_M,
    seed: int = SEED,
    users: int = USERS,
    horizon_s: float = HORIZON_S,
    **parameters: Any,
) -> None:
    """Check that a mobility model passes all of :data:`MOBILITY_CHECKS`.

    Parameters
    ----------
    model : str, class or MobilityModel
        A name known to scenarios, a class, or an object.
    size_m : pair of float
        The area.
    seed, users : int
    horizon_s : float
        Time until which trajectories are checked.
    **parameters
        Keys of the model, if it is no object.

    Raises
    ------
    ContractViolation
        Lists every check that fails, each with the fault.
    """
    made = _made(MOBILITY, model, parameters)
    case = MobilityCase(made, np.array(size_m, dtype=np.float64), seed, users, horizon_s)
    _check(f"mobility model {made.model}", MOBILITY_CHECKS, case)


def check_path_loss(model: ModelLike, **parameters: Any) -> None:
    """Check that a path loss passes all of :data:`PATH_LOSS_CHECKS`.

    Parameters
    ----------
    model : str, class or PathLossModel
        A name known to scenarios, a class, or an object.
    **parameters
        Keys of the model, if it is no object.

    Raises
    ------
    ContractViolation
        Lists every check that fails, each with the fault.
    """
    made = _made(PATH_LOSS, model, parameters)
    _check(f"path loss {made.model}", PATH_LOSS_CHECKS, made)


def _made(group: Group, model: ModelLike, parameters: Mapping[str, Any]) -> Any:
    cls = find(group, model) if isinstance(model, str) else model if isinstance(model, type) else type(model)
    name = cls.name() if hasattr(cls, "name") else ""
    fault = fault_of(group, name, cls)
    if fault:
        raise ContractViolation(f"{group.noun} {cls.__name__}: {fault}")
    return cls.model_validate(dict(parameters)) if isinstance(model, str | type) else model


def _check(title: str, checks: Mapping[str, Callable[[Any], None]], case: Any) -> None:
    faults = []
    for name, check in checks.items():
        try:
            with _no_global_randomness():
                check(case)
        except ContractViolation as broken:
            faults.append(f"  {name}: {broken}")
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a model raises is a failed check
            faults.append(f"  {name}: {type(error).__name__}: {error}")
    if faults:
        raise ContractViolation(
            "\n".join([f"{title}: {len(faults)} of {len(checks)} checks failed", *faults])
        )


@contextmanager
def _no_global_randomness() -> Iterator[None]:
    generators = GlobalGenerators()
    yield
    if generators.look():
        raise ContractViolation("draws from the global random state; use mecsim.rng.stream")
