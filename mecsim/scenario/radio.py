"""The radio channel between users and servers."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from mecsim.config.base import Real, Section, Whole, key, refusal
from mecsim.messages import either
from mecsim.scenario.channel_trace import ChannelTrace
from mecsim.scenario.models import Model
from mecsim.scenario.path_loss import PathLoss, limits_of, name_of, with_line_of_sight
from mecsim.scenario.rate import Rate
from mecsim.system.rate_spec import IDEAL, RateSpec

_Height: TypeAlias = Annotated[Real, Field(ge=1.5, le=300)]
_Sigma: TypeAlias = Annotated[Real, Field(ge=0, le=40)]

_RICIAN_K_DB = 9.0


class Shadowing(Section):
    """Log-normal shadowing, a field over the map for each server."""

    sigma_db: _Sigma = key("Standard deviation of the shadowing; 0 switches it off", unit="dB", default=8.0)
    nlos_sigma_db: _Sigma | None = key(
        "Standard deviation where there is no line of sight, only with path_loss = 'uma' or 'umi'; "
        "left out: sigma_db there too",
        unit="dB",
        default=None,
    )
    decorrelation_m: Annotated[Real, Field(ge=1e-3, le=1e5)] = key(
        "Distance over which the autocorrelation of the shadowing falls to 1/e", unit="m", default=50.0
    )


class Fading(Section):
    """Fast fading of unit mean power."""

    model: Literal["rayleigh", "rician", "ergodic", "none"] = key(
        "Law of the fast fading: 'rayleigh'; 'rician', with a line-of-sight component; 'ergodic', no fading "
        "but the mean rate that Rayleigh fading has; 'none' switches it off",
        default="rayleigh",
    )
    k_db: Annotated[Real, Field(ge=-60, le=60)] | None = key(
        "Power of the line-of-sight component over that of the scattered waves, only with model = 'rician'; "
        f"left out: {_RICIAN_K_DB:g} dB",
        unit="dB",
        default=None,
    )
    ambient_hz: Annotated[Real, Field(ge=0, le=1e4)] = key(
        "Doppler frequency that the surroundings add, so that standing users fade too; 0 switches it off",
        unit="Hz",
        default=0.0,
    )
    block_s: Annotated[Real, Field(ge=1e-5, le=100)] = key(
        "Time for which the fading is held constant", unit="s", default=0.01
    )

    @field_validator("k_db")
    @classmethod
    def _only_with_a_direct_wave(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("model", "rician") != "rician":
            raise refusal(((), "only with model = 'rician'"))
        return value

    @field_validator("ambient_hz")
    @classmethod
    def _only_with_waves(cls, value: float, info: ValidationInfo) -> float:
        model = info.data.get("model")
        if value > 0 and model in ("ergodic", "none"):
            raise refusal(((), f"must be 0 with model = '{model}'"))
        return value

    @property
    def direct_db(self) -> float | None:
        """Power of the line-of-sight component over that of the scattered waves in dB; None without one."""
        if self.model != "rician":
            return None
        return _RICIAN_K_DB if self.k_db is None else self.k_db


class LogDistanceNumbers(Section):
    """A law of one slope, ``intercept + 10 exponent log10(distance / reference)`` dB."""

    exponent: Annotated[Real, Field(ge=1e-3, le=10)] = key("Exponent of the distance", default=3.76)
    intercept_db: Annotated[Real, Field(ge=0, le=400)] = key(
        "Loss at the reference distance", unit="dB", default=128.1
    )
    reference_m: Annotated[Real, Field(ge=1e-3, le=1e5)] = key(
        "The reference distance", unit="m", default=1000.0
    )


class LineOfSight(Section):
    """Which places are in sight of which server."""

    state: Literal["probability", "always", "never"] = key(
        "Whether a place is in sight of a server: by the probability of the law, as a field over the map, "
        "or always, or never",
        default="probability",
    )
    decorrelation_m: Annotated[Real, Field(ge=1e-3, le=1e5)] = key(
        "Distance over which the autocorrelation of that field falls to 1/e", unit="m", default=50.0
    )


class Interference(Section):
    """Disturbance between cells."""

    model: Literal["none", "full_buffer"] = key(
        "Whether cells disturb one another: not at all ('none'), or as if every server sent all the time "
        "at full power, and one user in every cell ('full_buffer')",
        default="none",
    )
    reuse: Annotated[Whole, Field(ge=1, le=1000)] = key(
        "Number of bands that the servers are spread over; those of one band disturb one another", default=1
    )
    activity: Annotated[Real, Field(ge=1e-6, le=1)] = key("Share of the time that others send", default=1.0)


class Channel(Section):
    """Path loss, shadowing, fading and noise."""

    model: Literal["trace"] | None = key(
        "Where gains without fast fading come from: 'trace', the file of channel.trace; left out: path loss "
        "and shadowing",
        allowed="'trace', or left out",
        default=None,
        example="trace",
    )
    trace: ChannelTrace | None = key(
        "The measured channel, for model = 'trace'",
        default=None,
        example={"file": "traces/campus-gains.csv"},
        validate_default=True,
    )
    carrier_ghz: Annotated[Real, Field(ge=0.1, le=100)] = key("Carrier frequency", unit="GHz", default=2.0)
    path_loss: PathLoss = key(
        "Law of the path loss: 'log_distance_128' is 128.1 + 37.6 log10(distance in km) dB, 'log_distance' "
        "has the numbers of the table of that name, 'uma' and 'umi' are the urban cells of 3GPP TR 38.901",
        default="log_distance_128",
    )
    log_distance: LogDistanceNumbers = key(
        "Numbers of path_loss = 'log_distance'", default=LogDistanceNumbers()
    )
    line_of_sight: LineOfSight = key("Line of sight, for path_loss = 'uma' or 'umi'", default=LineOfSight())
    server_height_m: _Height | None = key(
        "Height of the servers' antennas; left out: 25 m with path_loss = 'uma', 10 m with 'umi', and with "
        "the other laws only the distance on the ground counts",
        unit="m",
        example=25.0,
        default=None,
    )
    user_height_m: _Height = key(
        "Height of the users' antennas, where that of the servers counts",
        unit="m",
        allowed="a number >= 1.5 and <= 300, and <= 13 with path_loss = 'uma' or 'umi'",
        default=1.5,
    )
    min_distance_m: Annotated[Real, Field(ge=1e-3, le=1e4)] = key(
        "Distance on the ground that every nearer user is taken to have", unit="m", default=10.0
    )
    shadowing: Shadowing = key("Log-normal shadowing", default=Shadowing())
    fading: Fading = key("Fast fading", default=Fading())
    interference: Interference = key("Disturbance between cells", default=Interference())
    noise_dbm_per_hz: Annotated[Real, Field(ge=-250, le=0)] = key(
        "Noise power density", unit="dBm/Hz", default=-174.0
    )
    noise_figure_db: Annotated[Real, Field(ge=0, le=50)] = key(
        "What the receiver adds to the noise", unit="dB", default=0.0
    )
    rate: Rate | None = key(
        "What links reach of Shannon's rate: all of it ('shannon', the same as left out); "
        "'nr-256qam' and 'lte-36942' have the caps of 5G and LTE modems",
        example="nr-256qam",
        default=None,
    )

    @property
    def rate_spec(self) -> RateSpec:
        """What uplinks and downlinks reach of Shannon's rate."""
        return IDEAL if self.rate is None else self.rate.spec

    @field_validator("trace")
    @classmethod
    def _with_its_model(cls, value: ChannelTrace | None, info: ValidationInfo) -> ChannelTrace | None:
        if "model" in info.data and (value is None) != (info.data["model"] is None):
            raise refusal(((), "must be given with model = 'trace', and only with it"))
        return value

    @field_validator("rate")
    @classmethod
    def _left_out_if_ideal(cls, value: Rate | None) -> Rate | None:
        return None if value is None or value.spec.is_ideal else value

    @property
    def heights_m(self) -> tuple[float, float] | None:
        """Heights of the servers' and of the users' antennas; None if only the ground counts."""
        server_m = self.server_height_m or limits_of(self.path_loss).default_server_height_m
        return None if server_m is None else (server_m, self.user_height_m)

    @field_validator("path_loss")
    @classmethod
    def _carrier_of_the_law(cls, value: str | Model, info: ValidationInfo) -> str | Model:
        carrier_ghz, lowest_ghz = info.data.get("carrier_ghz"), limits_of(value).lowest_carrier_ghz
        if carrier_ghz is not None and carrier_ghz < lowest_ghz:
            problem = (
                f"'{name_of(value)}' holds from {lowest_ghz:g} GHz on, and carrier_ghz = {carrier_ghz:g}"
            )
            raise refusal(((), problem))
        return value

    @field_validator("log_distance")
    @classmethod
    def _only_with_log_distance(cls, value: Section, info: ValidationInfo) -> Section:
        law = info.data.get("path_loss")
        if law not in (None, "log_distance") and value != type(value)():
            raise refusal(((), "only with path_loss = 'log_distance'"))
        return value

    @field_validator("line_of_sight")
    @classmethod
    def _only_with_sight(cls, value: Section, info: ValidationInfo) -> Section:
        law = info.data.get("path_loss")
        if law is not None and not limits_of(law).has_line_of_sight and value != type(value)():
            raise refusal(((), _laws_with_sight()))
        return value

    @field_validator("user_height_m")
    @classmethod
    def _low_enough_for_the_law(cls, value: float, info: ValidationInfo) -> float:
        law = info.data.get("path_loss")
        if law is not None and value > limits_of(law).highest_user_m:
            problem = f"must be <= {limits_of(law).highest_user_m:g} with path_loss = '{name_of(law)}'"
            raise refusal(((), problem))
        return value

    @field_validator("shadowing")
    @classmethod
    def _second_sigma_only_with_sight(cls, value: Shadowing, info: ValidationInfo) -> Shadowing:
        law = info.data.get("path_loss")
        if value.nlos_sigma_db is not None and law is not None and not limits_of(law).has_line_of_sight:
            raise refusal((("nlos_sigma_db",), _laws_with_sight()))
        return value


def _laws_with_sight() -> str:
    return f"only with path_loss = {either(tuple(with_line_of_sight()))}"
