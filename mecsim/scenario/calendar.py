"""What happens to the network and its crowd at certain times: outages, brown-outs, flash crowds."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from mecsim.config.base import SMALLEST, Path, Real, Section, Whole, key, refusal
from mecsim.scenario.area import current_area
from mecsim.scenario.distribution import Distribution
from mecsim.scenario.population import ROUNDS, STAY

_Time: TypeAlias = Annotated[Real, Field(ge=0, le=1e9)]
_Server: TypeAlias = Annotated[Whole, Field(ge=0, le=999)]
_Factor: TypeAlias = Annotated[Real, Field(ge=1e-6, le=1)]

_MOST_OUTAGES = 100_000
_FROM = "When it begins"
_TO = "When it ends, after it has begun"


class Interval(Section):
    """A stretch of time."""

    from_s: _Time = key(_FROM, unit="s", example=600)
    to_s: _Time = key(_TO, unit="s", example=900)

    @field_validator("to_s")
    @classmethod
    def _after(cls, value: float, info: ValidationInfo) -> float:
        begin_s = info.data.get("from_s")
        if begin_s is not None and value <= begin_s:
            raise refusal(((), f"must be after from_s = {begin_s:g}"))
        return value


class Outage(Interval):
    """A time during which one server does not work at all."""

    server: _Server = key("Number of the server, from 0", example=0)


class Failures(Section):
    """Outages of every server at random times, exponential both up and down."""

    mtbf_s: Annotated[Real, Field(ge=SMALLEST, le=1e12)] = key(
        "Mean time that a server works before it fails", unit="s", example=3600
    )
    mttr_s: Annotated[Real, Field(ge=SMALLEST, le=1e12)] = key(
        "Mean time until it works again", unit="s", example=120
    )


class Brownout(Interval):
    """A time during which one server, or each of them, has less to give."""

    server: _Server | None = key("Number of the server, from 0; left out: all", default=None, example=0)
    bandwidth: _Factor = key("Share of the bandwidth that is left", default=1.0)
    gpu: _Factor = key("Share of the GPU speed that is left", default=1.0)


class FlashCrowd(Interval):
    """Users who come on top of all others within an interval, and stand around a point."""

    users: Annotated[Whole, Field(ge=1, le=100_000)] = key("How many users come", example=50)
    at_m: tuple[Real, Real] = key(
        "The point that they come to",
        unit="m",
        allowed="two numbers [x, y], a point inside the area",
        example=[500, 500],
    )
    radius_m: Annotated[Real, Field(ge=0, le=1e6)] = key(
        "How far from it they stand at most; uniform over that disc, as far as it lies in the area",
        unit="m",
        default=50.0,
    )
    stay_s: Distribution | None = key(STAY, unit="s", default=None, example={"exponential": 600})
    rounds: Annotated[Whole, Field(ge=1, le=1_000_000_000)] | None = key(ROUNDS, default=None, example=1)

    @field_validator("at_m")
    @classmethod
    def _inside(cls, value: tuple[float, float]) -> tuple[float, float]:
        area = current_area()
        if area is not None and not area.holds(value):
            raise refusal(((), area.must_hold))
        return value


class Calendar(Section):
    """Events of the run."""

    outages: tuple[Outage, ...] | None = key(
        "Times at which a server is down",
        allowed="a list of tables with the keys server, from_s, to_s",
        default=None,
        example=[{"server": 0, "from_s": 600, "to_s": 900}],
    )
    failures: Failures | None = key(
        "Outages at random times", default=None, example={"mtbf_s": 3600, "mttr_s": 120}
    )
    on_outage: Literal["wait", "migrate", "restart"] = key(
        "A round whose server fails after its local phase waits for that server ('wait'), stays as it is "
        "until its user gets another one ('migrate'), or loses what the server did and goes on from its "
        "uplink ('restart')",
        default="migrate",
    )
    brownouts: tuple[Brownout, ...] | None = key(
        "Times at which servers have less bandwidth or GPU speed",
        allowed="a list of tables with the keys from_s, to_s, server, bandwidth, gpu",
        default=None,
        example=[{"from_s": 600, "to_s": 900, "bandwidth": 0.5}],
    )
    flash_crowds: tuple[FlashCrowd, ...] | None = key(
        "Crowds that gather at a point",
        allowed="a list of tables with the keys from_s, to_s, users, at_m, radius_m, stay_s, rounds",
        default=None,
        example=[{"from_s": 600, "to_s": 660, "users": 50, "at_m": [500, 500]}],
    )

    @property
    def has_outages(self) -> bool:
        """Whether a server may ever be down."""
        return bool(self.outages) or self.failures is not None

    def problems(self, servers: int, duration_s: float) -> list[tuple[Path, str]]:
        """Return what does not fit to so many servers and a run so long, and what is allowed."""
        found: list[tuple[Path, str]] = []
        for name in ("outages", "brownouts"):
            for k, event in enumerate(getattr(self, name) or ()):
                if event.server is not None and event.server >= servers:
                    found.append(((name, k, "server"), f"must be a server, 0 to {servers - 1}"))
        if self.failures is not None:
            expected = servers * duration_s / (self.failures.mtbf_s + self.failures.mttr_s)
            if expected > _MOST_OUTAGES:
                allowed = (
                    f"must bring at most {_MOST_OUTAGES} outages in the run, brings about {expected:.3g}"
                )
                found.append((("failures", "mtbf_s"), allowed))
        return found
