"""Snapshots and points that the tests of the optimising policies share."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies.dashf_reference.resources import Constants, Shares
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.shares import PHI, ShareProblem

from mecsim.system.devices import Servers, Users
from mecsim.system.instance import Instance
from mecsim.system.power import DevicePower, PowerSpec
from mecsim.system.rate_spec import RATES
from mecsim.system.round_work import RoundWork


def draw_instance(seed, users, servers, *, like=False, ergodic=False, rate="shannon"):
    """Return a snapshot of the paper's size of devices, unlike ones unless ``like``."""
    rng = np.random.default_rng([seed, users, servers])

    def each(count, low, high):
        return np.full(count, (low + high) / 2.0) if like else rng.uniform(low, high, count)

    return Instance(
        users=Users(
            adapter_params=rng.uniform(1.2e6, 14e6, users),
            flops_per_param=rng.uniform(2e6, 9e6, users),
            epochs=np.ones(users),
            gpu_count=np.full(users, 4.0) if like else rng.integers(1, 5, users),
            max_gpu_flops=each(users, 1e12, 5e12),
            kappa=each(users, 1e-37, 3e-37),
            max_power_w=each(users, 0.1, 0.4),
        ),
        servers=Servers(
            bandwidth_hz=each(servers, 5e6, 4e7),
            epochs=np.ones(servers),
            gpu_count=np.full(servers, 8.0) if like else rng.integers(2, 9, servers),
            max_gpu_flops=each(servers, 5e12, 2e13),
            kappa=each(servers, 3e-38, 1e-37),
            max_power_w=each(servers, 5.0, 20.0),
        ),
        gain=10.0 ** rng.uniform(-12.5, -8.5, (users, servers)),
        noise_w_per_hz=4e-21,
        ergodic=ergodic,
        rate=RATES[rate],
        name=f"random {seed}: {users} users, {servers} servers",
    )


@pytest.fixture(scope="session")
def snapshot():
    """Return the function that draws a snapshot."""
    return draw_instance


@pytest.fixture(scope="session")
def price_at():
    """Return a function from an instance to the prices at a SCR of the size that DASHF ends with."""
    return lambda instance, scr=200.0: Price.at(instance, scr)


@pytest.fixture(scope="session")
def part_2():
    """Return a function from a seed to an instance, an association, phi, the problem, shares inside it."""

    def drawn(seed, users, servers, *, at_ends=False, ergodic=False, rate="shannon"):
        instance = draw_instance(seed, users, servers, ergodic=ergodic, rate=rate)
        rng = np.random.default_rng([seed, 2])
        server = rng.integers(servers, size=users)
        phi = rng.uniform(0.1, 0.9, users)
        if at_ends:
            phi = np.where(rng.random(users) < 0.6, rng.integers(0, 2, users), phi)
        problem = ShareProblem.of(instance, server)
        shares = problem.equal_split(phi)
        shares[:, :PHI] *= rng.uniform(0.4, 1.0, (users, PHI))
        return instance, server, phi, problem, shares

    return drawn


def as_columns(shares):
    return Shares(*(shares[:, column] for column in range(PHI)))


def touching_nu(instance, server, phi, shares):
    k = Constants.of(instance, server, phi)
    r_u, r_d = k.rates(shares)
    return 0.5 / (shares.up * r_u), 0.5 / (shares.down * r_d)


def transformed_cost(instance, server, phi, price, nu, shares):
    """Return the convex problem's objective with the true rates, term by term."""
    k = Constants.of(instance, server, phi)
    r_u, r_d = k.rates(shares)
    delay_s = k.local_s / shares.own + k.up_s / r_u + k.server_s / shares.gpu + k.down_s / r_d
    energy_j = (
        k.local_j * shares.own**2
        + k.up_j * (shares.up**2 * nu[0] + 1.0 / (4.0 * nu[0] * r_u**2))
        + k.server_j * shares.gpu**2
        + k.down_j * (shares.down**2 * nu[1] + 1.0 / (4.0 * nu[1] * r_d**2))
    )
    score = np.log1p(instance.score_law.slope * (shares.band + shares.down + shares.gpu))
    return float(price.per_s * delay_s.max() + price.per_j * energy_j.sum() - score.sum())


@pytest.fixture(scope="session")
def as_shares():
    """Return the function from an array of shares to the columns of the reference."""
    return as_columns


@pytest.fixture(scope="session")
def nu_at():
    """Return the function to the nu at which the paper's transform touches, for both links."""
    return touching_nu


@pytest.fixture(scope="session")
def transformed():
    """Return the function to the objective of the paper's convex problem."""
    return transformed_cost


RATE_CASES = {
    "ideal": {},
    "capped": {"rate": "nr-256qam"},
    "ergodic capped": {"rate": "lte-36942", "ergodic": True},
}
POWERS = ("cubic", "lowest speeds", "electronics", "shared", "all")
WORKS = ("paper", "adapter", "peft", "split")


def with_power(instance, kind):
    """Return an instance with a power law of devices beside their kappa."""
    n, m = instance.gain.shape
    rng, plain = np.random.default_rng([n, m]), np.zeros
    if kind == "cubic":
        return instance
    slow = kind in ("lowest speeds", "all")
    radio = rng.uniform(0.1, 1.0, (4, max(n, m))) if kind in ("electronics", "all") else plain((4, max(n, m)))
    users = DevicePower(0.3 * slow * instance.users.max_gpu_flops, *radio[:2, :n])
    servers = DevicePower(0.4 * slow * instance.servers.max_gpu_flops, *(10.0 * radio[2:, :m]))
    # One of the servers has cards of each user's own, so that both laws meet.
    shares = (np.arange(m) != 1) if kind in ("shared", "all") else plain(m, bool)
    return replace(instance, power=PowerSpec(users, servers, shares))


def with_work(instance, kind, bounded):
    """Return an instance with the work of a model, and bounds of phi where ``bounded``: 0, some, none."""
    users = instance.users
    if bounded:
        most = np.resize([0.6, 1.0, 0.0, 0.8], len(users.epochs))
        instance = replace(instance, users=replace(users, local_fraction_max=most))
    flop, bits = users.adapter_params * users.flops_per_param, users.adapter_params * instance.bits_per_param
    none, data = 0.0 * flop, 0.7 * bits
    work = {
        "paper": None,
        "adapter": RoundWork(flop, none, flop, none, bits, data, data, bits, none),
        "peft": RoundWork(flop, 3.0 * flop, 2.5 * flop, 1.5 * flop, bits, data, data, bits, none),
        "split": RoundWork(4.0 * flop, none, 4.0 * flop, none, bits, 3.0 * bits, data, bits, 3.0 * bits),
    }[kind]
    return replace(instance, work=work)


@pytest.fixture(scope="session")
def with_laws():
    """Return a function that draws a snapshot with a law of rates, of power and of work."""

    def drawn(seed, users, servers, rate, power, work, bounded):
        instance = draw_instance(seed, users, servers, **RATE_CASES[rate])
        return with_work(with_power(instance, power), work, bounded)

    return drawn


EVERY_LAW = list(itertools.product(RATE_CASES, POWERS, WORKS, (False, True)))


def pytest_generate_tests(metafunc):
    """Run a test that asks for ``laws`` with every combination of the laws."""
    if "laws" in metafunc.fixturenames:
        metafunc.parametrize("laws", EVERY_LAW, ids=lambda laws: ", ".join(map(str, laws)))


def design(laws):
    """Return the number, below six, of a set of 20 combinations that has every two values; two turns."""
    rate, power, work, bounded = laws
    first, second = POWERS.index(power), WORKS.index(work)
    turns = ((first + second // 2) % 2, (first + second) // 2 % 2)
    return (list(RATE_CASES).index(rate) - first - second) % 3 + 3 * ((bounded - first - second) % 2), *turns


@pytest.fixture(scope="session")
def design_of():
    """Return the function from a combination of the laws to its design and turns."""
    return design


@pytest.fixture(scope="session")
def every_law():
    """Return every combination of the laws."""
    return EVERY_LAW
