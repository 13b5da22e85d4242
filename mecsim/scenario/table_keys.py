"""Keys of a scenario file that say how to read a table."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field

from mecsim.config.base import Real, Whole, key

Column: TypeAlias = (
    Annotated[str, Field(min_length=1, max_length=200)] | Annotated[Whole, Field(ge=1, le=1000)]
)
Degrees: TypeAlias = tuple[Annotated[Real, Field(ge=-89, le=89)], Annotated[Real, Field(ge=-180, le=180)]]
Metres: TypeAlias = Annotated[Real, Field(ge=-1e8, le=1e8)]
DEGREES = "two numbers [latitude, longitude] from -89 to 89 and from -180 to 180"

_COLUMN = "the name of a column, or its number from 1 on in a file without a header"


def column(of: str, *, left_out: str = "found by its name") -> Any:
    """Describe a key that names the column of something."""
    return key(f"Column of {of}; left out: {left_out}", allowed=_COLUMN, default=None)
