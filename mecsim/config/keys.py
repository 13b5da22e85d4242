"""All keys of a file format and their allowed values in words, from the JSON schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

from pydantic import BaseModel

from mecsim import plugins
from mecsim.config.base import Path
from mecsim.messages import either

Fragment: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """A value in a file.

    Parameters
    ----------
    path : tuple
        Where it is.
    siblings : tuple of str
        The keys that its table may have.
    fragment : mapping
        What the JSON schema says about it; nothing about an unknown key.
    """

    path: Path
    siblings: tuple[str, ...]
    fragment: Fragment


@dataclass(frozen=True)
class Key:
    """A key or table of the file format.

    Parameters
    ----------
    name : str
        Dotted name.
    fragment : mapping
        What the JSON schema says about it.
    only_with : str
        The value of another key of its table that it needs, such as ``"mode = 'poisson'"``, or empty.
    required : bool
        Whether it must be given.
    """

    name: str
    fragment: Fragment
    only_with: str
    required: bool

    @property
    def is_table(self) -> bool:
        """Whether this is nothing but a table with keys of its own."""
        has_keys = "properties" in self.fragment or "discriminator" in self.fragment
        return has_keys and "anyOf" not in self.fragment

    @property
    def about(self) -> str:
        """What it means, with its unit."""
        unit = self.fragment.get("unit")
        return f"{self.fragment['description']} [{unit}]" if unit else str(self.fragment["description"])


class Keys:
    """All keys of a model.

    Parameters
    ----------
    model : type
        A pydantic model.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self.schema = model.model_json_schema()

    @cached_property
    def by_name(self) -> dict[str, Key]:
        """All keys and tables by dotted name, in the order of the schema."""
        found: dict[str, Key] = {}
        for key in self._inside("", self.schema):
            if key.name in found:
                only_with = f"{found[key.name].only_with} or {key.only_with}"
                found[key.name] = replace(key, only_with=only_with)
            else:
                found[key.name] = key
        return found

    def _inside(self, table: str, fragment: Fragment, only_with: str = "") -> Iterator[Key]:
        if "discriminator" in fragment:
            yield from self._variants(table, fragment)
            return
        fragment = self._first(fragment)
        for name, inner in fragment.get("properties", {}).items():
            if only_with and "const" in inner:
                continue  # the key that names the kind
            dotted, inner = f"{table}.{name}".lstrip("."), self._resolved(inner)
            required = name in fragment.get("required", ()) or "instead_of" in inner
            yield Key(dotted, inner, only_with, required)
            yield from self._inside(dotted, inner)
            if "discriminator" not in inner:  # a word, or a table of one of several kinds
                yield from self._of_each_kind(dotted, inner)

    def _variants(self, table: str, fragment: Fragment) -> Iterator[Key]:
        """Yield the keys of tables of several kinds; one key names the kind."""
        kind = fragment["discriminator"]["propertyName"]
        about = {"description": fragment["description"], "enum": words_of(fragment)}
        yield Key(f"{table}.{kind}", about, "", required=True)
        yield from self._of_each_kind(table, fragment)

    def _of_each_kind(self, table: str, fragment: Fragment) -> Iterator[Key]:
        tagged = _tagged_form(fragment)
        for word, reference in tagged.get("mapping", {}).items():
            yield from self._inside(table, self._at(reference), f"{tagged['propertyName']} = '{word}'")

    def directly_in(self, table: str) -> list[Key]:
        """Return the keys and tables in a table, or at the top for an empty name."""
        prefix = f"{table}." if table else ""
        return [
            key
            for name, key in self.by_name.items()
            if name.startswith(prefix) and "." not in name.removeprefix(prefix)
        ]

    def place(self, location: Path) -> Place:
        """Return the place that a location in a pydantic error means.

        Pydantic's locations also name the branches of unions, which no file does.
        """
        fragment: Fragment = self.schema
        siblings: tuple[str, ...] = ()
        path: list[str | int] = []
        for step in location:
            tables = _tagged_form(fragment).get("mapping", {})
            if step in tables:
                fragment = self._at(tables[step])
                continue
            if "oneOf" in fragment:
                fragment = self._resolved(fragment["oneOf"][step == "each"])
                continue
            if isinstance(step, int):
                if "prefixItems" in fragment:
                    break  # messages name a pair as a whole
                inner = fragment.get("items", {})
            elif "allowed" in fragment and "properties" not in fragment:
                break  # one word says what all branches of a union allow
            else:
                siblings = tuple(fragment.get("properties", ()))
                inner = fragment.get("properties", {}).get(step, {})
            fragment = self._resolved(inner)
            path.append(step)
        return Place(tuple(path), siblings, fragment)

    def allowed(self, fragment: Fragment) -> str:
        """Return in words what a fragment of the schema allows."""
        fragment = self._resolved(fragment)
        if "allowed" in fragment:
            return str(fragment["allowed"])
        if "discriminator" in fragment:
            return f"a table with {fragment['discriminator']['propertyName']} = {either(words_of(fragment))}"
        if "oneOf" in fragment:
            return f"{self.allowed(fragment['oneOf'][0])}, or a list with one for each"
        if words_of(fragment):
            return either(words_of(fragment))
        match fragment.get("type"):
            case "number":
                return f"a number{_bounds(fragment)}"
            case "integer":
                return f"a whole number{_bounds(fragment)}"
            case "boolean":
                return "true or false"
            case "string":
                return f"text of at most {fragment['maxLength']} characters"
            case "object":
                return f"a table with the keys {', '.join(fragment['properties'])}"
        raise AssertionError(f"nothing says in words what {dict(fragment)} allows")

    def examples(self, key: Key, *, brief: bool = False) -> list[Any]:
        """Return values a key may have in a file, one of each kind; none where it is best left out.

        Parameters
        ----------
        key : Key
        brief : bool
            Whether to leave out of tables what has a default.
        """
        fragment = key.fragment
        if "discriminator" in fragment:
            kind = fragment["discriminator"]["propertyName"]
            mapping = fragment["discriminator"]["mapping"]
            first = (_example(fragment) or {}).get(kind)
            mapping = dict(sorted(mapping.items(), key=lambda entry: entry[0] != first))
            return [{kind: word} | self._example_of(self._at(mapping[word]), brief) for word in mapping]
        if key.is_table:
            return [self._example_of(fragment, brief)]
        example = _example(fragment)
        return [] if example is None else [example]

    def _example_of(self, table: Fragment, brief: bool = False) -> dict[str, Any]:
        inside = {
            name: _example(inner)
            for name, inner in table["properties"].items()
            if "const" not in inner and not (brief and "default" in inner)
        }
        return {name: example for name, example in inside.items() if example is not None}

    def of_each(self, key: Key) -> list[Key]:
        """Return the keys of each table in a list of tables; none where there are no tables."""
        items = self._resolved(key.fragment.get("items", {}))
        required = items.get("required", ())
        return [
            Key(name, self._resolved(inner), "", name in required)
            for name, inner in items.get("properties", {}).items()
        ]

    def catalogue(self, fragment: Fragment) -> tuple[str, ...]:
        """Return the names that may stand for a value written out."""
        forms = self._first(fragment).get("anyOf", ())
        return tuple(name for form in forms for name in form.get("enum", ()))

    def _at(self, reference: str) -> Fragment:
        found: Fragment = self.schema["$defs"][reference.rsplit("/", 1)[1]]
        return found

    def _resolved(self, fragment: Fragment) -> Fragment:
        """Return a fragment together with what it refers to and the main one of its forms."""
        if "$ref" in fragment:
            fragment = {**self._at(fragment["$ref"]), **fragment}
        return {**self._resolved(fragment["anyOf"][0]), **fragment} if "anyOf" in fragment else fragment

    def _first(self, fragment: Fragment) -> Fragment:
        """Return the form of one value for all, where a list with one for each is allowed too."""
        return self._resolved(fragment["oneOf"][0]) if "oneOf" in fragment else fragment


def _tagged_form(fragment: Fragment) -> Fragment:
    """Return the discriminator of a value that is or may be a table of several kinds; else nothing."""
    forms = [fragment, *fragment.get("anyOf", ())]
    found: Fragment = next((form["discriminator"] for form in forms if "discriminator" in form), {})
    return found


def _example(fragment: Fragment) -> Any:
    return fragment.get("examples", [fragment.get("default")])[0]


def keys_of(model: type[BaseModel]) -> Keys:
    """Return the keys of a model, built once for each set of plug-ins."""
    return _keys_of(model, plugins.state())


@lru_cache(maxsize=16)
def _keys_of(model: type[BaseModel], state: object) -> Keys:
    return Keys(model)


def kinds_of(fragment: Fragment) -> tuple[str, ...]:
    """Return the kinds of tables that a fragment of the schema allows."""
    return tuple(_tagged_form(fragment).get("mapping", ()))


def words_of(fragment: Fragment) -> tuple[str, ...]:
    """Return the words that a fragment of the schema allows, or the kinds of its tables."""
    if "discriminator" in fragment:
        return tuple(fragment["discriminator"]["mapping"])
    words = fragment.get("enum", [fragment.get("const")])
    return tuple(word for word in words if isinstance(word, str))


def _bounds(fragment: Fragment) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    bounds = [f"{sign} {fragment[name]:.15g}" for name, sign in signs.items() if name in fragment]
    return f" {' and '.join(bounds)}" if bounds else ""
