"""Where tables hold infinity or NaN: only in the columns that say so."""

import warnings

import numpy as np
import pytest

import mecsim
from mecsim.results.metrics import run_metrics
from mecsim.system.allocation import Allocation
from mecsim.tables import MAY_BE_INFINITE, MAY_BE_NAN


class Starving:
    """Random allocations; most users lack something, and in the end everybody lacks everything."""

    def allocate(self, observation):
        rng, instance = np.random.default_rng(observation.epoch), observation.instance
        users, servers = instance.user_count, instance.servers
        server = rng.integers(instance.server_count, size=users)
        given = (rng.random((5, users)) > 0.3) * (observation.time_s < 12)
        share = given[:3] / users
        return Allocation(
            server, rng.random(users), share[0] * servers.bandwidth_hz[server],
            given[3] * instance.users.max_power_w, share[1] * servers.max_power_w[server],
            given[4] * instance.users.max_gpu_flops, share[2] * servers.max_gpu_flops[server],
        )  # fmt: skip


CHANGES = [
    {"record.bound": True},
    {"objective.energy_weight_per_j": 0.0},
    {"objective.delay_weight_per_s": 0.0, "channel.fading.model": "none"},
    {"users.arrivals": {"rate_per_s": 0.05, "stay_s": 5}, "users.count": 0, "record.bound": True},
    {"workload.bits_per_param": 0.0, "service.sharing": "work_conserving"},
    {"calendar.failures": {"mtbf_s": 1e-3, "mttr_s": 1e6}, "reallocation.csi_error_db": 4},
    {"reallocation.decision_latency": 3, "reallocation.decision_deadline_s": 2},
]


@pytest.fixture(scope="module")
def runs():
    scenario = mecsim.load_scenario("smoke").with_changes({"warmup_s": 0, "duration_s": 20})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return [mecsim.simulate(scenario.with_changes(each), Starving(), seed=3) for each in CHANGES]


def held(runs, test):
    """Return the columns in which any value passes a test."""
    return {
        f"{name}.{column}"
        for run in runs
        for name, table in run.tables.items()
        for column in table.columns
        if table[column].dtype.kind == "f" and test(table[column].to_numpy()).any()
    }


def test_only_columns_that_say_so_hold_infinity_or_nan(runs):
    """Mutants: a round that never ends recorded with an infinite delay; a ratio without cost as infinity."""
    assert held(runs, np.isinf) <= MAY_BE_INFINITE
    assert held(runs, np.isnan) <= MAY_BE_NAN


def test_they_do_hold_them(runs):
    """Mutant: infinities replaced by large numbers."""
    assert held(runs, np.isinf) == MAY_BE_INFINITE
    assert held(runs, np.isnan) >= {"epochs.realised_scr", "epochs.scr", "epochs.in_force_s"}


def test_what_never_ends_has_a_ratio_of_zero(runs):
    table = runs[0].epochs
    never = np.isinf(table["delay_s"].to_numpy())
    assert never.any()
    assert (table["scr"][never] == 0.0).all()


def test_metrics_are_finite_or_not_defined(runs):
    for run in runs:
        values = [value for value in run_metrics(run).values() if value is not None]
        assert all(np.isfinite(value) or np.isnan(value) for value in values)
