"""Trace replay: straight from sample to sample, standing before the first and after the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from mecsim.config.base import Real, key, refusal
from mecsim.config.input_file import ScenarioFile
from mecsim.errors import ScenarioError
from mecsim.messages import shortened
from mecsim.scenario.area import Area
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.world.mobility.legs import Legs, held_velocities
from mecsim.world.mobility.model import MODEL, MobilityModel
from mecsim.world.traces.formats import FORMAT_OF_SUFFIX, Coordinates, TraceFormat, format_of
from mecsim.world.traces.problems import Problems
from mecsim.world.traces.projection import projected
from mecsim.world.traces.read import read_trace
from mecsim.world.traces.trace import Trace

FASTEST_MPS = 400.0


_Degrees: TypeAlias = tuple[Annotated[Real, Field(ge=-89, le=89)], Annotated[Real, Field(ge=-180, le=180)]]
_Metres: TypeAlias = Annotated[Real, Field(ge=-1e8, le=1e8)]


class TraceReplay(MobilityModel):
    """Users move as a recorded trace says, and are there while it lasts."""

    model: Literal["trace"] = key(MODEL, default="trace")
    file: ScenarioFile = key(
        "File of the trace, relative to the scenario file",
        allowed="the name of a CSV, SUMO FCD or GPX file, which may be packed by gzip",
        example="traces/town.fcd.xml.gz",
    )
    format: TraceFormat | None = key(
        "Format of the file; left out: read off its suffix, .csv, .xml or .gpx, each also with .gz",
        default=None,
        validate_default=True,
    )
    coordinates: Coordinates | None = key(
        "Whether the x and y of a SUMO trace are metres on its map or degrees of longitude and latitude; "
        "left out: 'map' for SUMO; CSV and GPX files say it themselves",
        default=None,
    )
    origin_deg: _Degrees | None = key(
        "Latitude and longitude of the point that becomes (0, 0) before the offset, for a trace in degrees; "
        "left out: the south-west corner of the trace",
        unit="degrees",
        allowed="two numbers [latitude, longitude] from -89 to 89 and from -180 to 180",
        default=None,
    )
    offset_m: tuple[_Metres, _Metres] = key(
        "What is added to all positions to put the trace into the area",
        unit="m",
        allowed="two numbers [x, y] from -1e8 to 1e8",
        default=(0.0, 0.0),
    )
    start_s: Annotated[Real, Field(ge=0, le=1e9)] = key(
        "Time of the trace, counted from its first sample, at which the run starts", unit="s", default=0.0
    )
    largest_gap_s: Annotated[Real, Field(ge=1e-6, le=1e7)] = key(
        "Longest time between two samples of a user; up to it the user goes straight from one to the other",
        unit="s",
        default=60.0,
    )

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: TraceFormat | None, info: ValidationInfo) -> TraceFormat | None:
        file = info.data.get("file")
        if file is not None and value is None and format_of(file) is None:
            endings = ", ".join(f"{suffix} ({name})" for suffix, name in FORMAT_OF_SUFFIX.items())
            raise refusal(((), f"must be given, as the name of the file ends in none of {endings}"))
        return value

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
        return replay(self, area, user + 1).legs[user]

    @property
    def file_format(self) -> TraceFormat:
        """The format of the file, as given or by its suffix."""
        found = self.format or format_of(self.file)
        assert found is not None
        return found


@dataclass(frozen=True, eq=False, slots=True)
class Replay:
    """The trajectories of a trace's users, and when they are present.

    Parameters
    ----------
    legs : list of Legs
        One for each user.
    enters_s, leaves_s : (N,) float
        Times of the run; a user is present from the first sample (or time 0) to the last.
    """

    legs: list[Legs]
    enters_s: Floats
    leaves_s: Floats


def replay(model: TraceReplay, area: Area, count: int) -> Replay:
    """Return the trajectories of the first ``count`` users of a trace who are present after its start.

    Raises
    ------
    TraceError
        If the file cannot be read, has gaps or jumps, or leaves the area.
    ScenarioError
        If the trace has fewer users.
    """
    trace = read_trace(model.file, model.file_format, model.coordinates)
    time_s = trace.time_s - (trace.time_s.min() + model.start_s)
    place_m = projected(trace.place, model.origin_deg) if trace.geo else trace.place
    place_m = place_m + np.array(model.offset_m)
    chosen = _chosen(model, trace, time_s, count)
    samples = np.concatenate([np.arange(trace.first[n], trace.first[n + 1]) for n in chosen])
    user = np.repeat(chosen, np.diff(trace.first)[chosen])
    _check_steps(model, trace, user, samples, place_m)
    _check_area(trace, area, samples, place_m)
    parts = [slice(trace.first[n], trace.first[n + 1]) for n in chosen]
    return Replay(
        legs=[_legs(time_s[part], place_m[part]) for part in parts],
        enters_s=frozen([max(0.0, time_s[part][0]) for part in parts]),
        leaves_s=frozen([time_s[part][-1] for part in parts]),
    )


def _legs(time_s: Floats, place_m: Floats) -> Legs:
    """Return the legs through samples (K,), (K, 2), from time 0 on."""
    step_s = np.diff(time_s)
    velocity = np.concatenate([np.diff(place_m, axis=0) / step_s[:, None], np.zeros((1, 2))])
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


def _chosen(model: TraceReplay, trace: Trace, time_s: Floats, count: int) -> Ints:
    """Return the users who are present after the start, in order of their first samples."""
    there = np.flatnonzero(time_s[trace.first[1:] - 1] > 0.0)
    if len(there) < count:
        after = f" after start_s = {model.start_s:g}" if model.start_s else ""
        problem = f"has {len(there)} users{after}, fewer than users.count = {count}"
        advice = f"; set users.count = {len(there)}" if len(there) else ""
        raise ScenarioError(trace.source, [f"{trace.source}: {problem}{advice}"])
    return there[:count]


def _check_steps(model: TraceReplay, trace: Trace, user: Ints, samples: Ints, place_m: Floats) -> None:
    """Refuse gaps and jumps between the samples of one user."""
    problems = Problems(trace.source)
    before, after = samples[:-1], samples[1:]
    same = user[1:] == user[:-1]
    step_s = trace.time_s[after] - trace.time_s[before]
    length_m = np.hypot(*(place_m[after] - place_m[before]).T)
    gap = same & (step_s > model.largest_gap_s)
    jump = same & (length_m > FASTEST_MPS * np.abs(step_s))
    for i in np.flatnonzero(gap | jump).tolist():
        name, line = shortened(trace.ids[user[i]]), int(trace.line[after[i]])
        since = f"since its sample of line {trace.line[before[i]]}"
        if gap[i]:
            problems.add(
                line,
                f"user {name} has no sample for {step_s[i]:.6g} s {since}, more than largest_gap_s = "
                f"{model.largest_gap_s:g}; raise that, or give the user another id after the gap",
            )
        else:
            speed = length_m[i] / step_s[i]
            problems.add(
                line, f"user {name} moves at {speed:.6g} m/s {since}, must be at most {FASTEST_MPS:g}"
            )
    problems.raise_any()


def _check_area(trace: Trace, area: Area, samples: Ints, place_m: Floats) -> None:
    """Refuse a trace that leaves the area; a millimetre beyond a border is rounding."""
    used = place_m[samples]
    out = ((used < -1e-3) | (used > np.array(area.size_m) + 1e-3)).any(axis=1)
    if not out.any():
        return
    worst = int(samples[np.flatnonzero(out)[0]])
    (low_x, low_y), (high_x, high_y) = used.min(axis=0), used.max(axis=0)
    problems = Problems(trace.source)
    problems.add(
        int(trace.line[worst]),
        f"x = {place_m[worst, 0]:.6g} m, y = {place_m[worst, 1]:.6g} m: {area.must_hold}; the trace reaches "
        f"from ({low_x:.6g}, {low_y:.6g}) to ({high_x:.6g}, {high_y:.6g}): change offset_m or area.size_m",
    )
    problems.raise_any()
