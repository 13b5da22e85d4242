"""What users have to train, and when their rounds arrive."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import count
from typing import Any

import numpy as np

from mecsim.rng import Purpose, stream
from mecsim.scenario.distribution import Distribution
from mecsim.scenario.gpu_catalogue import GpuCard
from mecsim.scenario.memory import largest, memory_bytes
from mecsim.scenario.schema import Scenario
from mecsim.scenario.workload import Periodic, Poisson
from mecsim.system.arrays import Floats, Ints
from mecsim.system.devices import Users
from mecsim.system.round_work import RoundWork
from mecsim.world.devices import gpu_constants
from mecsim.world.population import Population
from mecsim.world.round_work import affine_work, local_fraction_max

_CHUNK = 256
_SMALLEST = 2.0**-54
_POWER = ("gpu_min", "circuit_power_w", "receive_power_w")


class Workload:
    """Adapter sizes, token data and arrivals of every user; a pure function of (scenario, seed).

    ``devices`` are the columns of the users' devices, ``power`` those of their power law that are no part
    of them, and ``gpu_idle_w`` is what the idle GPUs of each user draw, all (N,).

    Parameters
    ----------
    scenario : Scenario
    seed : int
    population : Population, optional
        Who there is; drawn from the scenario and the seed by default.
    """

    def __init__(self, scenario: Scenario, seed: int, population: Population | None = None) -> None:
        self._workload = scenario.workload
        self._seed = seed
        population = population or Population.draw(scenario, seed)
        users = population.count

        def each(name: str) -> list[Any]:
            return _each(scenario, population, name)

        cards = each("gpu")
        gpus = gpu_constants(cards, each("gpu_power"), each("gpu_utilisation"))
        self.devices = {
            "epochs": np.array(each("epochs"), dtype=np.float64),
            "gpu_count": np.array(each("gpu_count"), dtype=np.float64),
            "max_gpu_flops": gpus.max_gpu_flops,
            "kappa": gpus.kappa,
            "max_power_w": np.array(each("max_power_w"), dtype=np.float64),
        }
        self.power = {name: np.array(each(name)) for name in _POWER}
        self.gpu_idle_w = self.devices["gpu_count"] * gpus.idle_w
        draws = [stream(seed, Purpose.WORKLOAD_USER, n).random(2) for n in range(users)]
        self._once = np.maximum(np.array(draws).reshape(users, 2), _SMALLEST)
        self._amounts = _amounts(scenario)
        self._amount_of = population.kind % len(self._amounts)
        self.drawn_per_round = any("round" in (size.per, data.per) for size, data in self._amounts)
        # Two chunks for every user: rounds are asked for nearly in order.
        self._chunk = lru_cache(maxsize=2 * users)(self._draw_chunk)
        if self._workload.base_model is not None:
            counts = self.devices["gpu_count"].tolist()
            memory = [memory_bytes(card, count) for card, count in zip(cards, counts, strict=True)]
            params = self._largest_adapters()
            self.devices["local_fraction_max"] = local_fraction_max(self._workload, params, np.array(memory))

    def users(self, rounds: Ints) -> Users:
        """Return devices and work of all users, each in the given round, shape (N,)."""
        adapter_params, flops_per_param = self.work(np.arange(len(rounds)), rounds)
        return Users(adapter_params=adapter_params, flops_per_param=flops_per_param, **self.devices)

    def affine(self, users: Users) -> RoundWork[Floats] | None:
        """Return the work of a round of each user; None for the paper's, that of the adapter alone."""
        return affine_work(self._workload, users.adapter_params, users.flops_per_param, users.epochs)

    def work(self, users: Ints, rounds: Ints) -> tuple[Floats, Floats]:
        """Return adapter parameters d and FLOP per parameter t of rounds of users, each shape (U,).

        t is ``flops_per_param_and_token * tokens``, docs/model.md section 3.
        """
        pairs = zip(users.tolist(), rounds.tolist(), strict=True)
        amounts = np.array([self._row(n, k) for n, k in pairs]).reshape(-1, 2)
        return amounts[:, 0].copy(), amounts[:, 1].copy()

    def work_of_round(self, user: int, index: int) -> tuple[float, float]:
        """Return adapter parameters d and FLOP per parameter t of one round of one user."""
        adapter_params, flops_per_param = self._row(user, index).tolist()
        return adapter_params, flops_per_param

    def _row(self, user: int, index: int) -> Floats:
        chunk, at = divmod(index, _CHUNK) if self.drawn_per_round else (0, 0)
        row: Floats = self._chunk(user, chunk)[at]
        return row

    def _draw_chunk(self, user: int, chunk: int) -> Floats:
        """Return d and t of the rounds of a chunk, (_CHUNK, 2), or of all rounds, (1, 2)."""
        once = fresh = self._once[user : user + 1]
        if self.drawn_per_round:
            rng = stream(self._seed, Purpose.WORKLOAD_ROUND, user, chunk)
            fresh = np.maximum(rng.random((_CHUNK, 2)), _SMALLEST)
        w, (size, data) = self._workload, self._amounts[self._amount_of[user]]
        amounts = np.empty((len(fresh), 2))
        amounts[:, 0] = size.ppf((fresh if size.per == "round" else once)[:, 0])
        token_bits = data.ppf((fresh if data.per == "round" else once)[:, 1])
        amounts[:, 1] = w.flops_per_param_and_token * token_bits / w.bits_per_token_id
        return amounts

    def _largest_adapters(self) -> Floats:
        """Return the adapter size of each user, or the largest where every round has another one."""
        sizes = [size for size, _ in self._amounts]
        first = self.work(np.arange(len(self._once)), np.zeros(len(self._once), dtype=np.int64))[0]
        bound = np.array([largest(size) if size.per == "round" else 0.0 for size in sizes])[self._amount_of]
        return np.where(bound > 0, bound, first)

    def arrivals_s(self, user: int, until_s: float) -> Floats:
        """Return all times of :meth:`arrivals` as an array."""
        return np.fromiter(self.arrivals(user, until_s), dtype=np.float64)

    def arrivals(self, user: int, until_s: float) -> Iterator[float]:
        """Yield the times at which rounds arrive at a user, in order, all those before ``until_s``.

        None for the modes in which one round leads to the next. Drawn a few at a time, as they are taken.
        """
        rounds = self._workload.rounds
        rng = stream(self._seed, Purpose.ARRIVALS, user)
        if isinstance(rounds, Periodic):
            offset_s = rng.random() * rounds.period_s if rounds.staggered else 0.0
            chunks = _periodic_s(offset_s, rounds.period_s)
        elif isinstance(rounds, Poisson):
            chunks = _poisson_s(rng, rounds.rate_per_s)
        else:
            return
        for times_s in chunks:
            yield from times_s[times_s < until_s].tolist()
            if not times_s[-1] < until_s:
                return


def _periodic_s(offset_s: float, period_s: float) -> Iterator[Floats]:
    for first in count(0, _CHUNK):
        yield offset_s + np.arange(first, first + _CHUNK, dtype=np.float64) * period_s


def _poisson_s(rng: np.random.Generator, rate_per_s: float) -> Iterator[Floats]:
    last_s = 0.0
    while True:
        with np.errstate(over="ignore"):  # so rare that the next one never comes
            gaps_s = -np.log1p(-rng.random(_CHUNK)) / rate_per_s
        gaps_s[0] += last_s
        times_s: Floats = np.cumsum(gaps_s)
        last_s = float(times_s[-1])
        yield times_s


def _amounts(scenario: Scenario) -> list[tuple[Distribution, Distribution]]:
    """Return the laws of adapter size and token data of each class, or the one of all users."""
    w = scenario.workload
    if not scenario.users.classes:
        return [(w.adapter_params, w.token_bits)]
    kinds = scenario.users.classes
    return [(kind.adapter_params or w.adapter_params, kind.token_bits or w.token_bits) for kind in kinds]


def _each(scenario: Scenario, population: Population, name: str) -> list[Any]:
    """Return the value of a key for each user.

    Where the residents have a list of values, those who come later take them in turn. What a
    user's class says goes before either.
    """
    value = getattr(scenario.users, name)
    values = [value] * population.count
    if isinstance(value, tuple):
        values = [value[n % len(value)] for n in range(population.count)]
    for n, kind in enumerate(population.kind.tolist()):
        own = getattr(scenario.users.classes[kind], name) if scenario.users.classes else None
        values[n] = values[n] if own is None else own
    return values


def user_cards(scenario: Scenario, population: Population) -> list[GpuCard]:
    """Return the GPU card of each user."""
    return _each(scenario, population, "gpu")
