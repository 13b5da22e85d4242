"""What users have to train, and when their rounds arrive."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mecsim.rng import Purpose, stream
from mecsim.scenario.schema import Scenario
from mecsim.scenario.workload import Periodic, Poisson
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Users
from mecsim.units import tflops_to_flops

_CHUNK = 256
_SMALLEST = 2.0**-54


class Workload:
    """Adapter sizes, token data and arrivals of every user; a pure function of (scenario, seed).

    Parameters
    ----------
    scenario : Scenario
    seed : int
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._workload = scenario.workload
        self._seed = seed
        users, count = scenario.users, scenario.users.count
        cards = users.gpu_cards()
        peak = np.array([tflops_to_flops(card.peak_tflops) for card in cards])
        self.devices = {
            "epochs": np.array(users.column("epochs")),
            "gpu_count": np.array(users.column("gpu_count")),
            "max_gpu_flops": peak * np.array(users.column("gpu_utilisation")),
            "kappa": np.array([card.board_power_w for card in cards]) / peak**3,
            "max_power_w": np.array(users.column("max_power_w")),
        }
        draws = [stream(seed, Purpose.WORKLOAD_USER, n).random(2) for n in range(count)]
        self._once = np.maximum(draws, _SMALLEST)
        self.drawn_per_round = "round" in (self._workload.adapter_params.per, self._workload.token_bits.per)
        # A few chunks for every user: rounds are asked for nearly in order.
        self._chunk = lru_cache(maxsize=2 * count)(self._draw_chunk)

    def users(self, rounds: Ints) -> Users:
        """Return devices and work of all users, each in the given round, shape (N,)."""
        adapter_params, flops_per_param = self.work(np.arange(len(rounds)), rounds)
        return Users(adapter_params=adapter_params, flops_per_param=flops_per_param, **self.devices)

    def work(self, users: Ints, rounds: Ints) -> tuple[Floats, Floats]:
        """Return adapter parameters d and FLOP per parameter t of rounds of users, each shape (U,).

        t is ``flops_per_param_and_token * tokens``, MODEL.md section 3.
        """
        w = self._workload
        once = self._once[users]
        fresh = once
        if self.drawn_per_round:
            pairs = zip(users.tolist(), rounds.tolist(), strict=True)
            fresh = np.array([self._chunk(n, k // _CHUNK)[k % _CHUNK] for n, k in pairs])
        adapter_params = w.adapter_params.ppf((fresh if w.adapter_params.per == "round" else once)[:, 0])
        token_bits = w.token_bits.ppf((fresh if w.token_bits.per == "round" else once)[:, 1])
        return adapter_params, w.flops_per_param_and_token * token_bits / w.bits_per_token_id

    def arrivals_s(self, user: int, until_s: float) -> Floats:
        """Return the times at which rounds arrive at a user, in order, all those before ``until_s``.

        Empty for the modes in which one round leads to the next.
        """
        rounds = self._workload.rounds
        rng = stream(self._seed, Purpose.ARRIVALS, user)
        if isinstance(rounds, Periodic):
            offset_s = rng.random() * rounds.period_s if rounds.staggered else 0.0
            count = max(0, int(np.ceil((until_s - offset_s) / rounds.period_s)))
            periodic_s: Floats = offset_s + np.arange(count, dtype=np.float64) * rounds.period_s
            return periodic_s[periodic_s < until_s]
        if not isinstance(rounds, Poisson):
            return np.empty(0)
        draws = _CHUNK
        while True:
            # Starting the stream again gives the same gaps, and more of them.
            rng = stream(self._seed, Purpose.ARRIVALS, user)
            poisson_s: Floats = np.cumsum(-np.log1p(-rng.random(draws)) / rounds.rate_per_s)
            if poisson_s[-1] >= until_s:
                return poisson_s[poisson_s < until_s]
            draws *= 2

    def _draw_chunk(self, user: int, chunk: int) -> Floats:
        rng = stream(self._seed, Purpose.WORKLOAD_ROUND, user, chunk)
        return np.maximum(rng.random((_CHUNK, 2)), _SMALLEST)
