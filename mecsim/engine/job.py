"""The phase that a user is in: how much is left, at what rate and power it is served."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

from simpy import Event

from mecsim.engine.clock import ScheduledCall
from mecsim.engine.round import RoundLog
from mecsim.system.phases import Phase


class JobState(IntEnum):
    """What happens to a user's phase at the moment."""

    IDLE = 0
    SERVED = 1
    STALLED = 2
    INTERRUPTED = 3


@dataclass(slots=True)
class Job:
    """The phase in progress of one user; everything in it is exact up to ``since_s``.

    Parameters
    ----------
    user : int
    state : JobState
    phase : int
        Index of the table of phases, -1 when idle.
    server : int
        The server that the round is at.
    work, left : float
        FLOP, or bit on the radio: of the whole phase, and what is not served yet.
    rate, power_w, joule_per_work : float
        What the grants in force give; the rate over fading blocks is held by the radio instead. The
        energy is ``joule_per_work`` times the work served, or the power times the time where that is 0.
    other_w : float
        What the other end of a transfer draws; ``power_w`` is what the payer of the phase draws.
    due : ScheduledCall or None
        What is planned at the end of the phase or interruption; None where another job that shares the
        resource ends first, or where the end is not known yet.
    due_s : float
        That end, as things stand now; infinite if it is not known.
    done : Event or None
        Happens at the end of the phase.
    log : RoundLog or None
        The round, None between rounds.
    is_aborted : bool
        Whether the round has lost what its server did, and goes on from its uplink once it is no
        longer interrupted. Until then the job shows the work to come, which has not been started.
    """

    user: int
    state: JobState = JobState.IDLE
    phase: int = Phase.IDLE
    server: int = -1
    work: float = 0.0
    left: float = 0.0
    since_s: float = 0.0
    rate: float = 0.0
    power_w: float = 0.0
    joule_per_work: float = 0.0
    other_w: float = 0.0
    due: ScheduledCall | None = None
    due_s: float = math.inf
    done: Event | None = None
    log: RoundLog | None = None
    is_aborted: bool = False

    @property
    def in_service(self) -> bool:
        """Whether the phase takes part in sharing: neither idle nor on its way to a new server."""
        return self.state is JobState.SERVED or self.state is JobState.STALLED

    def cancel_due(self) -> None:
        """Forget the planned end, which no longer holds."""
        if self.due is not None:
            self.due.cancel()
            self.due = None
