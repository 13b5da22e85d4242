"""Make the two traces that ship with mecsim: `python make_traces.py [FOLDER]`.

Both are made up, in the formats that real ones come in. The numbers behind them are ours.

town.fcd.xml.gz   What SUMO writes with --fcd-output: five minutes at a crossing with lights. Cars follow
                  each other by the Intelligent Driver Model (Treiber, Hennecke and Helbing, 2000), persons
                  walk along the pavements. Metres on a map of 600 m x 400 m, one step a second.
park.gpx          What three people's receivers would record on a walk in a park: one point in five
                  seconds, a metre or so off, with stops. Degrees on WGS 84.
"""

from __future__ import annotations

import gzip
import math
import random
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

Point = tuple[float, float]

# --- the town

WIDTH_M, HEIGHT_M, STEPS = 600.0, 400.0, 300
CYCLE_S, GREEN_S = 60, 26
SPEED_MPS, ACCELERATION, BRAKING, HEADWAY_S, GAP_M, CAR_M = 13.9, 1.5, 2.5, 1.2, 2.5, 4.5
LANES = {  # of each approach: from where to where, right-hand traffic
    "west": ((0.0, 197.0), (600.0, 197.0)),
    "east": ((600.0, 203.0), (0.0, 203.0)),
    "south": ((303.0, 0.0), (303.0, 400.0)),
    "north": ((297.0, 400.0), (297.0, 0.0)),
}
STOP_M = {"west": 288.0, "east": 288.0, "south": 188.0, "north": 188.0}
PAVEMENTS = {
    "south_side": ((0.0, 190.0), (600.0, 190.0)),
    "north_side": ((600.0, 210.0), (0.0, 210.0)),
    "east_side": ((310.0, 0.0), (310.0, 400.0)),
}


@dataclass
class Car:
    """A car on its lane."""

    name: str
    approach: str
    enters_s: int
    desired_mps: float
    pos_m: float = 0.0
    speed_mps: float = 10.0


@dataclass
class Walker:
    """A person on a pavement."""

    name: str
    pavement: str
    enters_s: int
    speed_mps: float


def is_green(approach: str, time_s: int) -> bool:
    """Return whether an approach may go: one street, then after four seconds the other."""
    phase = time_s % CYCLE_S
    return phase < GREEN_S if approach in ("west", "east") else CYCLE_S / 2 <= phase < CYCLE_S / 2 + GREEN_S


def acceleration(car: Car, gap_m: float, ahead_mps: float) -> float:
    """Return the acceleration of the Intelligent Driver Model."""
    closing = car.speed_mps * (car.speed_mps - ahead_mps) / (2.0 * math.sqrt(ACCELERATION * BRAKING))
    wanted_m = GAP_M + max(0.0, car.speed_mps * HEADWAY_S + closing)
    return ACCELERATION * (1.0 - (car.speed_mps / car.desired_mps) ** 4 - (wanted_m / max(gap_m, 0.1)) ** 2)


def move(cars: list[Car], time_s: int) -> None:
    """Move the cars of one approach, the first in front, by a second in tenths."""
    for _ in range(10):
        ahead: Car | None = None
        for car in cars:
            gap_m, ahead_mps = math.inf, 0.0
            if ahead is not None:
                gap_m, ahead_mps = ahead.pos_m - CAR_M - car.pos_m, ahead.speed_mps
            to_stop_m = STOP_M[car.approach] - car.pos_m
            can_stop = to_stop_m > car.speed_mps**2 / (2.0 * 4.0)
            if not is_green(car.approach, time_s) and can_stop and to_stop_m < gap_m:
                gap_m, ahead_mps = to_stop_m, 0.0
            car.speed_mps = max(0.0, car.speed_mps + 0.1 * max(-8.0, acceleration(car, gap_m, ahead_mps)))
            car.pos_m += 0.1 * car.speed_mps
            ahead = car


def along(way: tuple[Point, Point], pos_m: float) -> Point:
    """Return the place at a distance along a straight way."""
    (x0, y0), (x1, y1) = way
    share = pos_m / math.hypot(x1 - x0, y1 - y0)
    return x0 + share * (x1 - x0), y0 + share * (y1 - y0)


def angle(way: tuple[Point, Point]) -> float:
    """Return the heading as SUMO counts it: degrees from north, clockwise."""
    (x0, y0), (x1, y1) = way
    return math.degrees(math.atan2(x1 - x0, y1 - y0)) % 360.0


@dataclass
class Town:
    """Who comes, drawn from a seed."""

    rng: random.Random
    cars: list[Car] = field(default_factory=list)
    walkers: list[Walker] = field(default_factory=list)

    def fill(self) -> None:
        """Draw cars, at least four seconds apart on each approach, and persons."""
        for approach in LANES:
            time_s = 0
            while (time_s := time_s + 4 + int(self.rng.expovariate(1.0 / 22.0))) < STEPS - 30:
                desired = SPEED_MPS * (0.8 + 0.3 * self.rng.random())
                self.cars.append(Car(f"{approach}_{len(self.cars)}", approach, time_s, desired))
        for pavement in PAVEMENTS:
            for time_s in (0, 40, 90):
                speed = 1.1 + 0.6 * self.rng.random()
                name = f"{pavement}_{len(self.walkers)}"
                self.walkers.append(Walker(name, pavement, time_s + int(10 * self.rng.random()), speed))


def town_fcd() -> str:
    """Return the FCD document."""
    town = Town(random.Random(4))  # noqa: S311 - no secret
    town.fill()
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<fcd-export>"]
    for time_s in range(STEPS):
        lines.append(f'    <timestep time="{time_s:.2f}">')
        for approach, way in LANES.items():
            length_m = math.dist(*way)
            there = [car for car in town.cars if car.approach == approach and car.enters_s <= time_s]
            there = [car for car in there if car.pos_m <= length_m]
            for car in there:
                x, y = along(way, car.pos_m)
                lines.append(
                    f'        <vehicle id="{car.name}" x="{x:.2f}" y="{y:.2f}" angle="{angle(way):.2f}" '
                    f'type="car" speed="{car.speed_mps:.2f}" pos="{car.pos_m:.2f}" lane="{approach}_0" '
                    f'slope="0.00"/>'
                )
            move(there, time_s)
        for walker in town.walkers:
            way = PAVEMENTS[walker.pavement]
            pos_m = walker.speed_mps * (time_s - walker.enters_s)
            if 0.0 <= pos_m <= math.dist(*way):
                x, y = along(way, pos_m)
                lines.append(
                    f'        <person id="{walker.name}" x="{x:.2f}" y="{y:.2f}" angle="{angle(way):.2f}" '
                    f'speed="{walker.speed_mps:.2f}" pos="{pos_m:.2f}" edge="{walker.pavement}" '
                    f'slope="0.00"/>'
                )
        lines.append("    </timestep>")
    return "\n".join([*lines, "</fcd-export>", ""])


# --- the park

ORIGIN_DEG = (48.1520, 11.5920)
METRES_PER_DEGREE = (111_196.0, 74_380.0)  # of latitude and longitude there
STARTS = datetime(2026, 5, 9, 8, 0, tzinfo=UTC)
EVERY_S = 5
# Corners of each walk in metres from the origin, speed, start after the first, stop in seconds at a corner.
WALKS = {
    "Round the lake": (
        [(0, 0), (180, 60), (300, 220), (260, 400), (90, 420), (-30, 250), (0, 0)],
        1.3,
        0,
        40,
    ),
    "To the tower and back": ([(50, 20), (240, 120), (420, 340), (470, 520), (240, 120)], 1.5, 120, 60),
    "Morning run": ([(-20, 500), (200, 480), (480, 300), (300, 40), (40, 60)], 2.8, 300, 0),
}


def places(corners: list[tuple[int, int]], speed_mps: float, stop_s: int) -> list[Point]:
    """Return where a walker is every few seconds."""
    track: list[Point] = []
    left_s = 0.0
    for here, there in pairwise(corners):
        leg_s = math.dist(here, there) / speed_mps
        while left_s < leg_s:
            track.append(along((here, there), left_s * speed_mps))
            left_s += EVERY_S
        left_s -= leg_s
        track += [there] * (stop_s // EVERY_S)
    return track


def park_gpx() -> str:
    """Return the GPX document."""
    rng = random.Random(9)  # noqa: S311 - no secret
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<gpx version="1.1" creator="mecsim make_traces.py" xmlns="http://www.topografix.com/GPX/1/1">',
    ]
    for name, (corners, speed_mps, after_s, stop_s) in WALKS.items():
        lines += ["  <trk>", f"    <name>{name}</name>", "    <trkseg>"]
        off_m = [0.0, 0.0]
        for number, (x, y) in enumerate(places(corners, speed_mps, stop_s)):
            off_m = [0.9 * off + rng.gauss(0.0, 0.4) for off in off_m]
            lat = ORIGIN_DEG[0] + (y + off_m[0]) / METRES_PER_DEGREE[0]
            lon = ORIGIN_DEG[1] + (x + off_m[1]) / METRES_PER_DEGREE[1]
            time = STARTS + timedelta(seconds=after_s + EVERY_S * number)
            lines.append(
                f'      <trkpt lat="{lat:.6f}" lon="{lon:.6f}"><time>{time:%Y-%m-%dT%H:%M:%SZ}</time></trkpt>'
            )
        lines += ["    </trkseg>", "  </trk>"]
    return "\n".join([*lines, "</gpx>", ""])


def main(folder: Path) -> None:
    """Write both files."""
    packed = gzip.compress(town_fcd().encode(), mtime=0)
    (folder / "town.fcd.xml.gz").write_bytes(packed)
    (folder / "park.gpx").write_text(park_gpx(), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
