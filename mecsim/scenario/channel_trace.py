"""Keys of a channel that was measured: gains of links over time in a file."""

from __future__ import annotations

from collections import Counter
from math import log10
from typing import Annotated, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from mecsim.config.base import Real, Section, key, refusal
from mecsim.config.input_file import ScenarioFile
from mecsim.config.table_file.style import Decimal, Separator, TableStyle, TimeUnit
from mecsim.messages import shortened
from mecsim.scenario.link_samples import LinkSamples, read_links
from mecsim.scenario.table_keys import Column, column

_Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
_Names: TypeAlias = Annotated[tuple[_Name, ...], Field(min_length=1, max_length=100_000)]
_NAMES = "a list of names, one for each"


class ChannelColumns(Section):
    """Which columns of a file of measured channels are used."""

    time: Column | None = column("the time")
    user: Column | None = column("the name or number of the user")
    server: Column | None = column("the name or number of the server")
    gain: Column | None = column("the power gain in dB")
    loss: Column | None = column("the path loss in dB")
    rsrp: Column | None = column("the received power of a reference signal (RSRP) in dBm")
    snr: Column | None = column("the signal-to-noise ratio in dB")


class ChannelTrace(Section):
    """Gains of links over time, from measurements or another simulator."""

    file: ScenarioFile = key(
        "CSV or Parquet file with one line for each link and time, relative to the scenario file; time 0 of "
        "the run is time 0 of the file",
        allowed="the name of a CSV or Parquet file with the columns t_s, user, server and gain_db, loss_db, "
        "rsrp_dbm or snr_db",
        example="traces/campus-gains.csv",
    )
    columns: ChannelColumns | None = key(
        "Columns of the file that have other names, or no names",
        allowed="a table with some of the keys time, user, server, gain, loss, rsrp, snr",
        default=None,
        example={"time": "t_s"},
    )
    separator: Separator | None = key(
        "Sign between the values of a CSV file; left out: that of ',', ';' and tab that fits its first line",
        default=None,
    )
    decimal: Decimal | None = key(
        "Decimal sign of a CSV file; left out: found from its numbers if they are not ambiguous", default=None
    )
    time_unit: TimeUnit | None = key("Unit of the times; left out: s", default=None)
    users: _Names | None = key(
        "What the file calls each user, in order; left out: it numbers them from 0 on",
        allowed=_NAMES,
        default=None,
    )
    servers: _Names | None = key(
        "What the file calls each server, in order; left out: it numbers them from 0 on",
        allowed=_NAMES,
        default=None,
    )
    power_dbm: Annotated[Real, Field(ge=-100, le=100)] | None = key(
        "Transmit power of what was measured: of one reference signal for rsrp, of the whole carrier for snr",
        unit="dBm",
        default=None,
    )
    bandwidth_mhz: Annotated[Real, Field(ge=1e-6, le=1e6)] | None = key(
        "Bandwidth over which the noise of an snr was measured",
        unit="MHz",
        default=None,
    )

    @field_validator("users", "servers")
    @classmethod
    def _distinct(cls, value: _Names | None) -> _Names | None:
        again = [name for name, times in Counter(value or ()).items() if times > 1]
        if again:
            raise refusal(((), f"must name each once; {shortened(again[0])} stands there twice"))
        return value

    @model_validator(mode="after")
    def _readable(self) -> Self:
        found = self.links()
        if found.problems:
            raise refusal((("file",), "; ".join(found.problems)))
        needs = {"rsrp": ("power_dbm",), "snr": ("power_dbm", "bandwidth_mhz")}.get(found.quantity, ())
        every = ("power_dbm", "bandwidth_mhz")
        problems = [
            ((name,), f"missing, an {found.quantity} needs it") for name in needs if self._lacks(name)
        ]
        problems += [
            ((name,), f"the file has {found.quantity}, which does not need it")
            for name in every
            if name not in needs and not self._lacks(name)
        ]
        if problems:
            raise refusal(*problems)
        return self

    def _lacks(self, name: str) -> bool:
        return getattr(self, name) is None

    def links(self) -> LinkSamples:
        """Return the samples of the file, or its problems."""
        columns = () if self.columns is None else tuple(self.columns)
        style = TableStyle(
            tuple((role, name) for role, name in columns if name is not None),
            self.separator,
            self.decimal,
            self.time_unit,
        )
        return read_links(self.file, style, self.users, self.servers)

    def offset_db(self, noise_dbm_per_hz: float) -> float:
        """Return what turns the values of the file into gains in dB, added to the loss with its sign changed.

        Parameters
        ----------
        noise_dbm_per_hz : float
            Noise of the receiver that measured, its noise figure included.
        """
        if self.power_dbm is None:
            return 0.0
        if self.bandwidth_mhz is None:
            return -self.power_dbm
        return noise_dbm_per_hz + 10.0 * log10(self.bandwidth_mhz * 1e6) - self.power_dbm
