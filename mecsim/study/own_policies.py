"""Policies whose code ships with mecsim, and what they say of their runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from mecsim.policy_spec import INNERS

if TYPE_CHECKING:
    from mecsim.policy import Policy

_OWN_MODULES = ("mecsim", "mecsim_policies")


def is_own(policy: Policy) -> bool:
    """Return whether the policy's code ships with mecsim, so that its version is known for certain.

    The same must hold for policies in its attributes ``policy`` and ``then``.
    """
    return _is_shipped(type(policy)) and all(map(is_own, _inner(policy)))


def policy_remarks(policy: Policy) -> list[str]:
    """Return what policies that ship with mecsim say of their run in ``remarks``, held ones too."""
    own = list(getattr(policy, "remarks", ())) if _is_shipped(type(policy)) else []
    return [*own, *(line for inner in _inner(policy) for line in policy_remarks(inner))]


def _is_shipped(kind: type[Any]) -> bool:
    home = sys.modules.get(kind.__module__)
    # A class may say that it comes from anywhere.
    return kind.__module__.partition(".")[0] in _OWN_MODULES and getattr(home, kind.__name__, None) is kind


def _inner(policy: Policy) -> list[Any]:
    """Return the policies in the attributes that may hold one."""
    held = [getattr(policy, name, None) for name in INNERS]
    return [each for each in held if callable(getattr(each, "allocate", None))]
