"""Faults that a reader of the engine found; each test fails on the engine as it was before."""

import math

import numpy as np
import pytest

from mecsim.engine.reallocation import Reallocation
from mecsim.engine.simulation import Simulation
from mecsim.results.derive import all_tables
from mecsim.system.allocation import Allocation

EDGE = {"users.mobility": {"model": "static"}, "channel.fading": {"model": "none"}}


class Constant:
    """Grants that depend on the user's number alone: nobody's change when others come or leave."""

    def __init__(self, server=lambda user, epoch: user % 2, phi=0.0, share=0.05):
        self.server, self.phi, self.share = server, phi, share

    def allocate(self, observation):
        users, servers = observation.instance.users, observation.instance.servers
        server = np.array([self.server(user, observation.epoch) for user in observation.user.tolist()])
        count = len(server)
        return Allocation(
            server=server,
            local_fraction=np.full(count, self.phi),
            bandwidth_hz=self.share * servers.bandwidth_hz[server],
            user_power_w=users.max_power_w,
            server_power_w=self.share * servers.max_power_w[server],
            user_gpu_flops=users.max_gpu_flops,
            server_gpu_flops=self.share * servers.max_gpu_flops[server],
        )


def test_what_a_user_who_left_had_is_no_longer_shared_out(make_scenario, monkeypatch):
    """A decision after a departure refreshes those who stay, though their own grants are the same."""
    scenario = make_scenario({
        "duration_s": 60, "service.sharing": "work_conserving", "reallocation.period_s": 1,
        "users.arrivals": {"rate_per_s": 0.4, "stay_s": {"exponential": 6}},
        "workload.token_bits": {"uniform": [1e8, 5e8]},
    })  # fmt: skip
    rounds = Simulation(scenario, Constant(), 3).run().rounds
    plain = Reallocation.apply

    def refreshing(reallocation, *args):
        moved = plain(reallocation, *args)
        reallocation._service.refresh(reallocation._roster.present_jobs)
        return moved

    monkeypatch.setattr(Reallocation, "apply", refreshing)
    refreshed = Simulation(scenario, Constant(), 3).run().rounds
    assert (rounds["outcome"] == "dropped").sum() > 5
    for name in ("user", "round", "delay_s", "energy_j"):
        np.testing.assert_allclose(rounds[name], refreshed[name], rtol=1e-9, err_msg=name)


def test_an_outage_does_not_shorten_a_handover(make_scenario):
    """It takes 5 s from 5 s on, though the new server fails for a moment at 7 s and the round starts anew."""
    scenario = make_scenario(
        EDGE
        | {
            "duration_s": 200, "users.count": 1, "reallocation.period_s": 5,
            "handover.latency_s": 5, "workload.adapter_params": 1e6, "workload.token_bits": 1e10,
            "calendar.outages": [{"server": 1, "from_s": 7, "to_s": 7.01}], "calendar.on_outage": "restart",
        }
    )  # fmt: skip
    policy = Constant(server=lambda user, epoch: min(epoch, 1), share=1.0)
    simulation = Simulation(scenario, policy, 1)
    rounds = simulation.run().rounds
    assert rounds["restarts"][0] == rounds["handovers"][0] == 1
    assert rounds["interruption_s"][0] == pytest.approx(5.0, rel=1e-12)
    servers = simulation.world.servers
    (params,), (flops,) = simulation.world.workload.work(np.array([0]), np.array([0]))
    whole_s = params * flops / (servers.gpu_count[1] * servers.max_gpu_flops[1])
    assert rounds["server_s"][0] == pytest.approx(5.0 + whole_s, rel=1e-9)


def test_a_newcomer_starts_with_the_others_after_the_time_to_think(make_scenario):
    scenario = make_scenario(
        EDGE
        | {
            "duration_s": 100, "workload.rounds": {"mode": "synchronous", "think_s": 5},
            "users.arrivals": {"rate_per_s": 0.2, "stay_s": {"exponential": 1000}},
            "reallocation.events": ["arrival"],
        }
    )  # fmt: skip
    rounds = Simulation(scenario, Constant(), 2).run().rounds
    together = set(rounds["start_s"][rounds["user"] < 3].tolist())
    came = rounds["start_s"][(rounds["user"] >= 3) & (rounds["round"] == 0)]
    assert len(came) > 5
    assert set(came.tolist()) <= together


def test_generations_compare_with_the_last_decision_before_each_round(make_scenario):
    """A call for the start of a round comes after it, at the same instant."""
    scenario = make_scenario({"duration_s": 40, "reallocation.events": ["round_start"]})
    simulation = Simulation(scenario, Constant(phi=0.5, server=lambda user, epoch: (user + epoch) % 2), 1)
    tables = all_tables(simulation.run(), simulation.world)
    rounds, epochs, made = tables["rounds"], tables["epochs"], tables["generations"]
    searched = np.searchsorted(epochs["time_s"], rounds["start_s"], side="right") - 1
    assert (searched != rounds["epoch"]).any()
    assert len(made["round"]) > 3
    for k, predicted in zip(made["round"], made["predicted_scr"], strict=True):
        own = rounds["epoch"][rounds["round"] == k]
        assert predicted == pytest.approx(epochs["scr"][own].mean(), rel=1e-12)


def test_a_late_decision_shows_no_prediction(make_scenario):
    class Predicts(Constant):
        predicted_scr = 12.5

    late = {"reallocation.decision_latency": 2.0, "reallocation.decision_deadline_s": 1.0}
    epochs = Simulation(make_scenario(late), Predicts(), 1).run().epochs
    by_status = dict(zip(epochs["status"].tolist(), epochs["predicted_scr"].tolist(), strict=True))
    assert by_status["new"] == 12.5
    assert math.isnan(by_status["late"])
