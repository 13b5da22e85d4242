"""The state of a round and of a user in the slow reference engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from mecsim.policy import Phase
from mecsim.scenario.workload import Workload


@dataclass
class Round:
    """One round; lists hold one value for each phase."""

    user: int
    index: int
    start_s: float
    wait_s: float
    server_first: int
    server_last: int
    phi: float
    params: float
    flops_per_param: float
    time_s: list[float] = field(default_factory=lambda: [0.0] * 4)
    energy_j: list[float] = field(default_factory=lambda: [0.0] * 4)
    stall_s: float = 0.0
    interruption_s: float = 0.0
    score_s: float = 0.0
    handovers: int = 0
    moved_bits: float = 0.0
    restarts: int = 0
    epoch: int = 0
    outcome: str = "unfinished"


@dataclass
class User:
    """State of a user: its round, if any, its phase, and the start of its next round."""

    next_start_s: float
    begun: int = 0
    round: Round | None = None
    phase: Phase = Phase.IDLE
    work: float = 0.0
    left: float = 0.0
    interrupted_until_s: float = 0.0
    rate: float = 0.0
    power_w: float = 0.0
    other_w: float = 0.0


def works(workload: Workload, r: Round, own_epochs: float, server_epochs: float) -> dict[Phase, float]:
    """Return the work of each phase of a round, case by case from the tables of docs/model.md section 2."""
    phi, d, tokens = r.phi, r.params, r.flops_per_param / workload.flops_per_param_and_token
    adapter = workload.flops_per_param_and_token * d * tokens
    up, down = phi * d * workload.bits_per_param, (1.0 - phi) * d * workload.bits_per_param
    own, server = adapter * phi, adapter * (1.0 - phi)
    data = tokens * workload.bits_per_token_id
    both = 0.0 < phi < 1.0
    base = workload.base_model
    if workload.model == "peft" and base is not None:
        # Forward 2, backward 2; with recomputation of activations once more forward on the way back.
        back = 4.0 if workload.recompute else 2.0
        own += (2.0 + back) * base.params * tokens
        server += (2.0 + back * (1.0 - phi)) * base.params * tokens
    elif workload.model == "split" and base is not None:
        each = 6.0 if workload.recompute else 4.0
        own += each * base.params * tokens * phi
        server += each * base.params * tokens * (1.0 - phi)
        if both:
            activations = tokens * base.width * workload.bits_per_activation * own_epochs
            up, down = up + activations, down + activations
    shared = workload.share_data
    sends = {"adapter": shared is True, "peft": shared is not False, "split": phi == 0.0}
    if phi < 1.0 and sends[workload.model]:
        up += data
    return {
        Phase.LOCAL: own * own_epochs if phi > 0.0 else 0.0,
        Phase.UPLINK: up,
        Phase.SERVER: server * server_epochs if phi < 1.0 else 0.0,
        Phase.DOWNLINK: down,
    }
