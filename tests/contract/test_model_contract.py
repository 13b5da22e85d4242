"""Every built-in model passes the checks of the contract kit; broken models are caught by name."""

from typing import ClassVar, Literal

import numpy as np
import pytest

from mecsim.config.base import key
from mecsim.errors import ContractViolation
from mecsim.rng import Purpose, stream
from mecsim.scenario.models import MOBILITY, PATH_LOSS, list_models, models
from mecsim.testing.model_checks import MOBILITY_CHECKS, PATH_LOSS_CHECKS
from mecsim.testing.models import check_mobility, check_path_loss
from mecsim.world.channel.model import PathLossModel
from mecsim.world.mobility.legs import Legs, alternating, held_velocities, standing
from mecsim.world.mobility.model import MobilityModel

PARAMETERS = {
    "random_waypoint": [{"speed_mps": [0.5, 2.0]}, {"speed_mps": [3.0, 30.0], "pause_s": [0.0, 20.0]}],
    "gauss_markov": [{"memory": 0.9, "mean_speed_mps": 1.2, "sigma_mps": 0.4}],
    "manhattan": [{"street_spacing_m": 50.0, "speed_mps": [2.0, 12.0], "pause_s": [0.0, 5.0]}],
    "group": [{"groups": 2, "radius_m": 20.0, "speed_mps": [1.0, 2.0], "member_speed_mps": [0.5, 1.0]}],
    "static": [{}],
}
TRACED = {"trace"}  # tests/unit/test_trace_replay.py; its users are those of a file


def test_every_built_in_model_is_tried():
    assert {entry.name for entry in list_models(MOBILITY)} == set(PARAMETERS) | TRACED
    assert not any(entry.error for group in (MOBILITY, PATH_LOSS) for entry in list_models(group))
    assert all(entry.summary for group in (MOBILITY, PATH_LOSS) for entry in list_models(group))


@pytest.mark.parametrize(
    ("name", "parameters"), [(name, given) for name, many in PARAMETERS.items() for given in many]
)
def test_built_in_mobility(name, parameters):
    check_mobility(name, **parameters)


@pytest.mark.parametrize("name", sorted(models(PATH_LOSS)))
def test_built_in_path_loss(name):
    check_path_loss(name)


class Walk(MobilityModel):
    """A sound model: back and forth between two points."""

    model: Literal["walk"] = "walk"

    def legs(self, size_m, seed, user, until_s):
        count = int(until_s // 10.0) + 3
        ends = stream(seed, Purpose.MOBILITY_START, user).random((2, 2)) * size_m
        points = ends[np.arange(count) % 2]
        length_m = max(float(np.hypot(*(ends[1] - ends[0]))), 1e-6)
        return alternating(points, np.full(count - 1, length_m / 10.0), np.zeros(count - 1))

    def fastest_mps(self):
        return 100.0


class OtherEachTime(Walk):
    calls: ClassVar[list[int]] = []

    def legs(self, size_m, seed, user, until_s):
        self.calls.append(user)
        return super().legs(size_m, seed, len(self.calls), until_s)


class InOrderOfCalls(Walk):
    rng: ClassVar[np.random.Generator] = np.random.default_rng(1)

    def legs(self, size_m, seed, user, until_s):
        return standing(self.rng.random(2) * size_m)


class GlobalRandomness(Walk):
    def legs(self, size_m, seed, user, until_s):
        np.random.seed(user)  # noqa: NPY002 - the fault
        return standing(np.random.random(2) * size_m)  # noqa: NPY002


class Leaves(Walk):
    def legs(self, size_m, seed, user, until_s):
        zero = np.zeros(1)
        return held_velocities(zero, size_m[None, :] / 2.0, np.array([[3.0, 0.0]]))


class Jumps(Walk):
    def legs(self, size_m, seed, user, until_s):
        legs = super().legs(size_m, seed, user, until_s)
        start_m = legs.start_m.copy()
        start_m[3] += 0.01 * (size_m / 2.0 - start_m[3])
        return Legs(legs.start_s, start_m, legs.velocity_mps, legs.travelled_m, legs.speed_mps)


class WrongSpeed(Walk):
    def legs(self, size_m, seed, user, until_s):
        legs = super().legs(size_m, seed, user, until_s)
        return Legs(legs.start_s, legs.start_m, legs.velocity_mps, legs.travelled_m, 2.0 * legs.speed_mps)


class WrongLength(Walk):
    def legs(self, size_m, seed, user, until_s):
        legs = super().legs(size_m, seed, user, until_s)
        return Legs(legs.start_s, legs.start_m, legs.velocity_mps, 0.0 * legs.travelled_m, legs.speed_mps)


class TooFast(Walk):
    def fastest_mps(self):
        return 0.1


class DependsOnTheHorizon(Walk):
    def legs(self, size_m, seed, user, until_s):
        return super().legs(size_m, seed + int(until_s), user, until_s)


class WritesTheArea(Walk):
    def legs(self, size_m, seed, user, until_s):
        legs = super().legs(size_m, seed, user, until_s)
        size_m += 1.0
        return legs


class NotFinite(Walk):
    def legs(self, size_m, seed, user, until_s):
        return standing(np.array([np.nan, 1.0]))


class StartsLate(Walk):
    def legs(self, size_m, seed, user, until_s):
        legs = super().legs(size_m, seed, user, until_s)
        return Legs(legs.start_s + 1.0, legs.start_m, legs.velocity_mps, legs.travelled_m, legs.speed_mps)


class Fails(Walk):
    def legs(self, size_m, seed, user, until_s):
        raise KeyError("street")


BROKEN_MOBILITY = [
    (OtherEachTime, "same_answer_in_any_order", "other legs when asked for again"),
    (InOrderOfCalls, "same_answer_in_any_order", "other legs when asked for again"),
    (GlobalRandomness, "same_answer_in_any_order", "global random state"),
    (NotFinite, "legs_are_sound", "not finite"),
    (StartsLate, "legs_are_sound", "starts at 1 s"),
    (Leaves, "stays_inside_the_area", "outside the area"),
    (Jumps, "moves_without_jumps", "jumps by"),
    (WrongSpeed, "speeds_are_as_claimed", "not |velocity|"),
    (WrongLength, "speeds_are_as_claimed", "travelled_m is not the length"),
    (TooFast, "speeds_are_as_claimed", "faster than fastest_mps() = 0.1"),
    (DependsOnTheHorizon, "longer_horizon_only_adds", "another trajectory"),
    (WritesTheArea, "leaves_its_inputs_alone", "writes into size_m"),
    (Fails, "same_answer_in_any_order", "KeyError: 'street'"),
]


def test_the_sound_models_of_this_file_pass():
    check_mobility(Walk)
    check_path_loss(Plain)
    check_path_loss(Plain())


@pytest.mark.parametrize(("model", "check", "fault"), BROKEN_MOBILITY, ids=lambda each: str(each)[:40])
def test_broken_mobility_is_caught_by_name(model, check, fault):
    with pytest.raises(ContractViolation) as caught:
        check_mobility(model)
    found = dict(line.strip().split(": ", 1) for line in str(caught.value).splitlines()[1:])
    assert fault in found[check], caught.value


class Plain(PathLossModel):
    """A sound model."""

    model: Literal["plain"] = "plain"

    def loss_db(self, link):
        return 40.0 + 30.0 * np.log10(link.distance_m)


class Falls(Plain):
    def loss_db(self, link):
        return 40.0 - 30.0 * np.log10(link.distance_m)


class FallsAndSaysSo(Falls):
    is_monotone: ClassVar[bool] = False


class Infinite(Plain):
    def loss_db(self, link):
        return np.where(link.ground_m > 4990.0, np.inf, 40.0 + link.ground_m)


class ByTheMean(Plain):
    def loss_db(self, link):
        return super().loss_db(link) - np.log10(link.ground_m.mean())


class Noisy(Plain):
    rng: ClassVar[np.random.Generator] = np.random.default_rng(1)

    def loss_db(self, link):
        return super().loss_db(link) + self.rng.random()


class Writes(Plain):
    def loss_db(self, link):
        link.ground_m[...] = np.maximum(link.ground_m, 35.0)
        return super().loss_db(link)


class Flat(Plain):
    def loss_db(self, link):
        return super().loss_db(link).ravel()


class Likely(Plain):
    has_line_of_sight: ClassVar[bool] = True

    def los_probability(self, ground_m):
        return 20.0 / ground_m


BROKEN_PATH_LOSS = [
    (Falls, "loss_rises_with_distance", "though is_monotone is True"),
    (Infinite, "loss_is_finite", "not finite"),
    (Flat, "loss_is_finite", "shape"),
    (ByTheMean, "arrays_are_as_scalars", "alone has another loss"),
    (Noisy, "same_loss_every_time", "asked for again"),
    (Writes, "links_are_read_only", "read-only"),
    (Likely, "probabilities_are_probabilities", "not between 0 and 1"),
]


@pytest.mark.parametrize(("model", "check", "fault"), BROKEN_PATH_LOSS, ids=lambda each: str(each)[:40])
def test_broken_path_loss_is_caught_by_name(model, check, fault):
    with pytest.raises(ContractViolation) as caught:
        check_path_loss(model)
    found = dict(line.strip().split(": ", 1) for line in str(caught.value).splitlines()[1:])
    assert fault in found[check], caught.value


def test_what_a_model_does_not_claim_is_not_asked():
    check_path_loss(FallsAndSaysSo)


def test_every_promise_has_a_model_that_breaks_it():
    assert {check for _, check, _ in BROKEN_MOBILITY} == set(MOBILITY_CHECKS)
    assert {check for _, check, _ in BROKEN_PATH_LOSS} == set(PATH_LOSS_CHECKS)


class Unfinished(MobilityModel):
    model: Literal["unfinished"] = "unfinished"


class Undescribed(Walk):
    model: Literal["undescribed"] = "undescribed"
    speed: float = 1.0


class Described(Walk):
    model: Literal["described"] = "described"
    speed: float = key("Speed", unit="m/s", default=1.0)


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        (Unfinished, "the method legs is missing"),
        (Undescribed, "'speed' must be made with key"),
        (dict, "class"),
    ],
)
def test_what_is_no_model_is_said(model, fault):
    with pytest.raises(ContractViolation, match=fault):
        check_mobility(model)


def test_a_described_parameter_is_allowed():
    check_mobility(Described, speed=2.0)


def test_a_loss_that_depends_on_line_of_sight_says_how_likely_it_is():
    with pytest.raises(TypeError, match="Blind: has_line_of_sight needs a method los_probability"):

        class Blind(PathLossModel):
            has_line_of_sight: ClassVar[bool] = True
            model: Literal["blind"] = "blind"

            def loss_db(self, link):
                return np.where(link.los, 90.0, 110.0)
