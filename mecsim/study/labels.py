"""Labels of policies: what tables, figures and run folders call them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from mecsim.errors import PolicyNotFound
from mecsim.escapes import printable
from mecsim.messages import shortened

LONGEST_LABEL = 100
LABEL_RULE = (
    f"must be 1 to {LONGEST_LABEL} printable characters on one line, not starting with '-', without spaces "
    "at its ends"
)
_LONGEST_NAME_BYTES = 200


def is_label(text: Any) -> bool:
    """Return whether a policy may be called this in every table, figure, file name and terminal."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= LONGEST_LABEL
        and printable(text) == text == text.strip()
        and not text.startswith("-")
    )


def checked_label(text: Any, policy: str) -> str:
    """Return a label that was given; raise `PolicyNotFound`, which names the policy, if it cannot be one."""
    if not is_label(text):
        shown = shortened(repr(text) if isinstance(text, str) else f"{text}")
        raise PolicyNotFound(f"policy '{shortened(policy)}': label = {shown}: {LABEL_RULE}")
    return str(text)


def automatic_label(name: str, parameters: Mapping[str, Any]) -> str:
    """Return the label of a policy without one: its name and parameters; a long one ends in a hash.

    Raises
    ------
    PolicyNotFound
        If the name or a parameter is not printable, hence shows in no table.
    """
    settings = {key: f"{key}={value}" for key, value in parameters.items()}
    for what, text in [("its name", name), *((f"parameter '{key}'", text) for key, text in settings.items())]:
        if printable(text) != text:
            shown = shortened(text.partition("=")[2] or text)
            raise PolicyNotFound(
                f"policy '{shortened(name)}': {shortened(what)} = {shown}: is not printable on one line, so "
                "the policy needs a label: {name = ..., label = ...}"
            )
    label = (f"{name}:{','.join(settings.values())}" if settings else name).strip()
    if len(label) <= LONGEST_LABEL:
        return label
    digest = hashlib.sha256(label.encode()).hexdigest()[:8]
    return f"{label[: LONGEST_LABEL - 12].rstrip()}...{digest}"


def folder_name(name: str, ending: str) -> str:
    """Return ``name-ending``; a name that is too long for file systems is cut, the ending is not."""
    room = _LONGEST_NAME_BYTES - len(ending.encode()) - 1
    return f"{name.encode()[:room].decode(errors='ignore')}-{ending}"
