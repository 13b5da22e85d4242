"""Labels of policies: what tables, figures and run folders call them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
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


def distinct_labels(objects: Sequence[tuple[str, object]]) -> list[str]:
    """Return a label for each (label, object); equal ones get the attributes in which the objects differ.

    Where plain attributes do not tell all of them apart, they are numbered: ``Mine-1``, ``Mine-2``. One
    object that is given twice keeps its label.
    """
    groups: dict[str, list[object]] = {}
    for label, each in objects:
        groups.setdefault(label, []).append(each)
    new = {label: iter(_distinct(label, group)) for label, group in groups.items()}
    return [next(new[label]) for label, _ in objects]


def _distinct(label: str, group: list[object]) -> list[str]:
    if len({id(each) for each in group}) < len(group) or len(group) == 1:
        return [label] * len(group)
    held = [vars(each) if hasattr(each, "__dict__") else {} for each in group]
    names = [
        name
        for name in held[0]
        if not name.startswith("_")
        and all(isinstance(each.get(name), bool | int | float | str) for each in held)
        and len({repr(each[name]) for each in held}) > 1
    ]
    found = [automatic_label(label, {name: each[name] for name in names}) for each in held]
    if len(set(found)) == len(found):
        return found
    return [f"{label}-{number}" for number in range(1, len(group) + 1)]


def folder_name(name: str, ending: str) -> str:
    """Return ``name-ending``; a name that is too long for file systems is cut, the ending is not."""
    room = _LONGEST_NAME_BYTES - len(ending.encode()) - 1
    return f"{name.encode()[:room].decode(errors='ignore')}-{ending}"
