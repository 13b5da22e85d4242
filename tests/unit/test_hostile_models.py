"""Models of others that keep, change, lie and leave: they change nothing but their own answer."""

import sys
from contextlib import suppress
from typing import Literal

import numpy as np
import pytest

import mecsim
from mecsim import MobilityModel, PathLossModel
from mecsim.config.base import key
from mecsim.errors import PluginError
from mecsim.testing.models import check_mobility
from mecsim.world.mobility.legs import Legs, standing
from mecsim.world.world import World

KEPT = []


class Liar(np.ndarray):
    """An array that finds every comparison as wished, and itself finite."""

    def __lt__(self, other):
        return np.zeros(self.shape, dtype=bool)

    __gt__ = __lt__

    def __array_ufunc__(self, ufunc, method, *inputs, **more):
        if ufunc is np.isfinite:
            return np.ones(self.shape, dtype=bool)
        plain = [np.asarray(each).view(np.ndarray) if isinstance(each, Liar) else each for each in inputs]
        return getattr(ufunc, method)(*plain, **more)


def legs(**changes):
    own = standing(np.array([10.0, 20.0]))
    return Legs(**{name: getattr(own, name) for name in Legs.__dataclass_fields__} | changes)


class Scripted(MobilityModel):
    """Does what a test says."""

    model: Literal["scripted"] = "scripted"
    speed: float = key("Speed", allowed="a number", default=1.0)

    def legs(self, size_m, seed, user, until_s):
        return SCRIPT["walk"](self, size_m, user)


class ScriptedLoss(PathLossModel):
    """Does what a test says."""

    model: Literal["scripted_loss"] = "scripted_loss"

    def loss_db(self, link):
        return SCRIPT["loss"](self, link)


SCRIPT = {}


@pytest.fixture
def world_of(make_scenario):
    def world(walk=None, loss=None):
        SCRIPT.update(walk=walk or (lambda model, size_m, user: legs()), loss=loss or plain_loss)
        mecsim.register_mobility("scripted", Scripted)
        mecsim.register_path_loss("scripted_loss", ScriptedLoss)
        changes = {"users.mobility": {"model": "scripted"}, "channel.path_loss": "scripted_loss"}
        return World(make_scenario(changes | {"duration_s": 5, "channel.shadowing.sigma_db": 0}), 1)

    return world


def plain_loss(model, link):
    return 100.0 + 0.01 * link.ground_m


def places(world):
    return world.position_m(np.arange(3), 1.0)


def leaves(*_):
    sys.exit(0)


def odd(*_):
    raise BaseException("odd")


def generator(*_):
    yield 1.0


class Unsayable(Exception):
    def __str__(self):
        raise ValueError


def unsayable(*_):
    raise Unsayable


WALKS = {
    "SystemExit: 0": leaves,
    "BaseException: odd": odd,
    "Unsayable": unsayable,
    "must be Legs, not generator": generator,
    "start_m must be finite numbers of shape (1, 2)": lambda *_: legs(
        start_m=np.full((1, 2), np.nan).view(Liar)
    ),
    "start_m must lie in the area": lambda *_: legs(start_m=np.full((1, 2), -9e9).view(Liar)),
    "travelled_m must be finite numbers of shape (1,)": lambda *_: legs(travelled_m=(k for k in range(1))),
    "speed_mps must be finite numbers": lambda *_: legs(speed_mps=np.array([True])),
    "start_m must be finite numbers of shape (0, 2)": lambda *_: legs(start_s=[]),
}
LOSSES = {
    "SystemExit: 0": leaves,
    "must be numbers of shape": lambda *_: generator(),
    "nan dB: must be finite": lambda model, link: (link.ground_m * np.nan).view(Liar),
    "1e+300 dB: must be from -1000 to 1000": lambda model, link: np.full(link.ground_m.shape, 1e300),
}


@pytest.mark.parametrize("fault", WALKS)
def test_a_model_that_fails_is_named(world_of, fault):
    """Mutants: `except Exception`, and checks that ask the array itself."""
    with pytest.raises(PluginError) as caught:
        world_of(walk=WALKS[fault])
    assert str(caught.value).startswith("mobility model 'scripted'")
    assert fault in str(caught.value)


@pytest.mark.parametrize("fault", LOSSES)
def test_a_loss_that_fails_is_named(world_of, fault):
    with pytest.raises(PluginError) as caught:
        world_of(loss=LOSSES[fault]).gain(np.array([0]), np.array([0]), np.array(0.0))
    assert str(caught.value).startswith("path loss 'scripted_loss'")
    assert fault in str(caught.value)


def test_legs_that_are_changed_later_have_no_effect(world_of):
    """Mutant: the arrays of the model are kept."""

    def walk(model, size_m, user):
        KEPT.append(legs(start_m=[[5.0, 6.0]]) if user == 0 else legs(start_m=np.array([[5.0, 6.0]])))
        return KEPT[-1]

    world = world_of(walk=walk)
    for each in KEPT:
        each.start_m[0][:] = [400.0, 400.0]
    assert (places(world) == [5.0, 6.0]).all()
    assert type(world.trajectories.legs.start_m) is np.ndarray


def test_what_a_model_is_handed_is_its_own(world_of, make_scenario):
    """Mutants: the area, the parameters or the arrays of a link are those of the world."""
    handed = []

    def overwrite(array):
        with suppress(ValueError):  # what cannot be made writable needs no copy
            array.flags.writeable = True
            array[...] = 7.0

    def walk(model, size_m, user):
        overwrite(size_m)
        object.__setattr__(model, "speed", 99.0)
        return legs()

    def loss(model, link):
        handed.append(link.ground_m)
        overwrite(link.ground_m)
        return np.full(link.ground_m.shape, 100.0)

    world = world_of(walk=walk, loss=loss)
    links = np.arange(3), np.array([0, 1, 0]), np.array(0.0)
    first = world.mean_gain(*links)
    overwrite(handed[-1])
    assert np.array_equal(first, world.mean_gain(*links))
    assert world.scenario.area.size_m == (500, 400)
    assert world.scenario.users.mobility.speed == 1.0
    assert (places(world) == [10.0, 20.0]).all()


def test_the_check_of_models_survives_one_that_leaves():
    class Leaves(MobilityModel):
        model: Literal["leaves"] = "leaves"

        def legs(self, size_m, seed, user, until_s):
            sys.exit(0)

    with pytest.raises(AssertionError, match="SystemExit"):
        check_mobility(Leaves)
