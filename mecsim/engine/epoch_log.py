"""One row for each decision: what it predicts, and what was drawn and finished until the next."""

from __future__ import annotations

import math
from typing import NamedTuple

from mecsim.engine.accounting import Accounting
from mecsim.engine.bound_log import BoundLog
from mecsim.engine.counters import Counters
from mecsim.engine.guard import Cause, Decision, DecisionStatus
from mecsim.engine.idle import IdleMeters
from mecsim.engine.prediction import Prediction, TrueGainPrediction
from mecsim.engine.recorder import Recorder, Table
from mecsim.policy import Observation


class EpochRow(NamedTuple):
    """One row of the epochs table, as it is known when the epoch ends."""

    epoch: int
    time_s: float
    score: float
    delay_s: float
    energy_j: float
    scr: float
    decision_cpu_s: float
    iterations: int
    predicted_scr: float
    status: DecisionStatus
    handovers: int
    realised_energy_j: float
    rounds_finished: int
    cause: Cause
    in_force_s: float
    idle_j: float


class EpochLog:
    """Keeps the epoch that runs now, and records it when it ends.

    Parameters
    ----------
    accounting : Accounting
    idle : IdleMeters
    counters : Counters
    recorder : Recorder
    true_gains : TrueGainPrediction or None
        None where the policy sees the true gains.
    bounds : BoundLog or None
        None where no bounds are recorded.
    """

    def __init__(
        self,
        accounting: Accounting,
        idle: IdleMeters,
        counters: Counters,
        recorder: Recorder,
        true_gains: TrueGainPrediction | None,
        bounds: BoundLog | None,
    ) -> None:
        self._accounting, self._idle = accounting, idle
        self._counters, self._recorder = counters, recorder
        self._true_gains, self._bounds = true_gains, bounds
        self._open: EpochRow | None = None

    def begin(self, observation: Observation, decision: Decision, cause: Cause) -> None:
        """Begin the epoch of a decision."""
        instance, allocation = observation.instance, decision.allocation
        costs = instance.costs(allocation)
        prediction = Prediction.of(instance, allocation, costs)
        if self._true_gains is not None:
            self._true_gains.add(
                self._counters.epochs, observation.time_s, observation.user, instance, allocation, costs,
                prediction.score,
            )  # fmt: skip
        if self._bounds is not None:
            self._bounds.add(observation, prediction.scr)
        self._begin(observation.time_s, prediction, cause, decision)

    def begin_empty(self, time_s: float, cause: Cause) -> None:
        """Begin an epoch in which no user is present, and nothing is decided."""
        if self._bounds is not None:
            self._bounds.add_empty(time_s)
        self._begin(time_s, Prediction(0.0, 0.0, 0.0, math.nan), cause, None)

    def put_in_force(self, time_s: float, handovers: int) -> None:
        """Note that the decision of this epoch took effect."""
        if self._open is not None:
            self._open = self._open._replace(in_force_s=time_s, handovers=handovers)

    def end(self) -> None:
        """Record the epoch that ends now: what was drawn and finished since it began."""
        began = self._open
        if began is None:
            return
        row = began._replace(
            realised_energy_j=self._accounting.metered_j() - began.realised_energy_j,
            rounds_finished=self._counters.rounds - began.rounds_finished,
            idle_j=self._idle.total_j() - began.idle_j,
        )
        self._recorder.epoch(row._asdict())

    def table(self) -> Table:
        """Return the epochs with the predictions for true gains, and the bounds if they are recorded."""
        epochs = self._recorder.epochs()
        if self._bounds is not None:
            epochs |= self._bounds.epochs()
        if self._true_gains is None:
            return epochs | {f"true_{name}": epochs[name].copy() for name in ("delay_s", "energy_j", "scr")}
        return epochs | self._true_gains.columns(epochs)

    def _begin(self, time_s: float, prediction: Prediction, cause: Cause, decision: Decision | None) -> None:
        """Open a row; the meters in it are subtracted when the epoch ends."""
        self._open = EpochRow(
            epoch=self._counters.epochs,
            time_s=time_s,
            score=prediction.score,
            delay_s=prediction.delay_s,
            energy_j=prediction.energy_j,
            scr=prediction.scr,
            decision_cpu_s=decision.cpu_s if decision else 0.0,
            iterations=decision.iterations if decision else 0,
            predicted_scr=decision.predicted_scr if decision else math.nan,
            status=decision.status if decision else "empty",
            handovers=0,
            realised_energy_j=self._accounting.metered_j(),
            rounds_finished=self._counters.rounds,
            cause=cause,
            in_force_s=math.nan,
            idle_j=self._idle.total_j(),
        )
        self._counters.epochs += 1
