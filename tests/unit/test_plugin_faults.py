"""Models that others bring and that are wrong: refused by name, at the border, in one line."""

from typing import Literal

import numpy as np
import pytest

import mecsim
from mecsim import MobilityModel, PathLossModel, plugins
from mecsim.errors import PluginError
from mecsim.policy_spec import parse_value
from mecsim.world.mobility.legs import Legs, standing

INSIDE = np.array([10.0, 10.0])


def legs(**changes):
    own = standing(INSIDE)
    columns = {name: getattr(own, name) for name in Legs.__dataclass_fields__}
    return Legs(**columns | changes)


def boom(link=None):
    raise ValueError("boom")


WRONG_LEGS = {
    "raised for user 0: ValueError: boom": boom,
    "must be Legs, not NoneType": lambda: None,
    "start_m must be finite numbers of shape (1, 2)": lambda: legs(start_m=np.array([[np.nan, 1.0]])),
    "velocity_mps must be finite numbers": lambda: legs(velocity_mps=np.array([[1j, 1.0]])),
    "start_s must begin with 0": lambda: legs(start_s=np.array([5.0])),
    "must begin with 0 and not fall": lambda: legs(
        start_s=np.array([0.0, 9.0, 3.0]), start_m=np.ones((3, 2)), velocity_mps=np.zeros((3, 2)),
        travelled_m=np.zeros(3), speed_mps=np.zeros(3),
    ),
    "start_m must lie in the area, 500 m x 400 m": lambda: legs(start_m=np.array([[-1e6, 1e9]])),
    "travelled_m must be finite numbers of shape (1,)": lambda: legs(travelled_m=np.zeros(2)),
}  # fmt: skip
WRONG_LOSS = {
    "raised: ValueError: boom": boom,
    "must be numbers of shape": lambda link: 100.0,
    "inf dB: must be finite": lambda link: np.full(link.ground_m.shape, np.inf),
    "nan dB: must be finite": lambda link: link.ground_m * np.nan,
    "read-only": lambda link: link.ground_m.__setitem__(..., 1.0),
}


@pytest.mark.parametrize("fault", WRONG_LEGS)
def test_a_trajectory_that_is_none_is_refused(make_scenario, fault):
    class Wrong(MobilityModel):
        model: Literal["wrong_walk"] = "wrong_walk"

        def legs(self, size_m, seed, user, until_s):
            return WRONG_LEGS[fault]()

    mecsim.register_mobility("wrong_walk", Wrong)
    scenario = make_scenario({"users.mobility": {"model": "wrong_walk"}, "duration_s": 5})
    with pytest.raises(PluginError) as caught:
        mecsim.simulate(scenario, "nearest")
    assert str(caught.value).startswith("mobility model 'wrong_walk'")
    assert fault in str(caught.value)


@pytest.mark.parametrize("fault", WRONG_LOSS)
def test_a_loss_that_is_none_is_refused(make_scenario, fault):
    class Wrong(PathLossModel):
        model: Literal["wrong_loss"] = "wrong_loss"

        def loss_db(self, link):
            return WRONG_LOSS[fault](link)

    mecsim.register_path_loss("wrong_loss", Wrong)
    scenario = make_scenario({"channel.path_loss": "wrong_loss", "duration_s": 5})
    with pytest.raises(PluginError) as caught:
        mecsim.simulate(scenario, "nearest")
    assert str(caught.value).startswith("path loss 'wrong_loss'")
    assert fault in str(caught.value)


HEAD = "from typing import Literal\nfrom mecsim import MobilityModel\n"
CLASS = """
class {name}(MobilityModel):
    model: {annotation}
    def legs(self, size_m, seed, user, until_s):
        return None
"""


@pytest.mark.parametrize(
    "annotation",
    ['str = "aa"', 'Literal["aa", "bb"] = "aa"', 'Literal["aa"]', 'Literal["a b"] = "a b"', "Literal[3] = 3"],
)
def test_a_class_without_one_plain_name_is_refused(tmp_path, annotation):
    file = tmp_path / "walk.py"
    file.write_text(HEAD + CLASS.format(name="Walk", annotation=annotation), "utf-8")
    with pytest.raises(PluginError, match=r"mobility model Walk of .*the class must say its name"):
        mecsim.load_plugin(file)


def test_two_classes_of_one_name_are_refused_and_none_is_registered(tmp_path):
    file = tmp_path / "walk.py"
    classes = [CLASS.format(name=name, annotation='Literal["twice"] = "twice"') for name in ("One", "Other")]
    file.write_text(HEAD + "".join(classes), "utf-8")
    with pytest.raises(PluginError, match=r"mobility model One of .*another class of the file"):
        mecsim.load_plugin(file)
    assert "twice" not in plugins.names(MobilityModel.group)


@pytest.mark.parametrize("text", ["{'a', 'b'}", "{(1, 2): 3}", "b'x'", "1+2j", "...", "[{1}]"])
def test_a_value_that_specs_do_not_know_stays_a_string(text):
    assert parse_value(text) == text
