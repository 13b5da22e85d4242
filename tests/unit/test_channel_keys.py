"""Keys of the channel that go only with one another, and what is switched off by default."""

import pytest

from mecsim import load_scenario
from mecsim.errors import ScenarioError

CAMPUS = load_scenario("campus")
REFUSED = [
    ({"path_loss": "uma", "carrier_ghz": 0.4}, "path_loss = \"uma\": 'uma' holds from 0.5 GHz on"),
    ({"path_loss": "umi", "user_height_m": 13.5}, "user_height_m = 13.5: must be <= 13"),
    (
        {"log_distance": {"exponent": 2}},
        "log_distance = { exponent = 2 }: only with path_loss = 'log_distance'",
    ),
    ({"line_of_sight": {"state": "never"}}, "only with path_loss = 'uma' or 'umi'"),
    ({"shadowing": {"nlos_sigma_db": 7.82}}, "shadowing.nlos_sigma_db = 7.82: only with path_loss = 'uma'"),
    ({"fading": {"k_db": 6}}, "fading.k_db = 6: only with model = 'rician'"),
    ({"fading": {"model": "ergodic", "ambient_hz": 2}}, "ambient_hz = 2: must be 0 with model = 'ergodic'"),
    ({"fading": {"model": "none", "ambient_hz": 2}}, "ambient_hz = 2: must be 0 with model = 'none'"),
]
ACCEPTED = [
    {"path_loss": "uma", "line_of_sight": {"state": "never"}, "shadowing": {"nlos_sigma_db": 6}},
    {"path_loss": "umi", "user_height_m": 13, "server_height_m": 8, "carrier_ghz": 0.5},
    {"path_loss": "log_distance", "log_distance": {"exponent": 2, "reference_m": 1, "intercept_db": 38}},
    {"fading": {"model": "rician", "k_db": 6, "ambient_hz": 2}},
    {"fading": {"model": "ergodic"}},
    {"interference": {"model": "full_buffer", "reuse": 3, "activity": 0.5}},
]


def changed(channel):
    return CAMPUS.with_changes({f"channel.{name}": value for name, value in channel.items()})


@pytest.mark.parametrize(("channel", "told"), REFUSED)
def test_what_does_not_go_together_is_refused(channel, told):
    with pytest.raises(ScenarioError) as caught:
        changed(channel)
    assert len(caught.value.problems) == 1
    assert told in caught.value.problems[0]
    assert "channel." in caught.value.problems[0]


@pytest.mark.parametrize("channel", ACCEPTED)
def test_what_goes_together_is_kept_and_survives_a_file(channel):
    accepted = changed(channel)
    again = type(accepted).from_toml(accepted.to_toml())
    assert again == accepted
    for name, value in channel.items():
        kept = getattr(again.channel, name)
        assert kept == value if not isinstance(value, dict) else value.items() <= kept.model_dump().items()


def test_every_addition_is_off_by_default():
    channel = CAMPUS.channel
    assert channel.interference.model == "none"
    assert channel.fading.ambient_hz == 0
    assert channel.fading.direct_db is None
    assert channel.heights_m is None
    off = " ".join(CAMPUS.switched_off())
    for word in ("interference", "surroundings"):
        assert word in off
    on = changed({"interference": {"model": "full_buffer"}, "fading": {"ambient_hz": 1}}).switched_off()
    assert not any("interference" in effect or "surroundings" in effect for effect in on)


def test_heights_of_the_cells():
    assert changed({"path_loss": "uma"}).channel.heights_m == (25.0, 1.5)
    assert changed({"path_loss": "umi"}).channel.heights_m == (10.0, 1.5)
    assert changed({"path_loss": "umi", "server_height_m": 6}).channel.heights_m == (6.0, 1.5)
    assert changed({"server_height_m": 30, "user_height_m": 20}).channel.heights_m == (30.0, 20.0)


def test_the_direct_wave_of_a_rician_channel():
    assert changed({"fading": {"model": "rician"}}).channel.fading.direct_db == 9.0
    assert changed({"fading": {"model": "rician", "k_db": 0}}).channel.fading.direct_db == 0.0
