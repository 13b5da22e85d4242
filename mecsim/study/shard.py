"""Parts of a study that several machines share out."""

from __future__ import annotations

from mecsim.errors import MecsimError


def parse_shard(text: str) -> tuple[int, int]:
    """Return ``(i, n)`` from ``"i/n"``, with i from 1 to n.

    Raises
    ------
    MecsimError
        If it is not that.
    """
    part, slash, parts = text.partition("/")
    if not slash or not part.isdecimal() or not parts.isdecimal() or not 1 <= int(part) <= int(parts):
        raise MecsimError(f"--shard {text}: must read i/n with i from 1 to n, such as 1/8")
    return int(part), int(parts)
