"""Checks of the contract of mobility models and path losses, one function a check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mecsim.errors import ContractViolation
from mecsim.system.arrays import Floats
from mecsim.world.channel.model import LinkGeometry, PathLossModel
from mecsim.world.mobility.legs import Legs
from mecsim.world.mobility.model import MobilityModel
from mecsim.world.mobility.trajectories import Trajectories

_LEG_COLUMNS = ("start_s", "start_m", "velocity_mps", "travelled_m", "speed_mps")
_STEP_M = 1e-6  # largest jump from the end of one leg to the start of the next


@dataclass(frozen=True)
class MobilityCase:
    """What the checks of a mobility model are run on."""

    model: MobilityModel
    size_m: Floats
    seed: int
    users: int
    horizon_s: float

    def legs(self, user: int, until_s: float | None = None) -> Legs:
        """Return the legs of one user."""
        return self.model.legs(self.size_m, self.seed, user, self.horizon_s if until_s is None else until_s)


def _hold(condition: object, fault: str) -> None:
    if not condition:
        raise ContractViolation(fault)


def _same(one: Legs, other: Legs) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in _LEG_COLUMNS)


# --- mobility


def same_answer_in_any_order(case: MobilityCase) -> None:
    """Check that legs depend on the arguments alone, not on which calls came before."""
    first = [case.legs(user) for user in range(case.users)]
    again = [case.legs(user) for user in reversed(range(case.users))][::-1]
    for user, (one, other) in enumerate(zip(first, again, strict=True)):
        _hold(_same(one, other), f"user {user} has other legs when asked for again, in another order")


def legs_are_sound(case: MobilityCase) -> None:
    """Check that arrays have their shapes, are finite, begin at time 0 and follow one another in time."""
    for user in range(case.users):
        legs = case.legs(user)
        count = len(legs.start_s)
        shapes = [getattr(legs, name).shape for name in _LEG_COLUMNS]
        _hold(shapes == [(count,), (count, 2), (count, 2), (count,), (count,)], f"shapes of legs: {shapes}")
        finite = all(np.isfinite(getattr(legs, name)).all() for name in _LEG_COLUMNS)
        _hold(finite, f"user {user} has legs with numbers that are not finite")
        _hold(legs.start_s[0] == 0.0, f"user {user} starts at {legs.start_s[0]:g} s, not at 0")
        _hold((np.diff(legs.start_s) > 0.0).all(), f"user {user} has legs whose start times do not increase")


def stays_inside_the_area(case: MobilityCase) -> None:
    """Check that positions at all times until the horizon lie in the area."""
    for user in range(case.users):
        place_m = _places(case, user)
        out = ((place_m < -1e-9) | (place_m > case.size_m * (1.0 + 1e-12) + 1e-9)).any(axis=-1)
        worst = place_m[np.argmax(out)]
        _hold(not out.any(), f"user {user} is at x = {worst[0]:g} m, y = {worst[1]:g} m, outside the area")


def _places(case: MobilityCase, user: int) -> Floats:
    trajectory = Trajectories.join([case.legs(user)])
    starts_s = trajectory.legs.start_s
    times_s = np.unique(
        np.concatenate([np.linspace(0.0, case.horizon_s, 2001), starts_s[starts_s <= case.horizon_s]])
    )
    return trajectory.position_m(np.array(0), times_s)


def moves_without_jumps(case: MobilityCase) -> None:
    """Check that each leg starts where the one before ends."""
    for user in range(case.users):
        legs = case.legs(user)
        end_m = legs.start_m[:-1] + legs.velocity_mps[:-1] * np.diff(legs.start_s)[:, None]
        jump_m = np.abs(end_m - legs.start_m[1:]).max(initial=0.0)
        _hold(jump_m <= _STEP_M, f"user {user} jumps by {jump_m:g} m between two legs")


def speeds_are_as_claimed(case: MobilityCase) -> None:
    """Check that speeds and lengths belong to the velocities, and none is above `fastest_mps`."""
    fastest_mps = case.model.fastest_mps()
    for user in range(case.users):
        legs = case.legs(user)
        speed_mps = np.hypot(legs.velocity_mps[:, 0], legs.velocity_mps[:, 1])
        _hold(np.allclose(speed_mps, legs.speed_mps, 1e-9, 1e-9), f"user {user}: speed_mps is not |velocity|")
        travelled_m = np.concatenate([[0.0], np.cumsum(legs.speed_mps[:-1] * np.diff(legs.start_s))])
        _hold(
            np.allclose(travelled_m, legs.travelled_m, 1e-9, 1e-6),
            f"user {user}: travelled_m is not the length of the legs before",
        )
        if fastest_mps is not None:
            highest = float(speed_mps.max())
            _hold(
                highest <= fastest_mps * (1.0 + 1e-9),
                f"user {user} moves at {highest:g} m/s, faster than fastest_mps() = {fastest_mps:g}",
            )


def longer_horizon_only_adds(case: MobilityCase) -> None:
    """Check that the legs until T are the first of those until 2 T, bit for bit."""
    for user in range(case.users):
        short, long = case.legs(user), case.legs(user, 2.0 * case.horizon_s)
        count = int(np.searchsorted(short.start_s, case.horizon_s, side="right"))
        same = all(
            np.array_equal(getattr(short, name)[:count], getattr(long, name)[:count]) for name in _LEG_COLUMNS
        )
        _hold(same, f"user {user} has another trajectory if it is asked for until twice the time")


def leaves_its_inputs_alone(case: MobilityCase) -> None:
    """Check that the size of the area is read and not written."""
    before = case.size_m.copy()
    case.legs(0)
    _hold(np.array_equal(before, case.size_m), "writes into size_m")


MOBILITY_CHECKS: dict[str, Callable[[MobilityCase], None]] = {
    each.__name__: each
    for each in (
        same_answer_in_any_order,
        legs_are_sound,
        stays_inside_the_area,
        moves_without_jumps,
        speeds_are_as_claimed,
        longer_horizon_only_adds,
        leaves_its_inputs_alone,
    )
}


# --- path loss


def _geometries(model: PathLossModel, ground_m: Floats) -> Iterator[LinkGeometry]:
    heights_m = [(25.0, 1.5), (10.0, 2.0)]
    default_m = model.default_server_height_m
    all_heights = [*heights_m, None if default_m is None else (default_m, 1.5)]
    states = [True, False] if model.has_line_of_sight else [None]
    for carrier_ghz in (0.5, 2.0, 28.0):
        for heights in all_heights:
            for los in states:
                if carrier_ghz >= model.lowest_carrier_ghz:
                    seen = None if los is None else np.full(ground_m.shape, los)
                    yield LinkGeometry(ground_m, carrier_ghz * 1e9, heights, seen)


def _grid() -> Floats:
    return np.geomspace(10.0, 5000.0, 400)


def loss_is_finite(model: PathLossModel) -> None:
    """Check that the loss is a finite number for every link, in the shape of the distances."""
    for link in _geometries(model, _grid().reshape(20, 20)):
        loss_db = np.asarray(model.loss_db(link))
        _hold(loss_db.shape == (20, 20), f"distances of shape (20, 20) give losses of shape {loss_db.shape}")
        _hold(np.isfinite(loss_db).all(), f"a loss at {link.carrier_hz / 1e9:g} GHz is not finite")


def same_loss_every_time(model: PathLossModel) -> None:
    """Check that the same link has the same loss, whatever was asked for between."""
    links = list(_geometries(model, _grid()))
    first = [model.loss_db(link) for link in links]
    again = [model.loss_db(link) for link in reversed(links)][::-1]
    _hold(all(map(np.array_equal, first, again)), "a link has another loss when asked for again")


def arrays_are_as_scalars(model: PathLossModel) -> None:
    """Check that each element of an array of distances gives what that distance gives alone."""
    for link in _geometries(model, _grid()[::37]):
        together = model.loss_db(link)
        for n, ground_m in enumerate(link.ground_m):
            los = None if link.los is None else link.los[n : n + 1]
            alone = LinkGeometry(np.array([ground_m]), link.carrier_hz, link.heights_m, los)
            same = np.allclose(model.loss_db(alone)[0], together[n], rtol=1e-12, atol=1e-12)
            _hold(same, f"{ground_m:g} m alone has another loss than in an array")


def loss_rises_with_distance(model: PathLossModel) -> None:
    """Check that a model that says `is_monotone` never loses less farther away."""
    for link in _geometries(model, _grid()) if model.is_monotone else ():
        falls = np.flatnonzero(np.diff(model.loss_db(link)) < -1e-9)
        where_m = link.ground_m[falls[0]] if len(falls) else 0.0
        _hold(len(falls) == 0, f"the loss falls beyond {where_m:g} m, though is_monotone is True")


def probabilities_are_probabilities(model: PathLossModel) -> None:
    """Check that the probability of line of sight is between 0 and 1, in the shape of the distances."""
    probability = np.asarray(model.los_probability(_grid()))
    _hold(probability.shape == _grid().shape, "los_probability has another shape than the distances")
    _hold(((probability >= 0.0) & (probability <= 1.0)).all(), "los_probability is not between 0 and 1")


def links_are_read_only(model: PathLossModel) -> None:
    """Check that the arrays of a link are read and not written."""
    for link in _geometries(model, _grid()):
        before = link.ground_m.copy()
        for array in (link.ground_m, link.los):
            if array is not None:
                array.flags.writeable = False
        model.loss_db(link)
        model.los_probability(link.ground_m)
        _hold(np.array_equal(before, link.ground_m), "writes into ground_m")


PATH_LOSS_CHECKS: dict[str, Callable[[PathLossModel], None]] = {
    each.__name__: each
    for each in (
        loss_is_finite,
        same_loss_every_time,
        arrays_are_as_scalars,
        loss_rises_with_distance,
        probabilities_are_probabilities,
        links_are_read_only,
    )
}
