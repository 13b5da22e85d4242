"""Path losses that depend on distance alone, and the model of a channel."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mecsim.scenario.path_loss import path_loss_model
from mecsim.scenario.radio import Channel, LogDistanceNumbers
from mecsim.system.arrays import Floats
from mecsim.units import SPEED_OF_LIGHT_MPS
from mecsim.world.channel.model import LinkGeometry, PathLossModel


class LogDistance128(PathLossModel):
    """``128.1 + 37.6 log10(d / km)`` dB, whatever the carrier.

    Valid for macro cells at 2 GHz from 35 m on. Source: 3GPP TR 36.814, table A.2.1.1-3.
    """

    model: Literal["log_distance_128"] = "log_distance_128"

    def loss_db(self, link: LinkGeometry) -> Floats:
        """Return the loss in dB."""
        loss: Floats = 128.1 + 37.6 * np.log10(link.distance_m / 1000.0)
        return loss


class FreeSpace(PathLossModel):
    """``20 log10(4 pi d f / c)`` dB. Source: Friis (1946)."""

    model: Literal["free_space"] = "free_space"

    def loss_db(self, link: LinkGeometry) -> Floats:
        """Return the loss in dB."""
        loss: Floats = 20.0 * np.log10(4.0 * np.pi * link.distance_m * (link.carrier_hz / SPEED_OF_LIGHT_MPS))
        return loss


class LogDistance(LogDistanceNumbers, PathLossModel):
    """``intercept + 10 exponent log10(d / reference)`` dB, whatever the carrier.

    Valid where its numbers were measured. Source: Rappaport (2002), "Wireless Communications", 4.9.
    """

    model: Literal["log_distance"] = "log_distance"

    def loss_db(self, link: LinkGeometry) -> Floats:
        """Return the loss in dB."""
        decades = np.log10(link.distance_m / self.reference_m)
        loss: Floats = self.intercept_db + 10.0 * self.exponent * decades
        return loss


def path_loss(channel: Channel) -> PathLossModel:
    """Return the path-loss model of a channel, with its parameters."""
    if channel.path_loss == "log_distance":
        return LogDistance(**dict(channel.log_distance))
    model = path_loss_model(channel.path_loss)
    assert isinstance(model, PathLossModel)
    return model
