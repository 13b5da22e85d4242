"""docs/model.md: its blocks run and would notice a wrong formula; its tables are those of the code."""

from __future__ import annotations

import re
from dataclasses import fields
from enum import IntEnum
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mecsim import Allocation, Instance
from mecsim.engine import clock
from mecsim.registry import list_policies
from mecsim.results.metrics import METRICS

PAGE = (Path(__file__).parents[2] / "docs" / "model.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)

MUTANTS = [
    ("(768 * 64 + 64 + 64", "(768 * 64 + 64"),
    ("64 * 8 * (4096 + 4096)", "64 * 8 * 4096"),
    ("r_u = b * np.log2", "r_u = b * np.log"),
    ("r_u = b * np.log2(1 + h * p", "r_u = b * np.log2(1 + h * q"),
    ("(N0 * b))\nr_d", "N0)\nr_d"),
    ("* phi * users.epochs /", "* phi * servers.epochs[m] /"),
    ("(users.gpu_count * f)", "f"),
    ("T_d = (1 - phi)", "T_d = phi"),
    ("f**2 * t", "f**3 * t"),
    ("E_d = q", "E_d = p"),
    ("q / servers.max_power_w[m]", "q / servers.bandwidth_hz[m]"),
    ("T.max()", "T.mean()"),
    ("b * np.exp(1 / x)", "b * np.exp(-1 / x)"),
    ("r_capped = 0.92 * b", "r_capped = 0.86 * b"),
    ("(exp1(1 / x) - exp1(K / x))", "exp1(1 / x)"),
    ("180 / 8.873e12**3", "180 / 8.873e12**2"),
    ("0.55 * 19.5e12", "0.6 * 19.5e12"),
    ("-174 / 10) * 1e-3", "-174 / 10)"),
    ("(count[k], -gains[k])", "(count[k], gains[k])"),
    ("[corner, c_n[own].sum()]", "[0, c_n[own].sum()]"),
    ("a_n = d * w_b / (B *", "a_n = d / (B *"),
    ("np.minimum(best_speed, equal_part)", "best_speed"),
    ("nu = 1 / (2 * A * r)", "nu = 1 / (2 * A * r**2)"),
    ("z / (1 + z)) / np.log(2)", "z / (1 + z))"),
    ("k, direction = c**2 /", "k, direction = c /"),
    ("128.1 + 37.6 * np.log10(np.maximum(distance_m, 10.0) / 1000.0)", "128.1 + 37.6 * np.log10(distance_m)"),
    ("4 * np.pi", "2 * np.pi"),
    ("28 + 22 *", "28 + 20 *"),
    ("4 * 24 * 0.5", "24 * 0.5"),
    ("far_db = 28 + 40", "far_db = 28 + 30"),
    ("[:, ::-1]", ""),
    ("heard = 0.7", "heard = 1.0"),
    ("T_s / 0.5", "T_s"),
    ("E_s * 0.5**2", "E_s"),
    ("(N0 * 0.8 * b)", "(N0 * b)"),
    ("0.05 + once", "once"),
    ('once["moved_bits"] / 1e9', 'once["moved_bits"] / 8e9'),
    ("np.exp(-0.5772)", "1.0"),
    ("local_fraction=0.3)\nfirst", "local_fraction=0.4)\nfirst"),
    ('"server_s", "downlink_s"', '"server_s"'),
]


@cache
def states() -> list[dict[str, object]]:
    """Return the names before each block and after the last, each block having run after those before it."""
    before: list[dict[str, object]] = [{}]
    for block in BLOCKS:
        names = dict(before[-1])
        exec(compile(block, "docs/model.md", "exec"), names)  # noqa: S102 - it is our own page
        before.append(names)
    return before


def test_every_block_runs() -> None:
    assert len(states()) == len(BLOCKS) + 1 >= 9


@pytest.mark.parametrize(("right", "wrong"), MUTANTS)
def test_a_wrong_formula_is_noticed(right: str, wrong: str) -> None:
    ((number, block),) = [(k, block) for k, block in enumerate(BLOCKS) if right in block]
    names = dict(states()[number])
    with pytest.raises(AssertionError):
        exec(compile(block.replace(right, wrong), "mutant", "exec"), names)  # noqa: S102


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under a line of heads."""
    (table,) = re.findall(rf"^{re.escape(heading)}\n\|[-|]+\n((?:\|.*\n)+)", PAGE, flags=re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]


def test_every_symbol_has_its_name_and_shape_in_the_code() -> None:
    """Mutants: a field renamed; (N,) for (M,)."""
    instance, allocation = states()[1]["instance"], states()[1]["a"]
    assert isinstance(instance, Instance)
    assert isinstance(allocation, Allocation)
    shapes = {"(N,)": (10,), "(M,)": (2,), "(N, M)": (10, 2), "()": ()}
    symbols = rows("| Symbol | Code name | Shape | Unit | Meaning |")
    decisions = rows("| Symbol | Code name | Shape | Unit | Constraint |")
    for owner, table in ((instance, symbols), (allocation, decisions)):
        for _, name, shape, *_ in table:
            value: object = owner
            for part in name.strip("`").split("."):
                value = getattr(value, part)
            assert np.shape(value) == shapes[shape], name
    named = {name.strip("`").rpartition(".")[2] for _, name, *_ in symbols}
    for group in (instance.users, instance.servers, instance.weights, instance.score_law):
        assert {field.name for field in fields(group)} <= named
    assert [name.strip("`") for _, name, *_ in decisions] == [field.name for field in fields(Allocation)]


def test_policies_and_metrics_are_those_of_the_code() -> None:
    """Mutants: a policy that is not described; a metric in another unit."""
    policies = [name.strip("`") for name, *_ in rows("| Policy | Association | phi | Resources |")]
    assert set(policies) == {e.name for e in list_policies() if e.target.startswith("mecsim_policies")}
    metrics = [(name.strip("`"), unit) for name, unit, _ in rows("| Metric | Unit | Meaning |")]
    assert metrics == [(metric.name, metric.unit) for metric in METRICS]


def test_the_order_of_events_is_that_of_the_code() -> None:
    """Mutant: two kinds of events swapped."""
    (kinds,) = [
        enum
        for enum in vars(clock).values()
        if isinstance(enum, type) and issubclass(enum, IntEnum) and enum.__module__ == clock.__name__
    ]
    assert [kind.strip("`") for kind, _ in rows("| Kind | Event |")] == [kind.name for kind in kinds]


def test_the_sections_have_their_numbers() -> None:
    """Code refers to them by number."""
    assert re.findall(r"^## (\d+)\. ", PAGE, flags=re.MULTILINE) == [str(k) for k in range(1, 14)]
