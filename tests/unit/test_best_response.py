"""The association game: its replies, potentials and equilibria (docs/model.md section 4)."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies import best_response
from mecsim_policies.best_response import SHARING, Game
from mecsim_policies.optim.splits import parts_by_weight, split_by_parts

from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.system.round_work import RoundWork
from mecsim.testing.snapshots import draw_instance, mid_round

USERS = 12


def crowd(seed):
    """Return a snapshot in which the users' servers are not obvious."""
    return draw_instance([1, seed], USERS, 3, gain_decades=(-11, -10))


def game_of(instance, sharing):
    return Game.of(instance, np.ones(instance.gain.shape, dtype=bool), sharing)


def with_data(instance):
    """Return the snapshot where users without work of their own send data first: no potential."""
    flop = instance.users.adapter_params * instance.users.flops_per_param
    bits = instance.users.adapter_params * instance.bits_per_param
    none = 0.0 * bits
    return replace(
        instance, work=RoundWork(flop, none, flop, none, bits, 4 * bits, 4 * bits, bits, none)
    )  # fmt: skip


def true_delays(instance, sharing, server):
    """Return the delays of the model if all is trained at the servers, split by the rule; written anew."""
    s, users = instance.servers, np.arange(len(server))
    links = instance.gain[users, server]
    work = instance.affine_work()
    zero = np.zeros(len(server))
    up = work.uplink(zero) / instance.rate_law.up.rate(
        s.bandwidth_hz[server], instance.users.max_power_w, links
    )
    down = work.downlink(zero) / instance.rate_law.down.rate(
        s.bandwidth_hz[server], s.max_power_w[server], links
    )
    train = work.server(zero) * s.epochs[server] / (s.gpu_count * s.max_gpu_flops)[server]
    if sharing == "equal":
        up, down, train = np.ones((3, len(server)))
    band, gpu = parts_by_weight(up + down, server), parts_by_weight(train, server)
    return instance.delay(split_by_parts(instance, server, band, gpu, zero))


@pytest.mark.parametrize("data", [False, True])
@pytest.mark.parametrize("sharing", SHARING)
def test_users_pay_the_delay_of_the_model(sharing, data):
    """Each server of each user against the model. Mutant: a newcomer who is not counted at its server."""
    instance = draw_instance(5, 5, 3)
    instance = with_data(instance) if data else instance
    server = np.array([0, 1, 1, 2, 0])
    delays = game_of(instance, sharing).delays(server)
    for n, m in itertools.product(range(5), range(3)):
        moved = np.where(np.arange(5) == n, m, server)
        assert delays[n, m] == pytest.approx(true_delays(instance, sharing, moved)[n], rel=1e-9)


def assert_equilibrium(instance, sharing, server):
    """Nobody gains by another server, by the model."""
    now = true_delays(instance, sharing, server)
    for n, m in itertools.product(range(len(server)), range(instance.server_count)):
        moved = np.where(np.arange(len(server)) == n, m, server)
        assert true_delays(instance, sharing, moved)[n] >= now[n] * (1.0 - 1e-8), (n, m)


@pytest.mark.parametrize("data", [False, True])
@pytest.mark.parametrize("sharing", SHARING)
@pytest.mark.parametrize("seed", range(8))
def test_nobody_gains_where_it_says_equilibrium(seed, sharing, data):
    instance = crowd(seed)
    instance = with_data(instance) if data else instance
    policy = make_policy(f"best_response:sharing={sharing}")
    answer = policy.allocate(Observation.of(instance))
    assert policy.equilibrium
    assert_equilibrium(instance, sharing, answer.server)
    assert policy.iterations == len(policy.trace)
    assert sum(reply.entered for reply in policy.trace) == USERS


@pytest.mark.parametrize("sharing", SHARING)
def test_an_association_that_is_no_equilibrium_is_noticed(sharing):
    """Mutant: everybody at the strongest server."""
    instance = crowd(0)
    with pytest.raises(AssertionError):
        assert_equilibrium(instance, sharing, instance.gain.argmax(axis=1))


@pytest.mark.parametrize("sharing", SHARING)
def test_the_potential_falls_with_each_move_that_helps(sharing):
    """Every move that helps, from random associations. Mutant: the potential of the other rule."""
    rises = dict.fromkeys(SHARING, 0)
    for seed in range(6):
        instance = draw_instance([2, seed], 6, 3)
        games = {rule: game_of(instance, rule) for rule in SHARING}
        server = np.random.default_rng(seed).integers(3, size=6)
        delays = games[sharing].delays(server)
        for n, m in itertools.product(range(6), range(3)):
            moved = np.where(np.arange(6) == n, m, server)
            if delays[n, m] < delays[n, server[n]] * (1.0 - 1e-9):
                for rule, game in games.items():
                    rises[rule] += not game.potential(moved) < game.potential(server)
    assert rises.pop(sharing) == 0
    assert sum(rises.values()) > 0


@pytest.mark.parametrize("sharing", SHARING)
def test_the_potential_falls_along_the_trace(sharing):
    """From cold and from the strongest servers, where everybody has entered. Mutant: the last reply twice."""
    moves = 0
    for seed in range(6):
        instance, policy = crowd(seed), make_policy(f"best_response:sharing={sharing}")
        strongest = make_policy("nearest").allocate(Observation.of(instance))
        for allocation in (None, strongest):
            policy.allocate(Observation.of(instance, allocation=allocation))
            assert policy.equilibrium
            for before, reply in itertools.pairwise(policy.trace):
                if not reply.entered:
                    moves += 1
                    assert reply.after_s < reply.before_s
                    assert reply.potential < before.potential
    assert moves > 10


def test_nobody_enters_while_somebody_gains():
    """Milchtaich's order. Mutant: all enter first, and reply afterwards."""
    instance = crowd(1)
    game, server, users = game_of(instance, "equal"), np.full(USERS, -1), np.arange(USERS)
    policy = make_policy("best_response:sharing=equal")
    policy.allocate(Observation.of(instance))
    assert not all(reply.entered for reply in policy.trace)
    for reply in policy.trace:
        delays, inside = game.delays(server), server >= 0
        gains = delays[users, server] > delays.min(axis=1) * (1.0 + 1e-9)
        assert reply.entered != (gains & inside).any()
        server[reply.user] = reply.server


def test_the_equal_potential_is_exact_for_logarithms():
    """A move changes it by the change of the ln of the mover's delay. Mutant: ln k! of the wrong server."""
    instance = draw_instance(9, 4, 2)
    game, server = game_of(instance, "equal"), np.array([0, 0, 0, 1])
    moved = np.array([0, 1, 0, 1])
    delays = game.delays(server)
    change = game.potential(moved)[0] - game.potential(server)[0]
    assert change == pytest.approx(np.log(delays[1, 1] / delays[1, 0]), rel=1e-9)


def test_there_is_no_potential_where_users_send_data_first():
    policy = make_policy("best_response")
    policy.allocate(Observation.of(with_data(draw_instance(3, 5, 2))))
    assert {reply.potential for reply in policy.trace} == {()}


def test_it_says_if_the_bound_ended_the_game(monkeypatch):
    """No round is allowed: everybody has a server, and nobody claims an equilibrium."""
    monkeypatch.setattr(best_response, "_MOST_ROUNDS", 0)
    policy, instance = make_policy("best_response"), draw_instance(3, 5, 2)
    answer = policy.allocate(Observation.of(instance))
    assert not policy.equilibrium
    assert policy.trace == []
    assert answer.violations(instance, 0.0) == ()


def test_users_with_a_server_begin_there_and_pinned_users_stay():
    """Mutants: a cold start, in which everybody enters; pinned users who reply."""
    instance = crowd(3)
    policy = make_policy("best_response")
    first = policy.allocate(Observation.of(instance))
    again = policy.allocate(Observation.of(instance, allocation=first))
    assert policy.iterations == 0
    assert policy.equilibrium
    assert (again.server == first.server).all()
    rotated = replace(first, server=(first.server + 1) % 3)
    pinned = np.arange(USERS) < 3
    moved = policy.allocate(mid_round(instance, rotated, pinned))
    assert (moved.server[:3] == rotated.server[:3]).all()
    assert (moved.server[3:] != rotated.server[3:]).any()


def test_all_users_of_a_server_end_together_by_proportional_parts():
    """With phi = 0 and no data. Mutant: equal parts."""
    instance, server = draw_instance(4, 5, 2), np.array([0, 0, 1, 1, 1])
    for rule, together in (("proportional", True), ("equal", False)):
        delays = true_delays(instance, rule, server)
        assert np.allclose(delays[2:], delays[2], rtol=1e-9) is together


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="sharing = 'fair': must be one of proportional, equal"):
        best_response.BestResponse("fair")
