"""The phases of a training round, in order: what serves each, who pays, and how much work it is."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Generic, NamedTuple

from mecsim.system import equations as eq
from mecsim.system.equations import Value
from mecsim.system.resources import RADIO, SERVER_GPU, USER_GPU, Owner, ResourceSpec
from mecsim.system.round_work import RoundWork


class Phase(IntEnum):
    """Where a user is in its round; a number >= 0 is an index of :data:`PHASES`."""

    IDLE = -1
    LOCAL = 0
    UPLINK = 1
    SERVER = 2
    DOWNLINK = 3


class WorkTerms(NamedTuple, Generic[Value]):
    """What the work of a round is computed from, docs/model.md section 1: numbers, or arrays (N,).

    Without ``affine`` the work is the paper's, that of the adapter alone.
    """

    local_fraction: Value
    adapter_params: Value
    flops_per_param: Value
    user_epochs: Value
    server_epochs: Value
    bits_per_param: float
    affine: RoundWork[Any] | None = None

    @property
    def uplink(self) -> Value:
        """Bits that the server has received at the end of the uplink."""
        return _uplink_bits(self)


class PhaseSpec(NamedTuple):
    """One phase of a round.

    Parameters
    ----------
    name : str
        Begins the columns of its time and energy, ``<name>_s`` and ``<name>_j``.
    activity : str
        What happens in it, for the documentation of columns.
    resource : ResourceSpec
        What serves it.
    payer : {"user", "server"}
        Whose meter counts its energy, and who sends in a radio phase.
    work : callable
        :class:`WorkTerms` to FLOP, or bit on the radio.
    held_bits : callable
        ``(work, left, uplink_bits)`` to the bits that the server holds for the round in this phase:
        they move along if the user changes server.
    """

    name: str
    activity: str
    resource: ResourceSpec
    payer: Owner
    work: Callable[[WorkTerms[Any]], Any]
    held_bits: Callable[[float, float, float], float]

    @property
    def at_server(self) -> bool:
        """Whether the server takes part."""
        return self.resource.grant.owner == "server"


def _local_work(t: WorkTerms[Value]) -> Value:
    if t.affine is not None:
        return t.affine.local(t.local_fraction) * t.user_epochs  # type: ignore[no-any-return]
    return eq.local_work(t.local_fraction, t.adapter_params, t.flops_per_param, t.user_epochs)


def _uplink_bits(t: WorkTerms[Value]) -> Value:
    if t.affine is not None:
        return t.affine.uplink(t.local_fraction)  # type: ignore[no-any-return]
    return eq.uplink_bits(t.local_fraction, t.adapter_params, t.bits_per_param)


def _server_work(t: WorkTerms[Value]) -> Value:
    if t.affine is not None:
        return t.affine.server(t.local_fraction) * t.server_epochs  # type: ignore[no-any-return]
    return eq.server_work(t.local_fraction, t.adapter_params, t.flops_per_param, t.server_epochs)


def _downlink_bits(t: WorkTerms[Value]) -> Value:
    if t.affine is not None:
        return t.affine.downlink(t.local_fraction)  # type: ignore[no-any-return]
    return eq.downlink_bits(t.local_fraction, t.adapter_params, t.bits_per_param)


PHASES = (
    PhaseSpec(
        "local", "training at the user", USER_GPU, "user", _local_work, lambda work, left, uplink_bits: 0.0
    ),
    PhaseSpec(
        "uplink",
        "sending to the server",
        RADIO,
        "user",
        _uplink_bits,
        lambda work, left, uplink_bits: work - left,
    ),
    PhaseSpec(
        "server",
        "training at the server",
        SERVER_GPU,
        "server",
        _server_work,
        lambda work, left, uplink_bits: uplink_bits,
    ),
    PhaseSpec(
        "downlink",
        "sending to the user",
        RADIO,
        "server",
        _downlink_bits,
        lambda work, left, uplink_bits: left,
    ),
)
"""The phases in the order of a round; :class:`Phase` numbers them."""
