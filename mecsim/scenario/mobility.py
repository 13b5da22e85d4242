"""How users move."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from mecsim.config.base import Real, Section, Whole, ascending, key, refusal
from mecsim.config.input_file import ScenarioFile
from mecsim.scenario.area import current_area

_MODEL = "How users move"

_Speed: TypeAlias = Annotated[Real, Field(gt=0, le=400)]
_Pause: TypeAlias = Annotated[Real, Field(ge=0, le=1e7)]
_Speeds: TypeAlias = Annotated[tuple[_Speed, _Speed], AfterValidator(ascending)]
_Pauses: TypeAlias = Annotated[tuple[_Pause, _Pause], AfterValidator(ascending)]
_Share: TypeAlias = Annotated[Real, Field(ge=0, le=1)]
_Degrees: TypeAlias = tuple[Annotated[Real, Field(ge=-89, le=89)], Annotated[Real, Field(ge=-180, le=180)]]

TraceFormat: TypeAlias = Literal["csv", "sumo_fcd", "gpx"]
Coordinates: TypeAlias = Literal["map", "geo"]
FORMAT_OF_SUFFIX: dict[str, TraceFormat] = {".csv": "csv", ".xml": "sumo_fcd", ".gpx": "gpx"}


def _speed_key() -> Any:
    return key(
        "Lowest and highest speed; the speed of each leg is uniform between them",
        unit="m/s",
        allowed="two numbers [low, high] with 0 < low <= high <= 400 "
        "(a random waypoint speed from 0 has no stationary state)",
        example=[0.5, 2.0],
    )


def _pause_key() -> Any:
    return key(
        "Shortest and longest pause at a point; each pause is uniform between them",
        unit="s",
        allowed="two numbers [low, high] with 0 <= low <= high <= 1e7",
        default=(0.0, 0.0),
    )


class Static(Section):
    """Users stay where they are."""

    model: Literal["static"] = key(_MODEL, default="static")


class RandomWaypoint(Section):
    """Users go straight from one uniformly random point to the next."""

    model: Literal["random_waypoint"] = key(_MODEL, default="random_waypoint")
    speed_mps: _Speeds = _speed_key()
    pause_s: _Pauses = _pause_key()


class GaussMarkov(Section):
    """Each user's velocity wanders about a mean of its own, with a memory; borders are mirrors."""

    model: Literal["gauss_markov"] = key(_MODEL, default="gauss_markov")
    memory: _Share = key(
        "Correlation of the velocity with that of one step before: 0 none, 1 a constant velocity",
        example=0.9,
    )
    mean_speed_mps: Annotated[Real, Field(ge=0, le=400)] = key(
        "Speed of a user's mean velocity, whose direction is drawn once", unit="m/s", example=1.2
    )
    sigma_mps: Annotated[Real, Field(ge=0, le=100)] = key(
        "Standard deviation of each component of the velocity", unit="m/s", example=0.4
    )
    step_s: Annotated[Real, Field(ge=0.1, le=1e4)] = key(
        "Time for which a velocity is held", unit="s", default=1.0
    )

    @field_validator("sigma_mps")
    @classmethod
    def _slow_for_the_area(cls, value: float, info: ValidationInfo) -> float:
        area, mean_mps = current_area(), info.data.get("mean_speed_mps")
        if area is not None and mean_mps is not None and mean_mps + 5 * value > 10 * min(area.size_m):
            most = 10 * min(area.size_m)
            raise refusal(((), f"mean_speed_mps + 5 sigma_mps must be at most {most:g}, ten widths a second"))
        return value


class Manhattan(Section):
    """Users follow the streets of a square grid and choose a way at each crossing."""

    model: Literal["manhattan"] = key(_MODEL, default="manhattan")
    street_spacing_m: Annotated[Real, Field(ge=1, le=1e5)] = key(
        "Distance from one street to the next, the length of a block", unit="m", example=100
    )
    turn_probabilities: tuple[_Share, _Share, _Share] = key(
        "Probability to go straight on, left and right at a crossing; where one of the three ways is "
        "missing, at the edge of the grid, those that are left are equally likely",
        allowed="three numbers [straight, left, right] from 0 to 1 with the sum 1",
        default=(0.5, 0.25, 0.25),
    )
    speed_mps: _Speeds = _speed_key()
    pause_s: _Pauses = _pause_key()

    @field_validator("street_spacing_m")
    @classmethod
    def _a_block_fits(cls, value: float) -> float:
        area = current_area()
        if area is not None and value > max(area.size_m):
            raise refusal(((), f"must be at most {max(area.size_m):g}, the longer side of the area"))
        return value

    @field_validator("turn_probabilities")
    @classmethod
    def _sum_of_one(cls, value: tuple[float, float, float]) -> tuple[float, float, float]:
        if abs(sum(value) - 1.0) > 1e-9:
            raise refusal(((), f"must have the sum 1, has {sum(value):.12g}"))
        return value


class Group(Section):
    """Users move in groups: a point that goes as by random waypoint, and each user about it."""

    model: Literal["group"] = key(_MODEL, default="group")
    groups: Annotated[Whole, Field(ge=1, le=100_000)] = key(
        "Number of groups; user n belongs to group n modulo this number", example=3
    )
    radius_m: Annotated[Real, Field(ge=0.1, le=1e5)] = key(
        "Largest distance of a user from the point its group follows", unit="m", example=20
    )
    speed_mps: _Speeds = _speed_key()
    pause_s: _Pauses = _pause_key()
    member_speed_mps: _Speeds = key(
        "Lowest and highest speed of a user about its group's point",
        unit="m/s",
        allowed="two numbers [low, high] with 0 < low <= high <= 400",
        example=[1, 2],
    )
    member_pause_s: _Pauses = key(
        "Shortest and longest pause of a user about its group's point",
        unit="s",
        allowed="two numbers [low, high] with 0 <= low <= high <= 1e7",
        default=(0.0, 0.0),
    )

    @field_validator("radius_m")
    @classmethod
    def _a_group_fits(cls, value: float) -> float:
        area = current_area()
        if area is not None and value > 0.45 * min(area.size_m):
            most = 0.45 * min(area.size_m)
            raise refusal(((), f"must be at most {most:g}, 0.45 of the shorter side of the area"))
        return value


class TraceReplay(Section):
    """Users move as a recorded trace says, and are there while it lasts."""

    model: Literal["trace"] = key(_MODEL, default="trace")
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
    offset_m: tuple[Annotated[Real, Field(ge=-1e8, le=1e8)], Annotated[Real, Field(ge=-1e8, le=1e8)]] = key(
        "What is added to all positions to put the trace into the area",
        unit="m",
        allowed="two numbers [x, y] from -1e8 to 1e8",
        default=(0.0, 0.0),
    )
    start_s: Annotated[Real, Field(ge=0, le=1e9)] = key(
        "Time of the trace, counted from its first sample, at which the run starts", unit="s", default=0.0
    )
    largest_gap_s: Annotated[Real, Field(gt=0, le=1e7)] = key(
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

    @property
    def file_format(self) -> TraceFormat:
        """The format of the file, as given or by its suffix."""
        found = self.format or format_of(self.file)
        assert found is not None
        return found


def format_of(name: str) -> TraceFormat | None:
    """Return the format that the suffix of a file name stands for, or None."""
    return FORMAT_OF_SUFFIX.get(PurePath(name.lower().removesuffix(".gz")).suffix)


Mobility: TypeAlias = Static | RandomWaypoint | GaussMarkov | Manhattan | Group | TraceReplay
