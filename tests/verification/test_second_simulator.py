"""A second simulator, Ciw, with the same arrivals and work has the same departures to 1e-9 (row Q8).

It would catch a bug that the engine and the recursions of these tests have in common, since the same people
wrote both. Mutants: engines with the other discipline, and with a tenth less work.
"""

import numpy as np
import pytest

from mecsim.testing.verification.finding import Setting
from mecsim.testing.verification.queues import LESS_WORK, RESERVED, in_turn, shared

ciw = pytest.importorskip("ciw", reason="the second simulator comes with the extra 'test'")
JOBS = 2000
FEW = Setting(size=0.1)  # of the usual 25,000 jobs in turn


def ciw_ends(jobs, *, sharing):
    """Return the departures of Ciw for the first jobs of a run, in the order of their arrival."""
    arrivals_s, work_s = jobs.arrivals_s[:JOBS], jobs.work_s[:JOBS]
    # There is no arrival after the last one.
    gaps_s = [*np.diff(arrivals_s, prepend=0.0).tolist(), float("inf")]
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential(gaps_s)],
        service_distributions=[ciw.dists.Sequential(work_s.tolist())],
        number_of_servers=[float("inf") if sharing else 1],
    )
    simulation = ciw.Simulation(network, node_class=ciw.PSNode if sharing else ciw.Node)
    simulation.simulate_until_max_time(float(arrivals_s[-1] + work_s.sum() + 1.0))
    records = sorted(simulation.get_all_records(), key=lambda record: record.id_number)
    assert len(records) == len(arrivals_s)
    return np.array([float(record.exit_date) for record in records])


def before_the_last_arrival(jobs, ends_s):
    """Return which of the first jobs end before the last arrival that Ciw knows."""
    return ends_s < jobs.arrivals_s[min(JOBS, len(jobs.arrivals_s)) - 1]


@pytest.mark.parametrize("law", ["exponential", "constant"])
def test_first_come_first_served(law):
    jobs = in_turn(FEW, law)
    np.testing.assert_allclose(ciw_ends(jobs, sharing=False), jobs.ends_s[:JOBS], rtol=1e-9)


def test_processor_sharing():
    jobs = shared(Setting())
    ends_s = ciw_ends(jobs, sharing=True)
    known = before_the_last_arrival(jobs, ends_s)
    assert known.sum() > 1000
    np.testing.assert_allclose(ends_s[known], jobs.ends_s[: len(ends_s)][known], rtol=1e-9)


def test_an_engine_without_work_conserving_sharing_is_rejected():
    with RESERVED.in_force():
        jobs = shared(Setting(size=0.25))
    ends_s = ciw_ends(jobs, sharing=True)
    known = before_the_last_arrival(jobs, ends_s)
    assert not np.allclose(ends_s[known], jobs.ends_s[: len(ends_s)][known], rtol=1e-4)


def test_an_engine_that_forgets_a_tenth_of_the_work_is_rejected():
    with LESS_WORK.in_force():
        jobs = in_turn(FEW, "exponential")
    assert not np.allclose(ciw_ends(jobs, sharing=False), jobs.ends_s[:JOBS], rtol=1e-6)
