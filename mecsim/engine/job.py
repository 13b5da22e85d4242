"""The phase that a user is in: how much is left, at what rate and power it is served."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from simpy import Event

from mecsim.engine.round import RoundLog
from mecsim.policy import Phase


class State(IntEnum):
    """What happens to a user's phase at the moment."""

    IDLE = 0
    SERVED = 1
    STALLED = 2
    INTERRUPTED = 3


class Resource(IntEnum):
    """What a phase is served by."""

    OWN_GPU = 0
    RADIO = 1
    SERVER_GPU = 2


RESOURCE = {
    Phase.LOCAL: Resource.OWN_GPU,
    Phase.UPLINK: Resource.RADIO,
    Phase.SERVER: Resource.SERVER_GPU,
    Phase.DOWNLINK: Resource.RADIO,
}


@dataclass(slots=True)
class Job:
    """The phase in progress of one user; everything in it is exact up to ``since_s``.

    ``windowed`` says that the rate varies with the fading block and is kept by the radio window,
    which has carried ``carried_bits`` up to ``since_s``; otherwise ``rate`` holds. ``due_s`` is the
    planned end, and ``version`` grows whenever it no longer holds. ``set_back`` says that the round
    has lost what its server did and goes on from its uplink once it is no longer interrupted.
    """

    user: int
    state: State = State.IDLE
    phase: Phase = Phase.IDLE
    server: int = -1
    work: float = 0.0
    left: float = 0.0
    since_s: float = 0.0
    rate: float = 0.0
    power_w: float = 0.0
    joule_per_work: float = 0.0
    windowed: bool = False
    carried_bits: float = 0.0
    version: int = 0
    due_s: float = math.inf
    done: Event | None = None
    log: RoundLog | None = None
    set_back: bool = False

    @property
    def in_service(self) -> bool:
        """Whether the phase takes part in sharing: neither idle nor on its way to a new server."""
        return self.state is State.SERVED or self.state is State.STALLED
