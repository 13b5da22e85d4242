"""The key `channel.rate`, and `rate` of instance files: forms, messages, hashes, the law of a world."""

import json

import numpy as np
import pytest

from mecsim import load_scenario
from mecsim.errors import InstanceError, ScenarioError
from mecsim.scenario.schema import Scenario
from mecsim.system.instance_file import instance_to_json, load_instance
from mecsim.system.rate_spec import RATES, RateSpec, SpectralEfficiency
from mecsim.testing.snapshots import draw_instance
from mecsim.world.world import World

PAPER = load_scenario("paper")
NR = RATES["nr-256qam"]
ACCEPTED = {
    "shannon": ("shannon", RateSpec()),
    "nr": ("nr-256qam", NR),
    "lte": ("lte-36942", RATES["lte-36942"]),
    "empty": ({}, RateSpec()),
    "both ways": ({"cap_bps_hz": 5.55}, RateSpec(*[SpectralEfficiency(cap_bps_hz=5.55)] * 2)),
    "gap": ({"gap_db": 10, "overhead": 0.2}, RateSpec(*[SpectralEfficiency(gap=10.0, overhead=0.2)] * 2)),
    "up": ({"up": {"efficiency": 0.4, "cap_bps_hz": 2}}, RateSpec(up=RATES["lte-36942"].up)),
    "each": ({"up": {"cap_bps_hz": 2}, "down": {"overhead": 0.5}},
             RateSpec(SpectralEfficiency(cap_bps_hz=2.0), SpectralEfficiency(overhead=0.5))),
}  # fmt: skip
REFUSED = [
    ("nr-256", "channel.rate = \"nr-256\": must be 'shannon', 'nr-256qam' or 'lte-36942', or a table with"),
    ("nr-256", "did you mean 'nr-256qam'?"),
    ("NR-256QAM", "did you mean 'nr-256qam'?"),  # mutant: capitals are other letters
    (7.4, "channel.rate = 7.4: must be 'shannon'"),
    ({"cap": 7.4}, "channel.rate.cap = 7.4: unknown key"),
    ({"cap_bps_hz": 0.05}, "channel.rate.cap_bps_hz = 0.05: must be a number >= 0.1 and <= 40"),
    ({"efficiency": 1.2}, "channel.rate.efficiency = 1.2: must be a number >= 0.05 and <= 1"),
    ({"gap_db": -1}, "channel.rate.gap_db = -1: must be a number >= 0 and <= 30"),
    ({"down": {"overhead": 1}}, "channel.rate.down.overhead = 1: must be a number >= 0 and <= 0.9"),
    ({"cap_bps_hz": 5, "up": {"overhead": 0.1}}, "channel.rate.up = { overhead = 0.1 }: give either numbers"),
]


def with_rate(value):
    return PAPER.with_changes({"channel.rate": value})


def same(spec, other):
    for way in ("up", "down"):
        for name in ("efficiency", "gap", "cap_bps_hz", "overhead"):
            found, expected = getattr(getattr(spec, way), name), getattr(getattr(other, way), name)
            assert found == pytest.approx(expected, rel=1e-12), (way, name)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_may_be_given_survives_a_file_and_is_the_worlds_law(name):
    value, spec = ACCEPTED[name]
    scenario = with_rate(value)
    same(scenario.channel.rate_spec, spec)
    again = Scenario.from_toml(scenario.to_toml())
    assert again == scenario
    assert again.sha256 == scenario.sha256
    world = World(scenario, 0)
    assert world.rate_law == world.instance(0.0).rate_law
    same(world.instance(0.0).rate, spec)


@pytest.mark.parametrize(("value", "told"), REFUSED)
def test_what_may_not_be_given_is_named(value, told):
    with pytest.raises(ScenarioError) as caught:
        with_rate(value)
    assert len(caught.value.problems) == 1
    assert told in caught.value.problems[0]


def test_all_wrong_numbers_are_told_with_their_lines():
    text = PAPER.to_toml().replace(
        "[channel]\n", "[channel]\nrate = { up = { gap_db = 99, overhead = 2 }, down = { efficiency = 0 } }\n"
    )
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_toml(text, "f.toml")
    told = [problem.split(" = ")[0].split(": ")[1] for problem in caught.value.problems]
    assert told == ["channel.rate.up.gap_db", "channel.rate.up.overhead", "channel.rate.down.efficiency"]


def test_the_hash_knows_the_numbers_and_nothing_else():
    """Mutant: the hash of a scenario that leaves the key out changes, and with it every stored run."""
    assert "rate" not in PAPER.model_dump(by_alias=True, exclude_none=True)["channel"]
    for same_as_left_out in ("shannon", {}, {"overhead": 0.0}):
        assert with_rate(same_as_left_out) == PAPER
        assert with_rate(same_as_left_out).sha256 == PAPER.sha256
    numbers = {
        "up": {"cap_bps_hz": 7.40625, "overhead": 0.08},
        "down": {"cap_bps_hz": 7.40625, "overhead": 0.14},
    }
    assert with_rate(numbers).sha256 == with_rate("nr-256qam").sha256
    assert with_rate({"up": {"gap_db": 3}, "down": {"gap_db": 3}}).sha256 == with_rate({"gap_db": 3}).sha256
    hashes = {with_rate(value).sha256 for value, _ in ACCEPTED.values()}
    assert len(hashes) == len(ACCEPTED) - 1
    assert 'rate = "nr-256qam"' in with_rate(numbers).to_toml()


def test_it_is_told_as_left_out():
    left_out = "highest rate of a modem: rate = 'shannon'"
    assert left_out in PAPER.switched_off()
    assert left_out not in with_rate("nr-256qam").switched_off()


@pytest.mark.parametrize("spec", [*RATES.values(), RateSpec(down=SpectralEfficiency(0.3, 2.5, 1.7, 0.4))])
def test_an_instance_file_keeps_it(spec, tmp_path):
    from dataclasses import replace

    instance = replace(draw_instance(2, 3, 2), rate=spec)
    path = tmp_path / "one.json"
    path.write_text(instance_to_json(instance))
    assert ("rate" in json.loads(path.read_text())) != spec.is_ideal
    again = load_instance(path)
    assert again.rate == spec
    assert again.rate_law == instance.rate_law
    assert np.array_equal(again.gain, instance.gain)
    assert instance.of_users(np.array([0])).rate == spec


def test_wrong_numbers_of_an_instance_file_are_named(tmp_path):
    data = json.loads(instance_to_json(draw_instance(2, 3, 2)))
    data["rate"] = {"up": {"efficiency": 2, "gap": 0.1}, "down": {"overhead": 0.95}}
    path = tmp_path / "one.json"
    path.write_text(json.dumps(data, indent=1))
    with pytest.raises(InstanceError) as caught:
        load_instance(path)
    told = " ".join(caught.value.problems)
    for name in ("rate.up.efficiency = 2", "rate.up.gap = 0.1", "rate.down.overhead = 0.95"):
        assert name in told
    line = path.read_text().splitlines().index('  "efficiency": 2,'.replace("  ", "   ")) + 1
    assert f":{line}: rate.up.efficiency" in told
    data["rate"] = {"up": {"cap": 3}}
    path.write_text(json.dumps(data))
    with pytest.raises(InstanceError, match=r"rate\.up\.cap = 3: unknown key"):
        load_instance(path)
