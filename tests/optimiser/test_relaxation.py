"""Part 1's relaxation in small blocks is the dense one, and bounds every association."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies.dashf_reference.pairs import pairs_of
from mecsim_policies.dashf_reference.sdr import relax_dense
from mecsim_policies.optim import relaxation_pattern
from mecsim_policies.optim.association import best_fractions, relax
from mecsim_policies.optim.pairs import slots_by_capacity
from mecsim_policies.optim.price import Price

SIZES = [(1, 1), (2, 3), (4, 2), (5, 3), (6, 2), (6, 3)]


def constants(instance):
    slots = slots_by_capacity(instance)
    return pairs_of(instance, slots, None, np.ones_like(instance.gain, dtype=bool)), slots


def missing_root_2(monkeypatch):
    """The mutant: a matrix's upper triangle handed to the solver without the square root of 2."""
    relaxation_pattern.pattern_of.cache_clear()
    monkeypatch.setattr(relaxation_pattern, "_ROOT2", 1.0)


@pytest.fixture
def mended():
    yield
    relaxation_pattern.pattern_of.cache_clear()


@pytest.mark.parametrize(("users", "servers"), SIZES)
@pytest.mark.parametrize("scr", [20.0, 400.0])
def test_blocks_equal_the_dense_matrix(snapshot, price_at, users, servers, scr):
    """A row or an entry of the blocks that is missing, or in the wrong place."""
    instance = snapshot(int(scr), users, servers)
    pairs, slots = constants(instance)
    price = price_at(instance, scr)
    dense, solved = relax_dense(pairs, price, slots, ("CLARABEL",), tolerance=1e-6)
    assert relax(pairs, price, slots).value == pytest.approx(dense.value, rel=1e-5)
    assert solved.status == "CLARABEL optimal"


def test_scs_agrees_with_clarabel(snapshot, price_at):
    """A tolerance of SCS too loose for the association to mean anything."""
    pairs, slots = constants(snapshot(1, 5, 2))
    price = price_at(snapshot(1, 5, 2))
    by_scs, by_clarabel = (relax_dense(pairs, price, slots, (name,))[0] for name in ("SCS", "CLARABEL"))
    assert by_scs.value == pytest.approx(by_clarabel.value, rel=1e-3)
    assert by_scs.association == pytest.approx(by_clarabel.association, abs=1e-2)


@pytest.mark.usefixtures("mended")
def test_a_triangle_without_its_root_is_rejected(snapshot, price_at, monkeypatch):
    instances = [snapshot(seed, 5, 3) for seed in range(4)]
    dense = [relax_dense(*with_price(i, price_at), ("CLARABEL",), tolerance=1e-6)[0].value for i in instances]
    missing_root_2(monkeypatch)
    mutant = [relax(*with_price(i, price_at)).value for i in instances]
    assert not np.allclose(mutant, dense, rtol=1e-5)


def with_price(instance, price_at):
    pairs, slots = constants(instance)
    return pairs, price_at(instance, 400.0), slots


def best_by_enumeration(pairs, price, slots):
    """The largest part 1 objective of any association that the slots hold, each with its best phi."""
    users, servers = pairs.score.shape
    rows, best = np.arange(users), -np.inf
    for chosen in itertools.product(range(servers), repeat=users):
        server = np.array(chosen)
        if (np.bincount(server, minlength=servers) > slots).any():
            continue
        phi = best_fractions(pairs, price, server)
        delay_s = linear(pairs.delay_0_s, pairs.delay_1_s, phi, rows, server)
        energy_j = linear(pairs.energy_0_j, pairs.energy_1_j, phi, rows, server)
        value = pairs.score[rows, server].sum() - price.per_s * delay_s.max() - price.per_j * energy_j.sum()
        best = max(best, float(value))
    return best


def linear(at_0, at_1, phi, rows, server):
    return (1.0 - phi) * at_0[rows, server] + phi * at_1[rows, server]


def overshoot(bounds, values):
    """By how much the best values pass their bounds, relative to the values."""
    return max((v - b) / max(1.0, abs(v)) for b, v in zip(bounds, values, strict=True))


def test_the_bound_holds_for_every_association(snapshot, price_at):
    """A relaxation that is none. Mutants: delay counted for T twice; shares that are worth nothing."""
    bounds, twice, worthless, values = [], [], [], []
    for seed, (users, servers) in enumerate([(3, 2), (4, 3), (5, 2), (5, 3), (5, 3)]):
        pairs, slots = constants(snapshot(seed, users, servers))
        price = price_at(snapshot(seed, users, servers), 300.0)
        values.append(best_by_enumeration(pairs, price, slots))
        bounds.append(relax(pairs, price, slots).value)
        twice.append(relax(pairs, Price(2.0 * price.per_s, price.per_j), slots).value)
        worthless.append(relax(replace(pairs, score=0.0 * pairs.score), price, slots).value)
    assert overshoot(bounds, values) <= 1e-6
    assert overshoot(twice, values) > 1e-3
    assert overshoot(worthless, values) > 1e-3
