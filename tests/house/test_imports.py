"""The house has no import circle and no arrow that runs up.

Both are computed from the source: imports inside functions and under ``TYPE_CHECKING`` count like the others.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).parents[2]
PACKAGES = {"mecsim": ROOT / "mecsim", "mecsim_policies": ROOT / "policies" / "mecsim_policies"}
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = {contract["id"]: contract for contract in LINTER["contracts"]}
FLOORS = [[room.strip() for room in floor.split("|")] for floor in CONTRACTS["floors"]["layers"]]

Arrows = dict[str, set[str]]


def modules_of(packages: Mapping[str, Path]) -> dict[str, Path]:
    """Return the file of each module of some packages by its dotted name."""
    found = {}
    for package, folder in packages.items():
        for file in sorted(folder.rglob("*.py")):
            parts = file.relative_to(folder).with_suffix("").parts
            found[".".join((package, *(part for part in parts if part != "__init__")))] = file
    return found


def arrows_of(modules: Mapping[str, Path]) -> Arrows:
    """Return for each module those of the modules that it imports, wherever the statement stands."""
    arrows: Arrows = {}
    for name, file in modules.items():
        package = name if file.stem == "__init__" else name.rpartition(".")[0]
        nodes = ast.walk(ast.parse(file.read_text()))
        imported = {target for node in nodes for target in _imported(node, package, modules)}
        arrows[name] = imported & modules.keys()
    return arrows


def _imported(node: ast.AST, package: str, modules: Mapping[str, Path]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        origin = node.module or ""
        if node.level:
            parents = package.split(".")[: package.count(".") + 2 - node.level]
            origin = ".".join([*parents, *([node.module] if node.module else [])])
        for alias in node.names:
            submodule = f"{origin}.{alias.name}"
            yield submodule if submodule in modules else origin


def circles_of(arrows: Arrows) -> list[frozenset[str]]:
    """Return the groups of modules that reach each other, and modules that import themselves."""
    names = sorted(arrows)
    number = {name: n for n, name in enumerate(names)}
    pairs = [(number[a], number[b]) for a in names for b in arrows[a]]
    rows, columns = np.array(pairs, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(names), len(names)))
    _, label = connected_components(graph, connection="strong")
    groups = [frozenset(names[n] for n in np.flatnonzero(label == k)) for k in np.unique(label)]
    return [group for group in groups if len(group) > 1 or any(name in arrows[name] for name in group)]


def upward_arrows(arrows: Arrows, floors: list[list[str]], package: str = "mecsim") -> set[tuple[str, str]]:
    """Return the arrows to a room of a higher floor, and between rooms of one floor."""
    height = {room: n for n, floor in enumerate(reversed(floors)) for room in floor}
    found = set()
    for source, targets in arrows.items():
        for target in targets:
            rooms = [name.split(".")[1] for name in (source, target) if name.startswith(f"{package}.")]
            if len(rooms) == 2 and rooms[0] != rooms[1] and height[rooms[0]] <= height[rooms[1]]:
                found.add((source, target))
    return found


def forbidden_arrows(arrows: Arrows, contract: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the arrows from the sources of a contract to the modules that it forbids."""

    def within(name: str, parents: list[str]) -> bool:
        return any(name == parent or name.startswith(f"{parent}.") for parent in parents)

    return {
        (source, target)
        for source, targets in arrows.items()
        for target in targets
        if within(source, contract["source_modules"]) and within(target, contract["forbidden_modules"])
    }


@pytest.fixture(scope="module")
def arrows() -> Arrows:
    return arrows_of(modules_of(PACKAGES))


def test_no_module_imports_itself_by_way_of_others(arrows: Arrows) -> None:
    found = circles_of(arrows)
    assert [sorted(circle) for circle in found] == []


def test_no_room_imports_from_a_floor_above(arrows: Arrows) -> None:
    found = upward_arrows(arrows, FLOORS)
    assert sorted(found) == []


def test_policies_import_the_rooms_made_for_them(arrows: Arrows) -> None:
    assert forbidden_arrows(arrows, CONTRACTS["policies"]) == set()


def test_the_imports_of_this_project_are_seen(arrows: Arrows) -> None:
    assert "mecsim.errors" in arrows["mecsim.registry"]
    assert "mecsim.policy" in arrows["mecsim_policies.baselines"]
    assert sum(map(len, arrows.values())) > 500


@pytest.fixture
def made_up(tmp_path: Path):
    """Return a function that writes a package ``toy`` and returns its arrows."""

    def arrows_between(**sources: str) -> Arrows:
        for name, source in sources.items():
            file = tmp_path / f"{name.replace('__', '/')}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(source)
            (file.parent / "__init__.py").touch()
        (tmp_path / "__init__.py").touch()
        return arrows_of(modules_of({"toy": tmp_path}))

    return arrows_between


@pytest.mark.parametrize(
    "back",
    [
        "import toy.low.a",
        "from toy.low import a",
        "from toy.low.a import f",
        "from .a import f",
        "from . import a",
        "from ..low import a",
        "def g():\n    from toy.low.a import f",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from toy.low.a import f",
    ],
)
def test_a_circle_is_found(made_up, back: str) -> None:
    arrows = made_up(low__a="from toy.low.b import g", low__b=back, low__c="from toy.low import a")
    assert circles_of(arrows) == [frozenset({"toy.low.a", "toy.low.b"})]


def test_a_circle_of_three_and_one_through_the_package_are_found(made_up) -> None:
    arrows = made_up(a="import toy.b", b="import toy.c", c="import toy.a", d__x="from toy.d import y")
    assert circles_of(arrows) == [frozenset({"toy.a", "toy.b", "toy.c"})]
    arrows["toy.d"] = {"toy.d.x"}
    assert frozenset({"toy.d", "toy.d.x"}) in circles_of(arrows)


def test_a_chain_is_no_circle(made_up) -> None:
    assert circles_of(made_up(a="import toy.b", b="import toy.c", c="import os")) == []


def test_an_upward_arrow_and_one_within_a_floor_are_found(made_up) -> None:
    arrows = made_up(
        top__a="from toy.low import b",
        low__b="def f():\n    from toy.top.a import g",
        beside__c="from toy.low.b import f",
    )
    floors = [["top"], ["low", "beside"]]
    assert upward_arrows(arrows, floors, "toy") == {("toy.low.b", "toy.top.a"), ("toy.beside.c", "toy.low.b")}
    assert upward_arrows({"toy.top.a": {"toy.low.b"}}, floors, "toy") == set()


def test_a_forbidden_arrow_is_found() -> None:
    contract = {"source_modules": ["mine"], "forbidden_modules": ["toy.engine"]}
    arrows = {"mine.p": {"toy.engine.clock", "toy.policy"}, "other": {"toy.engine.clock"}}
    assert forbidden_arrows(arrows, contract) == {("mine.p", "toy.engine.clock")}
