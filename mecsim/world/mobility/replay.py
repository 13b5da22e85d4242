"""Trace replay: straight from sample to sample, standing before the first and after the last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from mecsim.config.base import Real, Section, key, refusal
from mecsim.config.input_file import ScenarioFile
from mecsim.config.table_file.style import Decimal, Separator, TimeUnit
from mecsim.errors import ScenarioError
from mecsim.messages import counted
from mecsim.scenario.area import Area
from mecsim.scenario.projection import projected
from mecsim.scenario.table_keys import Column, Degrees, Metres, column
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.world.channel.model import Bools
from mecsim.world.mobility.legs import Legs, held_velocities
from mecsim.world.mobility.model import MODEL, MobilityModel
from mecsim.world.mobility.replay_checks import Window, check_area, check_steps
from mecsim.world.traces.formats import (
    Coordinates,
    HowToRead,
    Riders,
    Role,
    TraceFormat,
    format_of,
)
from mecsim.world.traces.gaps import Steps
from mecsim.world.traces.read import read_trace
from mecsim.world.traces.trace import Trace


class TraceColumns(Section):
    """Which columns of a CSV trace are used."""

    time: Column | None = column("the time")
    user: Column | None = column("the name of the user")
    x: Column | None = column("the x coordinate in m")
    y: Column | None = column("the y coordinate in m")
    lat: Column | None = column("the latitude in degrees")
    lon: Column | None = column("the longitude in degrees")


class TraceReplay(MobilityModel):
    """Users move as a recorded trace says, and are there while it lasts."""

    model: Literal["trace"] = key(MODEL, default="trace")
    file: ScenarioFile = key(
        "File of the trace, relative to the scenario file",
        allowed="the name of a CSV, Parquet, SUMO FCD, GPX, BonnMotion, ns-2 or ONE file, also with .gz",
        example="traces/town.fcd.xml.gz",
    )
    format: TraceFormat | None = key(
        "Format of the file; left out: by its suffix, .csv, .parquet, .xml, .gpx, .movements, .ns_movements, "
        ".tcl or .one, also with .gz, or else its content",
        default=None,
    )
    coordinates: Coordinates | None = key(
        "Whether the x and y of a SUMO trace are metres on its map or degrees of longitude and latitude; "
        "left out: as the file says, else 'map'; CSV and GPX files say it themselves",
        default=None,
    )
    columns: TraceColumns | None = key(
        "Columns of a CSV file that have other names, or no names",
        allowed="a table with some of the keys time, user, x, y, lat, lon",
        default=None,
        example={"time": "Timestamp", "user": "CellID"},
    )
    separator: Separator | None = key(
        "Sign between the values of a CSV file; left out: that of ',', ';' and tab that fits its first line",
        default=None,
    )
    decimal: Decimal | None = key(
        "Decimal sign of a CSV file; left out: found from its numbers if they are not ambiguous", default=None
    )
    time_unit: TimeUnit | None = key(
        "Unit of the times of a CSV file that are numbers; left out: s", default=None
    )
    time_format: Annotated[str, Field(min_length=1, max_length=100)] | None = key(
        "Format of the times of a CSV file, as Python's strptime takes it; left out: numbers, "
        "hours:minutes:seconds, or date times with the year first",
        default=None,
        example="%d/%m/%Y %H:%M:%S",
    )
    riders: Riders = key(
        "Whether persons in a vehicle of a SUMO trace are users beside it ('keep') or away ('merge')",
        default="keep",
    )
    origin_deg: Degrees | None = key(
        "Latitude and longitude of the point that becomes (0, 0) before the offset, for a trace in degrees; "
        "left out: area.origin_deg, or else the south-west corner of the trace",
        unit="degrees",
        allowed="two numbers [latitude, longitude] from -89 to 89 and from -180 to 180",
        default=None,
    )
    offset_m: tuple[Metres, Metres] = key(
        "What is added to all positions to put the trace into the area",
        unit="m",
        allowed="two numbers [x, y] from -1e8 to 1e8",
        default=(0.0, 0.0),
    )
    start_s: Annotated[Real, Field(ge=0, le=1e9)] = key(
        "Time of the trace, counted from its first sample, at which the run starts", unit="s", default=0.0
    )
    largest_gap_s: Annotated[Real, Field(ge=1e-6, le=1e7)] | None = key(
        "Longest time between two samples of a user that is no gap; up to it the user goes straight from one "
        "to the other; left out: 60 s, or three times the median step of the file if that is longer",
        unit="s",
        default=None,
        example=60.0,
    )
    gaps: Literal["away", "straight"] | None = key(
        "Whether a user is away in gaps and between the segments of a GPX track, or goes straight across; "
        "left out: away between segments, and gaps are refused",
        default=None,
    )

    @field_validator("coordinates")
    @classmethod
    def _for_sumo(cls, value: Coordinates | None, info: ValidationInfo) -> Coordinates | None:
        kind = info.data.get("format") or format_of(info.data.get("file", ""))
        if value is not None and kind not in (None, "sumo_fcd"):
            raise refusal(((), f"only for format = 'sumo_fcd'; a {kind} file says it itself"))
        return value

    def legs(self, size_m: Floats, seed: int, user: int, until_s: float) -> Legs:
        """Return the legs of one of the trace's users, whatever the seed."""
        area = Area(size_m=(float(size_m[0]), float(size_m[1])))
        found = replay(self, area, user + 1, until_s).legs[user]
        assert found is not None
        return found

    @property
    def how(self) -> HowToRead:
        """What the keys say about reading the file."""
        roles: tuple[Role, ...] = ("time", "user", "x", "y", "lat", "lon")
        given = [(role, getattr(self.columns, role, None)) for role in roles]
        return HowToRead(
            format=self.format,
            coordinates=self.coordinates,
            columns=tuple((role, column) for role, column in given if column is not None),
            separator=self.separator,
            decimal=self.decimal,
            time_unit=self.time_unit,
            time_format=self.time_format,
            riders=self.riders,
        )

    def trace(self) -> Trace:
        """Return the trace; raises a TraceError if it cannot be read."""
        return read_trace(self.file, self.how)


@dataclass(frozen=True, eq=False, slots=True)
class Replay:
    """The trajectories of a trace's users, and when they are present.

    Parameters
    ----------
    legs : list of Legs or None
        One for each user; None for one who follows no trace.
    enters_s, leaves_s : (N,) float
        Times of the run; a user is present from the first sample (or time 0) to the last.
    absences_s : list of lists of pairs
        From when to when each user is away in between.
    """

    legs: Sequence[Legs | None]
    enters_s: Floats
    leaves_s: Floats
    absences_s: list[list[tuple[float, float]]]

    @property
    def seen_s(self) -> tuple[Floats, Floats]:
        """When each user enters and leaves."""
        return self.enters_s, self.leaves_s


def replay(
    model: TraceReplay, area: Area, count: int, until_s: float = math.inf, what: str = "users.count"
) -> Replay:
    """Return the trajectories of the first ``count`` users of a trace who are present after its start.

    What lies after ``until_s``, the end of the run, is not checked. ``what`` names the count in messages.

    Raises
    ------
    TraceError
        If the file cannot be read, has gaps or jumps, or leaves the area.
    ScenarioError
        If the trace has fewer users.
    """
    trace = model.trace()
    time_s = trace.time_s - (trace.time_s.min() + model.start_s)
    place_m = projected(trace.place, model.origin_deg or area.origin_deg) if trace.geo else trace.place
    place_m = place_m + np.array(model.offset_m)
    chosen = _chosen(model, trace, time_s, count, what)
    steps = Steps.of(trace, place_m)
    away = np.zeros(len(time_s), dtype=np.bool_)
    away[steps.after] = _absent(model, steps)
    absent = away[steps.after]
    window = Window(time_s, until_s, np.isin(np.arange(trace.user_count), chosen))
    check_steps(trace, steps, absent, window, model.largest_gap_s, refuses_gaps=model.gaps is None)
    check_area(trace, steps, absent, window, place_m, area)
    parts = [slice(trace.first[n], trace.first[n + 1]) for n in chosen]
    stays = [_stay(time_s[part], away[part]) for part in parts]
    return Replay(
        legs=[_legs(time_s[part], place_m[part], away[part]) for part in parts],
        enters_s=frozen([enters_s for enters_s, _, _ in stays]),
        leaves_s=frozen([leaves_s for _, leaves_s, _ in stays]),
        absences_s=[absences_s for _, _, absences_s in stays],
    )


def _absent(model: TraceReplay, steps: Steps) -> Bools:
    """Return in which steps a user is away, (K,)."""
    if model.gaps == "straight":
        return np.zeros(len(steps.after), dtype=np.bool_)
    return steps.is_break | (steps.is_gap(model.largest_gap_s) if model.gaps == "away" else False)


def _stay(time_s: Floats, away: Bools) -> tuple[float, float, list[tuple[float, float]]]:
    """Return when a user comes, leaves for good, and is away in between; never for no time at all."""
    ends = np.flatnonzero(away[1:]) + 1
    enters_s, leaves_s = max(0.0, float(time_s[0])), float(time_s[-1])
    absences: list[tuple[float, float]] = []
    for from_s, to_s in zip(time_s[ends - 1].tolist(), time_s[ends].tolist(), strict=True):
        if from_s <= enters_s:
            enters_s = max(enters_s, to_s)
        elif absences and absences[-1][1] == from_s:
            absences[-1] = (absences[-1][0], to_s)
        else:
            absences.append((from_s, to_s))
    if absences and absences[-1][1] >= leaves_s:
        leaves_s = absences.pop()[0]
    return enters_s, leaves_s, absences


def _legs(time_s: Floats, place_m: Floats, away: Bools) -> Legs:
    """Return the legs through samples (K,), (K, 2), from time 0 on; who is away stands meanwhile."""
    step_s = np.diff(time_s)
    velocity = np.concatenate([np.diff(place_m, axis=0) / step_s[:, None], np.zeros((1, 2))])
    velocity[:-1][away[1:]] = 0.0
    if time_s[0] > 0.0:
        time_s = np.insert(time_s, 0, 0.0)
        place_m, velocity = (
            np.concatenate([place_m[:1], place_m]),
            np.concatenate([np.zeros((1, 2)), velocity]),
        )
    begun = int(np.searchsorted(time_s, 0.0, side="right")) - 1
    start_m = place_m[begun:].copy()
    start_m[0] += velocity[begun] * -time_s[begun]
    return held_velocities(np.maximum(time_s[begun:], 0.0), start_m, velocity[begun:])


def _chosen(model: TraceReplay, trace: Trace, time_s: Floats, count: int, what: str) -> Ints:
    """Return the users who are present after the start, in order of their first samples."""
    there = np.flatnonzero(time_s[trace.first[1:] - 1] > 0.0)
    if len(there) < count:
        after = f" after start_s = {model.start_s:g}" if model.start_s else ""
        problem = f"has {counted(len(there), 'user')}{after}, fewer than {what} = {count}"
        set_to = f"; set users.count = {len(there)}" if len(there) else ""
        advice = set_to if what == "users.count" else "; change users.count or the shares of the classes"
        raise ScenarioError(trace.source, [f"{trace.source}: {problem}{advice}"])
    return there[:count]
