"""Base class and types of all tables in files that people write."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypeAlias, TypeVar

from pydantic import AllowInfNan, BaseModel, ConfigDict, Discriminator, Field, Tag
from pydantic.config import JsonDict
from pydantic.types import Strict
from pydantic_core import PydanticCustomError

Path: TypeAlias = tuple[str | int, ...]
"""Where a value stands in a file: names of tables and keys, and positions in lists."""

T = TypeVar("T")


class Section(BaseModel):
    """A table of a file: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", revalidate_instances="always")
    later: ClassVar[frozenset[str]] = frozenset()
    """Keys with a default that came after version 0.1."""

    def without_later_keys(self, written: dict[str, Any]) -> dict[str, Any]:
        """Return the keys of a file, those left out that came after version 0.1 and have their defaults.

        For the hash: a scenario that does not use a key has the hash that it had without that key.
        """
        fields = type(self).model_fields
        return {
            name: value
            for name, value in written.items()
            if name not in self.later or getattr(self, name) != fields[name].default
        }


def key(
    description: str,
    *,
    unit: str = "",
    allowed: str = "",
    example: Any = None,
    instead_of: str = "",
    **settings: Any,
) -> Any:
    """Describe one key of a table.

    Parameters
    ----------
    description : str
        What the key means, in one sentence.
    unit : str
        Its unit, empty for a pure number or a word.
    allowed : str
        What may stand there, in words; left out where the type and the bounds say it.
    example : object
        A value in its file form, for keys without default.
    instead_of : str
        Another key of the table that may be given in its place; one of them must be.
    **settings
        Handed to `pydantic.Field`: default, bounds, alias, discriminator.
    """
    extra: JsonDict = {"unit": unit}
    if allowed:
        extra["allowed"] = allowed
    if instead_of:
        extra["instead_of"] = instead_of
    examples = None if example is None else [example]
    return Field(description=description, examples=examples, json_schema_extra=extra, **settings)


def refusal(*problems: tuple[Path, str]) -> PydanticCustomError:
    """Return the error a validator raises.

    Parameters
    ----------
    *problems : tuple of path and str
        Where, counted from the validated value, and what is allowed there.
    """
    return PydanticCustomError("refusal", "not allowed", {"problems": problems})


def unknown_name(what: str, known: tuple[str, ...]) -> PydanticCustomError:
    """Return the error for a word that is no name of a card or adapter in the catalogue."""
    return PydanticCustomError("unknown_name", "not in the catalogue", {"what": what, "known": known})


def _one_or_each(value: object) -> str:
    return "each" if isinstance(value, list | tuple) else "one"


SMALLEST = 1e-12
"""Smallest number accepted for a quantity that must be positive, far below any that means something."""

Real: TypeAlias = Annotated[float, Strict(), AllowInfNan(False)]
"""A finite number; neither true nor "1" is one."""

Whole: TypeAlias = Annotated[int, Strict()]
"""A whole number; neither true nor 1.0 is one."""

OneOrEach: TypeAlias = Annotated[
    Annotated[T, Tag("one")] | Annotated[tuple[T, ...], Tag("each")], Discriminator(_one_or_each)
]
"""One value for all servers (or users), or a list with one value for each."""


def ascending(pair: tuple[float, float]) -> tuple[float, float]:
    """Refuse a pair of numbers whose first is the larger one."""
    if pair[0] > pair[1]:
        raise refusal(((), "must be two numbers with the smaller one first"))
    return pair
