"""What a command computes with one policy: here if the policy is built in, else in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mecsim.errors import MecsimError, PolicyFailed
from mecsim.study.isolation.child import Child
from mecsim.study.isolation.client import Call
from mecsim.study.isolation.ending import Ending
from mecsim.study.isolation.place import where
from mecsim.study.policy_choice import PolicyChoice


def computed_apart(choice: PolicyChoice, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function of a policy and arguments returns, which must be what JSON knows.

    Parameters
    ----------
    choice : PolicyChoice
        Of a foreign policy; made in the other process.
    function : callable
        Of a module of mecsim.
    arguments
        Sent there.

    Raises
    ------
    PolicyFailed
        However the process ended instead of an answer.
    KeyboardInterrupt
        With a note of where it was.
    """
    try:
        ending = Call(_computed, choice, function, arguments, brought=(choice.instance,)).wait()
    except KeyboardInterrupt as interrupt:
        if isinstance(stopped := getattr(interrupt, "ending", None), Ending):
            interrupt.add_note(f"policy '{choice.label}' {where(stopped)}")
        raise
    if ending.how != "answered" or not isinstance(ending.value, dict):
        raise PolicyFailed(f"policy '{choice.label}' {where(ending)}")
    if "error" in ending.value:
        raise PolicyFailed(str(ending.value["error"]))
    return ending.value.get("found")


def _computed(
    choice: PolicyChoice, function: Callable[..., Any], arguments: tuple[Any, ...], child: Child
) -> dict[str, Any]:
    try:
        found = function(choice.make(), *arguments)
    except MecsimError as error:
        return {"error": str(error)}
    child.ready()
    return {"found": found}
