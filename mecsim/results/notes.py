"""The same note on several runs, written once."""

from __future__ import annotations

from collections.abc import Iterable


def notes_by_policy(notes: Iterable[tuple[str, int, str]]) -> tuple[str, ...]:
    """Return a line for each policy and note: ``"policy, seed 0, 1: note"``.

    Parameters
    ----------
    notes : iterable of tuple
        Policy, seed and note; the lines come in the order in which they first appear.
    """
    seeds: dict[tuple[str, str], list[str]] = {}
    for policy, seed, note in notes:
        seeds.setdefault((policy, note), []).append(str(seed))
    return tuple(f"{policy}, seed {', '.join(of)}: {note}" for (policy, note), of in seeds.items())
