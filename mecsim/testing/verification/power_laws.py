"""Power of devices against the boards' own numbers: rows S1 and S2."""

from __future__ import annotations

import math
import sys
from typing import Any

from mecsim.engine.recorder import RunRecord
from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy
from mecsim.scenario.load import load_scenario
from mecsim.scenario.schema import Scenario
from mecsim.testing.reference_engine import ReferenceEngine
from mecsim.testing.verification.broken_engine import other_record, other_scenario, zeroed
from mecsim.testing.verification.finding import Check, Finding, Setting, equal, no_difference
from mecsim.units import tflops_to_flops

USER_CARD = {"peak_tflops": 8.873, "board_power_w": 180.0, "idle_power_w": 9.0}
SERVER_CARD = {"peak_tflops": 19.5, "board_power_w": 400.0, "idle_power_w": 54.0}
CARDS = {"users.gpu": USER_CARD, "servers.gpu": SERVER_CARD, "users.gpu_power": "board"}
TOGETHER = 4
_DURATION_S = 20.0
_ELECTRONICS = {
    "users.circuit_power_w": 0.3,
    "users.receive_power_w": 0.2,
    "servers.circuit_power_w": 5.0,
    "servers.receive_power_w": 2.0,
}


def still(changes: dict[str, Any]) -> Scenario:
    """Return a scenario with equal users who stand at one place, and one server."""
    return load_scenario("paper").with_changes(
        {
            "duration_s": _DURATION_S,
            "warmup_s": 0,
            "servers.positions_m": [[500.0, 500.0]],
            "users.count": TOGETHER,
            "users.positions_m": [[600.0, 500.0]] * TOGETHER,
            "users.mobility": {"model": "static"},
            "channel.shadowing.sigma_db": 0.0,
            "channel.fading": {"model": "none"},
            "workload.adapter_params": 5e6,
            "workload.token_bits": 1e7,
        }
        | CARDS
        | changes
    )


def run(policy: str, changes: dict[str, Any], seed: int) -> RunRecord:
    """Return a run of such a scenario."""
    return Simulation(still(changes), make_policy(policy), seed).run()


def busy_card(setting: Setting) -> Finding:
    """Check that a user who trains at full speed draws the board power of its GPUs."""
    record = run("local_only", {"servers.gpu_power": "board"}, setting.seed)
    training_w = record.rounds["local_j"][0] / record.rounds["local_s"][0]
    return equal(training_w + record.ledger["idle_j"][0] / _DURATION_S, 4 * 180.0, rel=1e-9)


def idle_card(setting: Setting) -> Finding:
    """Check that a server draws the idle power of its GPUs all the time, whatever else it does."""
    record = run("local_only", {"servers.gpu_power": "shared"}, setting.seed)
    return equal(record.ledger["server_idle_j"][0], 8 * 54.0 * _DURATION_S, rel=1e-12)


def electronics(setting: Setting) -> Finding:
    """Check the power of an uplink besides that of sending: the user's circuits and the server's receiver."""
    record = run("local_only", _ELECTRONICS, setting.seed)
    sending_w = record.rounds["uplink_j"][0] / record.rounds["uplink_s"][0]
    return equal(sending_w - 0.2, 2.3, rel=1e-9)


def shared_card(setting: Setting) -> Finding:
    """Check that users who train at once on one server pay for each FLOP what one alone would."""
    record = run("edge_only", {"servers.gpu_power": "shared"}, setting.seed)
    work = 6.0 * 1e7 / 32.0 * 5e6
    top = 0.55 * tflops_to_flops(19.5)
    first = record.rounds["round"] == 0
    return equal(float(record.rounds["server_j"][first].max()), (400.0 - 54.0) / top * work, rel=1e-9)


def meters(setting: Setting) -> Finding:
    """Check that meters hold what rounds were charged, with GPUs shared and electronics that draw power."""
    record = _moving(setting, 30.0)
    metered = math.fsum(record.ledger["user_meter_j"]) + math.fsum(record.ledger["server_meter_j"])
    return equal(math.fsum(record.rounds["energy_j"]), metered, rel=1e-9)


def twin(setting: Setting) -> Finding:
    """Check that the slow engine has the same energies, where speeds in use change all the time."""
    scenario = _shared_scenario(12.0)
    slow = ReferenceEngine(scenario, make_policy("gucaa"), 4 + setting.seed)
    expected = sorted((r.user, r.start_s, *r.energy_j) for r in slow.run())
    rounds = _moving(setting, 12.0).rounds
    names = ("user", "start_s", "local_j", "uplink_j", "server_j", "downlink_j")
    columns = zip(*(rounds[name] for name in names), strict=True)
    return no_difference(sorted(columns), expected, tol=1e-9)


def _shared_scenario(duration_s: float) -> Scenario:
    changes = {"duration_s": duration_s, "warmup_s": 0, "servers.gpu_power": "shared"}
    return load_scenario("smoke").with_changes(changes | CARDS | _ELECTRONICS)


def _moving(setting: Setting, duration_s: float) -> RunRecord:
    return Simulation(_shared_scenario(duration_s), make_policy("gucaa"), 4 + setting.seed).run()


_HERE = sys.modules[__name__]
_CUBE_EACH = other_scenario("a cube for each share", _HERE, {"servers.gpu_power": "board"})
CHECKS = (
    Check(
        "S1 busy GPU",
        "W of a user's GPUs at full speed",
        busy_card,
        other_scenario("the cubic law", _HERE, {"users.gpu_power": "cubic"}),
    ),
    Check(
        "S1 idle GPU",
        "J of a server's idle GPUs",
        idle_card,
        other_record("idle power not metered", _HERE, zeroed("ledger", "server_idle_j")),
    ),
    Check(
        "S1 radio",
        "W of circuits and receiver",
        electronics,
        other_scenario("receivers forgotten", _HERE, {"servers.receive_power_w": 0.0}),
    ),
    Check(
        "S2 shared GPU",
        "J of one of four who train at once",
        shared_card,
        _CUBE_EACH,
    ),
    Check(
        "S2 meters",
        "J, meters = rounds",
        meters,
        other_record("receivers not metered", _HERE, zeroed("ledger", "server_meter_j")),
    ),
    Check(
        "S2 twin",
        "engine = slow engine, shared GPUs",
        twin,
        _CUBE_EACH,
    ),
)
