"""Association as a game of users who each want to end soon, docs/model.md section 4."""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.policy import Observation
from mecsim.system import equations as eq
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim_policies.optim.overflow import overflow_allowed
from mecsim_policies.optim.participants import Participants, all_local
from mecsim_policies.optim.splits import Needs, parts_by_weight, split_with_best_phi

SHARING = ("proportional", "equal")
_MOST_ROUNDS = 20
_LEAST_GAIN = 1e-9
_OUTSIDE = -1


class Reply(NamedTuple):
    """A best reply: who goes to which server, for the first time or not, and its delay before and after.

    ``before_s`` is 0 for users who enter. ``potential`` is that after the reply, to be compared as tuples;
    it is empty where the game has none.
    """

    user: int
    server: int
    entered: bool
    before_s: float
    after_s: float
    potential: tuple[float, ...]


class BestResponse:
    """Users enter a game one by one and reply with the server where they end soonest, until nobody gains.

    What a user pays is the delay of its round if the server trains all (phi = 0), by the sharing rule and
    where the others are. Delays are proportional to the load where users send nothing before the server
    trains. Then a move that helps a user lowers a potential, and no replies go on for ever.

    - ``proportional``: all users of a server end together, after the sum of their needs. A move lowers the
      vector of these sums, sorted from the largest (E. Even-Dar, A. Kesselman, Y. Mansour, "Convergence
      time to Nash equilibria", ICALP 2003; B. Vöcking, "Selfish load balancing", in Nisan et al.,
      Algorithmic Game Theory, 2007).
    - ``equal``: a delay is the user's need times the number k of users. A move lowers the sum of ln(k!)
      over servers plus that of ln(need) over users (M. Mavronicolas et al., "Congestion games with
      player-specific constants", MFCS 2007).

    Else there may be no potential. With equal parts delays still grow with k, and users who enter one by one
    can reach an equilibrium (I. Milchtaich, "Congestion games with player-specific payoff functions",
    Games and Economic Behavior 13, 1996). With proportional parts there need be none. So there are at most 20
    replies a user, and ``equilibrium`` says how they ended. Users who have a server already begin there.

    Parameters
    ----------
    sharing : {"proportional", "equal"}
        How a server is split: by what its users need of it, or equally.

    Attributes
    ----------
    iterations : int
        Replies of the last decision, entries included.
    equilibrium : bool
        Whether after them no user gains by another server.
    trace : list of Reply
        The replies of the last decision, one by one.
    predicted_scr : float
        SCR that the last decision is to have on the snapshot; NaN before it, and where users are left out.
    """

    def __init__(self, sharing: str = "proportional") -> None:
        if sharing not in SHARING:
            raise ValueError(f"sharing = {sharing!r}: must be one of {', '.join(SHARING)}")
        self.sharing = sharing
        self.iterations, self.predicted_scr = 0, float("nan")
        self.equilibrium, self.trace = False, list[Reply]()

    @overflow_allowed
    def allocate(self, observation: Observation) -> Allocation:
        """Return the association in which the game ended, its split, and the best phi for that."""
        self.iterations, self.predicted_scr = 0, float("nan")
        self.equilibrium, self.trace = True, []
        participants = Participants.of(observation)
        if participants is None:
            return all_local(observation)
        game = Game.of(participants.instance, participants.allowed, self.sharing)
        start = None if participants.start is None else participants.start.server
        server, self.trace, self.equilibrium = game.play(start)
        self.iterations, server = len(self.trace), participants.or_strongest(server)
        weights = game.weights[:, np.arange(len(server)), server]
        band, gpu = (parts_by_weight(weight, server) for weight in weights)
        own, scr = split_with_best_phi(participants.instance, server, band, gpu)
        self.predicted_scr = participants.scr_of_all(observation, scr)
        return participants.for_all_users(observation, own)


@dataclass(frozen=True, eq=False, slots=True)
class Game:
    """What users pay for each association, and how they play.

    Parameters
    ----------
    instance : Instance
    needs : Needs
        Infinite where a server is not allowed.
    weights : (2, N, M) float
        By which a server's bandwidth and GPUs are split among its users.
    data_bits : (N,) float
        What users send before the server trains.
    proportional : bool
        Whether the weights are the needs; else they are equal.
    """

    instance: Instance
    needs: Needs
    weights: Floats
    data_bits: Floats
    proportional: bool

    @classmethod
    def of(cls, instance: Instance, allowed: NDArray[np.bool_], sharing: str) -> Game:
        """Return the game of a snapshot where users may have the allowed servers, (N, M)."""
        needs = Needs(*(np.where(allowed, each, np.inf) for each in Needs.of(instance)))
        proportional = sharing == "proportional"
        weights = np.ones((2, *allowed.shape))
        if proportional:
            finite = np.stack([needs.band_s, needs.gpu_s])
            weights = np.where(np.isfinite(finite), finite, 0.0)
        data_bits = instance.affine_work().uplink(np.zeros(instance.user_count))
        return cls(instance, needs, weights, data_bits, proportional)

    def delays(self, server: Ints) -> Floats:
        """Return each user's delay in s at each server while the others stay where they are, (N, M).

        ``server`` (N,) is -1 for users who have not entered.
        """
        inside = self.weights * (server[:, None] == np.arange(self.weights.shape[2]))
        total = inside.sum(axis=1, keepdims=True) - inside + self.weights
        band, gpu = np.divide(self.weights, total, out=np.ones_like(total), where=total > 0)
        down_s, gpu_s = eq.time_for(self.needs.down_s, band), eq.time_for(self.needs.gpu_s, gpu)
        if not self.data_bits.any():
            return down_s + gpu_s
        law, users, budget_hz = (
            self.instance.rate_law,
            self.instance.users,
            self.instance.servers.bandwidth_hz,
        )
        rate = law.up.rate(band * budget_hz, users.max_power_w[:, None], self.instance.gain)
        return eq.time_for(self.data_bits[:, None], rate) + down_s + gpu_s

    def potential(self, server: Ints) -> tuple[float, ...]:
        """Return the potential of those who entered; empty if delays are not proportional to the load."""
        if self.data_bits.any():
            return ()
        users = np.flatnonzero(server != _OUTSIDE)
        at, count = server[users], self.weights.shape[2]
        need_s = (self.needs.down_s + self.needs.gpu_s)[users, at]
        if self.proportional:
            return tuple(sorted(np.bincount(at, need_s, count).tolist(), reverse=True))
        orders = sum(lgamma(k + 1) for k in np.bincount(at, minlength=count).tolist())
        return (float(np.log(need_s).sum()) + orders,)

    def play(self, start: Ints | None) -> tuple[Ints, list[Reply], bool]:
        """Return the association in the end, (N,), the replies, and whether it is an equilibrium.

        Users enter in order of their needs, the largest first, but before them those without a choice. Of
        users who gain by another server the one who gains most replies; the next enters when there are none.
        With ``start`` all have entered.
        """
        need_s = self.needs.band_s + self.needs.gpu_s
        choices = np.isfinite(need_s).sum(axis=1)
        waiting = np.lexsort((-need_s.min(axis=1), choices > 1)).tolist() if start is None else []
        server = np.full(len(need_s), _OUTSIDE) if start is None else start.copy()
        users, best, trace = np.arange(len(server)), need_s.argmin(axis=1), list[Reply]()
        for _ in range(_MOST_ROUNDS * len(server)):
            delays = self.delays(server)
            best, now_s = delays.argmin(axis=1), np.where(server >= 0, delays[users, server], 0.0)
            gain_s = now_s - delays[users, best]
            gain_s = np.where(gain_s > _LEAST_GAIN * now_s, gain_s, 0.0)
            n = int(gain_s.argmax())
            entered = not gain_s[n] > 0
            if entered and not waiting:
                return server, trace, True
            n = waiting.pop(0) if entered else n
            server[n] = best[n]
            after_s = float(delays[n, best[n]])
            trace.append(Reply(n, int(best[n]), entered, float(now_s[n]), after_s, self.potential(server)))
        return np.where(server >= 0, server, best), trace, False
