"""Amounts of work: their forms in a file and their inverse distribution functions."""

import numpy as np
import pytest

from mecsim.scenario.load import load_scenario

PAPER = load_scenario("paper")
U = (np.arange(200_000) + 0.5) / 200_000


def amount(form):
    return PAPER.with_changes({"workload.token_bits": form}).workload.token_bits


@pytest.mark.parametrize(
    ("form", "kind", "values", "per", "mean"),
    [
        (3, "constant", (3,), "user", 3),
        ({"constant": 3, "per": "round"}, "constant", (3,), "round", 3),
        ({"uniform": [10, 50]}, "uniform", (10, 50), "user", 30),
        ({"uniform": [10, 50], "per": "round"}, "uniform", (10, 50), "round", 30),
        ({"exponential": 20}, "exponential", (20,), "user", 20),
        ({"choice": [1, 2, 6]}, "choice", (1, 2, 6), "user", 3),
        ({"choice": [7]}, "choice", (7,), "user", 7),
    ],
)
def test_forms(form, kind, values, per, mean):
    distribution = amount(form)
    assert (distribution.kind, distribution.values, distribution.per) == (kind, values, per)
    assert distribution.mean == mean
    # Mutants: low and high swapped, 1/mean for the mean, one choice left out.
    assert np.mean(distribution.ppf(U)) == pytest.approx(mean, rel=1e-4)
    assert amount(distribution) == distribution


def test_inverse_distribution_functions_by_hand():
    u = np.array([[0.0, 0.25], [0.5, 1 - 2**-53]])
    assert amount(3).ppf(u) == pytest.approx(np.full((2, 2), 3))
    assert amount({"uniform": [10, 50]}).ppf(u) == pytest.approx(np.array([[10, 20], [30, 50]]))
    exponential = amount({"exponential": 20}).ppf(u)
    assert exponential == pytest.approx(
        np.array([[0, 20 * np.log(4 / 3)], [20 * np.log(2), 734.7]]), rel=1e-4
    )
    assert amount({"choice": [1, 2, 6]}).ppf(u).tolist() == [[1, 1], [2, 6]]
    assert amount({"choice": [1, 2, 6]}).ppf(
        np.array([1 / 3 - 1e-9, 1 / 3 + 1e-9, 2 / 3 + 1e-9])
    ).tolist() == [
        1,
        2,
        6,
    ]


@pytest.mark.parametrize("count", [1, 3, 7, 1000])
def test_the_last_choice_is_reached_and_never_passed(count):
    """Mutant: rounding instead of flooring, or an index equal to the number of choices."""
    choice = amount({"choice": list(range(1, count + 1))})
    assert choice.ppf(np.array([0.0, 1 - 2**-53])).tolist() == [1, count]


def test_the_name_of_an_adapter_is_its_size():
    changed = PAPER.with_changes({"workload.adapter_params": "llama-adapter-v1"})
    assert changed.workload.adapter_params.kind == "constant"
    assert changed.workload.adapter_params.values == (1.2e6,)
    assert "adapter_params = 1200000.0" in changed.to_toml()
