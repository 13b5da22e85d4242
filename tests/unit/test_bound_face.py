"""``mecsim.bound``, ``mecsim bound`` and ``mecsim solve --bound``: what they show of a proved bound."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mecsim_policies import prover
from mecsim_policies.bound.tree import Solved

import mecsim
from mecsim import plugins
from mecsim.certificate import PROVERS
from mecsim.cli import main
from mecsim.cli.bounds import as_object, explanation, gap_text, shown_upper
from mecsim.errors import BoundError, InvalidAllocation, MecsimError
from mecsim.policy import Observation
from mecsim.system.bound import gap_to
from mecsim.system.devices import Score, Weights
from mecsim.system.instance_file import instance_to_json

INSTANCES = Path(__file__).parents[1] / "data" / "instances"


@pytest.fixture(scope="module")
def small():
    """Return an instance of two users, an allocation, and its bound."""
    instance = mecsim.load_instance(INSTANCES / "n6m2.json").of_users(np.arange(2))
    allocation = mecsim.make_policy("dashf").allocate(Observation.of(instance))
    return instance, allocation, mecsim.bound(instance, incumbent=allocation)


@pytest.fixture
def file(small, tmp_path):
    path = tmp_path / "small.json"
    path.write_text(instance_to_json(small[0]))
    return str(path)


def test_the_bound_is_above_the_allocation_and_its_fields_agree(small):
    """Mutants: the gap of the reciprocal; prices per Hz under the name of those per MHz."""
    instance, allocation, bound = small
    assert bound.certified
    assert instance.scr(allocation) <= bound.scr == instance.scr(bound.allocation) <= bound.upper_bound
    assert bound.gap == pytest.approx(bound.upper_bound / bound.scr - 1.0)
    assert bound.nodes == 1
    share = bound.prices.per_mhz * instance.servers.bandwidth_hz / 1e6 / bound.upper_bound
    assert (np.abs(share) > 1e-3).all()
    assert (np.abs(share) < 1.0).all()
    assert bound.prices.delay_price.sum() == pytest.approx(1.0)


def test_branch_and_bound_comes_as_near_as_it_is_asked_to(small):
    instance, allocation, root = small
    within = root.gap / 2
    closer = mecsim.bound(instance, incumbent=allocation, within=within)
    assert 0.0 <= closer.gap <= within
    assert closer.upper_bound <= root.upper_bound
    assert closer.scr == instance.scr(closer.allocation) >= root.scr
    assert closer.allocation.violations(instance) == ()


def test_a_gap_that_is_reached_is_not_above_the_one_asked_for(small, monkeypatch):
    """Mutant: a target of exactly 1.01, as 1.01 - 1 is above 0.01: "the gap is not reached" where it is."""
    instance, allocation, _ = small
    monkeypatch.setattr(prover, "branch_and_bound", _at_its_target)
    for within in (0.01, 0.003, 1e-4):
        assert mecsim.bound(instance, incumbent=allocation, within=within).gap <= within


def _at_its_target(instance, point, *, within, **options):
    return Solved(point, point.scr * (1.0 + within), 1, True, None)


def test_without_time_the_bound_by_prices_is_left(small):
    """Mutant: a limit that ends the proof at the root as well and leaves no bound."""
    instance, allocation, root = small
    hurried = mecsim.bound(instance, incumbent=allocation, within=1e-6, limit_s=1e-9)
    assert root.scr <= hurried.upper_bound <= root.upper_bound


def _unreached(instance):
    return replace(instance, gain=np.where(np.arange(2)[:, None] == 1, 0.0, instance.gain))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_unreached, "user 1 reaches no server"),
        (lambda i: replace(i, score_law=Score(0.0, 1.0)), "every score is zero"),
    ],
)
def test_a_bound_of_zero_has_a_reason_and_no_prices(small, change, reason):
    bound = mecsim.bound(change(small[0]))
    assert bound.upper_bound == bound.scr == bound.gap == 0.0
    assert reason in bound.reason
    assert as_object(bound)["prices"] is None


def test_what_is_not_proved_is_an_error(small):
    """Mutant: the bound of a law that the proof does not cover, returned as proved."""
    with pytest.raises(BoundError, match="means over fading"):
        mecsim.bound(replace(small[0], ergodic=True))


def test_an_infinite_bound_is_not_one(small, monkeypatch):
    """Mutant: infinity printed as proved where the search for prices finds none."""
    prover = plugins.find(PROVERS, "dual")
    monkeypatch.setattr(prover, "prove", lambda *arguments: replace(small[2], upper_bound=np.inf))
    with pytest.raises(BoundError, match="no finite upper bound"):
        mecsim.bound(small[0], incumbent=small[1])


def test_without_a_weight_of_delay_no_delay_has_a_price(small):
    """Mutant: equal parts of a price that is 0, so that somebody holds the others back."""
    instance, allocation, _ = small
    bound = mecsim.bound(replace(instance, weights=Weights(0.0, 0.005)), incumbent=allocation)
    assert bound.scr <= bound.upper_bound
    assert (bound.prices.delay_price == 0.0).all()
    assert explanation(instance, bound.upper_bound, bound.prices)[1] == "No user's delay has a price."


def test_wrong_arguments_are_named_together(small):
    with pytest.raises(MecsimError, match=r"within = 1.5.*\n.*limit_s = 0"):
        mecsim.bound(small[0], within=1.5, limit_s=0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"within": "0.01"}, r"within = '0\.01': must be a number"),
        ({"within": np.array([0.1, 0.2])}, r"within = array\(\[0\.1, 0\.2\]\): must be a number"),
        ({"limit_s": None}, "limit_s = None: must be a number above 0"),
        ({"instance": "small.json"}, "instance: is a str, must be an Instance"),
        ({"incumbent": 200.0}, "incumbent: is a float, must be an Allocation or None"),
    ],
)
def test_arguments_of_other_types_are_named(small, given, said):
    """Mutant: they are compared with numbers, so that the error is one of Python's operators."""
    with pytest.raises(MecsimError, match=said):
        mecsim.bound(given.pop("instance", small[0]), **given)
    twice = replace(small[1], bandwidth_hz=2 * small[1].bandwidth_hz)
    with pytest.raises(InvalidAllocation, match="incumbent: bandwidth_hz"):
        mecsim.bound(small[0], incumbent=twice)


def test_the_command_prints_one_object(file, capsys):
    assert main(["bound", file, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found)[:7] == ["upper_bound", "scr", "gap", "certified", "nodes", "cpu_s", "prices"]
    assert found["certified"] is True
    assert [len(found["prices"][name]) for name in ("per_mhz", "per_w", "per_tflops")] == [2, 2, 2]
    assert len(found["prices"]["delay_price"]) == 2


def test_solve_shows_the_gap_of_each_policy_and_the_worth(file, capsys):
    """Mutant: the gap of the best policy shown for all."""
    assert main(["solve", file, "-p", "gucaa,dashf", "--bound", "--json"]) == 0
    both = json.loads(capsys.readouterr().out)
    for found in both:
        assert found["gap"] == pytest.approx(found["upper_bound"] / found["scr"] - 1.0)
    assert both[0]["gap"] > both[1]["gap"] > 0.0
    assert "prices" not in both[0]
    assert main(["solve", file, "-p", "dashf", "--explain"]) == 0
    out = capsys.readouterr().out
    assert "(proved)" in out
    assert "holds the others back most" in out


def test_wrong_input_ends_with_two_and_a_message(file, tmp_path, capsys):
    assert main(["bound", file, "--limit-s", "3"]) == 2
    assert "--within" in capsys.readouterr().err
    data = json.loads(Path(file).read_text()) | {"ergodic": True}
    path = tmp_path / "ergodic.json"
    path.write_text(json.dumps(data))
    for arguments in (["bound"], ["solve", "-p", "gucaa", "--bound"]):
        assert main([arguments[0], str(path), *arguments[1:]]) == 2
        shown = capsys.readouterr()
        assert "means over fading" in shown.err
        assert "proved)" not in shown.out


def test_shown_bounds_are_rounded_up():
    """Mutant: rounded to nearest, so that what is shown is not proved."""
    rng = np.random.default_rng(0)
    for value in 10.0 ** rng.uniform(-8, 8, 300):
        shown = float(shown_upper(value))
        assert value <= shown <= value * (1 + 1.1e-5)
    assert shown_upper(242.0) == "242"
    assert gap_to(0.0, 0.0) == 0.0
    assert gap_to(1.0, 0.0) == np.inf
    assert gap_text(0.0230001).endswith("at most 2.31 % above it")


def test_the_sentences_name_the_largest_worth(small):
    """Mutants: the largest price in place of the largest worth; worth of a unit for that of one per cent."""
    instance, _, bound = small
    worth = np.zeros(2)
    prices = replace(bound.prices, per_mhz=worth, per_w=np.array([0.0, 2.0]), per_tflops=worth)
    first, second, third = explanation(instance, 100.0, prices)
    percent = 2.0 * instance.servers.max_power_w[1] / 100.0
    assert (
        first
        == f"One per cent more transmit power of server 1 raises the bound by {percent:.2g} %, the most."
    )
    assert f"User {bound.prices.delay_price.argmax()} " in second
    assert third == "These budgets do not bind: GPU speed of server 0, GPU speed of server 1."
    scarce = replace(prices, share_price=np.ones((2, 3)))
    assert explanation(instance, 100.0, scarce)[2] == "Every budget binds."


def test_the_sentences_name_servers_that_nobody_needs():
    """Mutants: no price counts as 0 that is not below 1e-6; one user who holds the others back."""
    instance = mecsim.load_instance(INSTANCES / "n8m3-mixed.json").of_users(np.array([0]))
    allocation = mecsim.make_policy("gucaa").allocate(Observation.of(instance))
    bound = mecsim.bound(instance, incumbent=allocation)
    _, second, third = explanation(instance, bound.upper_bound, bound.prices)
    assert second == "There is one user, so its delay holds nobody else back."
    assert third.startswith("These budgets do not bind: ")
    assert "all of server " in third


def test_a_unit_of_a_budget_is_worth_what_the_bound_rises_by():
    """Mutants: the worth of a TFLOP/s of all GPUs of a server, not of each; of a mW; of the other server."""
    instance = mecsim.load_instance(INSTANCES / "n10m2.json")
    allocation = mecsim.make_policy("dashf").allocate(Observation.of(instance))
    bound = mecsim.bound(instance, incumbent=allocation)
    for budget, worth, unit in (
        ("bandwidth_hz", bound.prices.per_mhz, 1e6),
        ("max_power_w", bound.prices.per_w, 1.0),
        ("max_gpu_flops", bound.prices.per_tflops, 1e12),
    ):
        more = getattr(instance.servers, budget).copy()
        step = 0.02 * more[0]
        more[0] += step
        larger = replace(instance, servers=replace(instance.servers, **{budget: more}))
        rise = mecsim.bound(larger, incumbent=allocation).upper_bound - bound.upper_bound
        assert worth[0] * step / unit == pytest.approx(rise, rel=0.05, abs=2 * 2e-4 * bound.scr), budget
