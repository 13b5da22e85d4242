"""A fifth phase and a fourth resource in a copy of the tables: a round runs, and no file of the engine knows.

Bugs it would catch: a phase or a number of phases that the engine, the accounting or the recorder names
itself; a work-conserving share computed over two resources as if they were one.
"""

import numpy as np
import pytest
from mecsim_policies.baselines import EdgeOnly

from mecsim.engine.simulation import Simulation
from mecsim.system.phases import PHASES, PhaseSpec
from mecsim.system.resources import SERVER_SPEED, ResourceSpec

NPU = ResourceSpec("server_npu", "gpu", SERVER_SPEED)
SHARE = 0.25


def validation_work(terms):
    return SHARE * terms.flops_per_param * terms.adapter_params


VALIDATION = PhaseSpec(
    "validation", "validating at the server", NPU, "server", validation_work, lambda work, left, bits: bits
)
TOY = (*PHASES[:-1], VALIDATION, PHASES[-1])


def simulated(scenario, phases, **changes):
    simulation = Simulation(scenario.with_changes(changes), EdgeOnly(), 1, phases=phases)
    return simulation, simulation.run()


@pytest.fixture
def scenario(make_scenario):
    return make_scenario({"duration_s": 40, "workload.token_bits": {"uniform": [1e9, 5e9]}})


def test_a_round_has_the_new_phase_with_its_time_and_energy(scenario):
    """Reserved shares: time is W / (G g) and energy kappa g^2 W, to rounding."""
    simulation, record = simulated(scenario, TOY)
    names = list(record.rounds)
    assert names.index("server_s") + 1 == names.index("validation_s") == names.index("downlink_s") - 1
    finished = record.rounds["outcome"] == "finished"
    assert finished.sum() > 10
    rounds = {name: column[finished] for name, column in record.rounds.items()}
    params, flops = simulation.world.workload.work(rounds["user"], rounds["round"])
    work = SHARE * params * flops
    servers, m = simulation.world.servers, rounds["server_last"]
    # The phase before was served by the same grant.
    speed = flops * params / (rounds["server_s"] * servers.gpu_count[m])
    time_s, energy_j = work / (servers.gpu_count[m] * speed), servers.kappa[m] * speed**2 * work
    np.testing.assert_allclose(rounds["validation_s"], time_s, rtol=1e-9)
    np.testing.assert_allclose(rounds["validation_j"], energy_j, rtol=1e-9)
    parts = [f"{phase.name}_s" for phase in TOY]
    total_s = sum(rounds[name] for name in parts) + rounds["stall_s"] + rounds["interruption_s"]
    np.testing.assert_allclose(rounds["delay_s"], total_s, rtol=1e-12)


def test_its_work_is_conserved(scenario):
    _, record = simulated(scenario, TOY)
    ledger = record.ledger
    assert ledger["work_started"].shape == (3, 5)
    done = ledger["work_served"] + ledger["work_left"] + ledger["work_dropped"]
    np.testing.assert_allclose(ledger["work_started"], done, rtol=1e-9)


def test_each_resource_is_shared_among_its_own_users(scenario):
    """Work-conserving: who trains and who validates at the same time each have all of their resource.

    Mutant: one resource under two names, so that each takes from the other.
    """
    shared = {"service.sharing": "work_conserving"}
    apart = simulated(scenario, TOY, **shared)[1].rounds
    one = VALIDATION._replace(resource=PHASES[2].resource)
    mutant = (*PHASES[:-1], one, PHASES[-1])
    together = simulated(scenario, mutant, **shared)[1].rounds
    finished = [(rounds["outcome"] == "finished").sum() for rounds in (apart, together)]
    assert finished[0] > 1.05 * finished[1]


def test_without_it_nothing_is_changed(scenario):
    """The table of five phases with an empty fifth gives the same rounds as that of four, bit for bit."""
    empty = VALIDATION._replace(work=lambda terms: 0.0)
    with_it = simulated(scenario, (*PHASES[:-1], empty, PHASES[-1]))[1].rounds
    without = simulated(scenario, PHASES)[1].rounds
    for name, column in without.items():
        assert column.tobytes() == with_it[name].tobytes(), name
    assert not with_it["validation_s"].any()
