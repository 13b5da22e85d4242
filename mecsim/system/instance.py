"""One snapshot of the system: who is there, with what devices, over which channels."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from mecsim.errors import InstanceError
from mecsim.messages import system_size
from mecsim.overview import Overview, Shown, spread
from mecsim.system import equations as eq
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints, frozen, of_users
from mecsim.system.devices import Score, Servers, Users, Weights
from mecsim.system.objective import Objective
from mecsim.system.phases import PHASES, PhaseSpec, WorkTerms
from mecsim.system.power import PowerSpec
from mecsim.system.rate_spec import IDEAL, RateSpec
from mecsim.system.rates import RateLaw
from mecsim.system.resources import TRANSMIT_POWER
from mecsim.system.round_work import RoundWork, work_of_the_paper


@dataclass(frozen=True, eq=False, slots=True)
class Costs:
    """What an allocation costs, per user and per phase, in the order of :data:`~mecsim.system.phases.PHASES`.

    Parameters
    ----------
    delay_s, energy_j : (N, K) float
        Times in s and energies in J of the K phases.
    """

    delay_s: Floats
    energy_j: Floats


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Instance(Shown):
    """A snapshot: N users, M servers, the power gains between them, docs/model.md section 1.

    Parameters
    ----------
    users, servers : Users, Servers
    gain : (N, M) float
        Linear power gain, the same both ways unless ``downlink_share`` says otherwise.
    noise_w_per_hz : float
        Noise power spectral density N0.
    bits_per_param : float
        Bits per adapter parameter, w_b.
    weights, score_law : Weights, Score
    name : str
    ergodic : bool
        Whether the gains are means over Rayleigh fading, and rates their means over it too.
    downlink_share : (N, M) float, optional
        Factor of the gain downwards, where cells disturb one another and gains count what that leaves.
    power : PowerSpec, optional
        Shared GPUs, lowest speeds and radio electronics; without it the paper's law.
    work : RoundWork, optional
        The work of a round, arrays (N,); without it the paper's, that of the adapter alone.
    rate : RateSpec
        What links reach of Shannon's rate, up and down.
    objective : Objective, optional
        Which delay counts, and the users' weights; without it the paper's, the largest, and no weights.

    Raises
    ------
    InstanceError
        Listing every array that has a wrong shape or a value that is not allowed.
    """

    users: Users
    servers: Servers
    gain: Floats
    noise_w_per_hz: float
    bits_per_param: float = 32.0
    weights: Weights = field(default_factory=Weights)
    score_law: Score = field(default_factory=Score)
    name: str = "instance"
    ergodic: bool = False
    downlink_share: Floats | None = None
    power: PowerSpec | None = None
    work: RoundWork[Floats] | None = None
    rate: RateSpec = IDEAL
    objective: Objective | None = None

    def __post_init__(self) -> None:
        expected = (self.user_count, self.server_count)
        problems = self._freeze_links("gain", expected)
        if self.downlink_share is not None:
            problems += self._freeze_links("downlink_share", expected)
        if self.work is not None:
            object.__setattr__(self, "work", self.work.made_read_only())
            problems += self.work.problems(self.user_count)
        if not 0 < self.noise_w_per_hz < np.inf:
            problems.append(f"noise_w_per_hz = {self.noise_w_per_hz}: must be a finite number > 0")
        if not 0 <= self.bits_per_param < np.inf:
            problems.append(f"bits_per_param = {self.bits_per_param}: must be a finite number >= 0")
        for group, values in (("weights", self.weights), ("score", self.score_law)):
            problems += [
                f"{group}.{name} = {value}: must be a finite number >= 0"
                for name, value in ((each.name, getattr(values, each.name)) for each in fields(values))
                if not 0 <= value < np.inf
            ]
        if self.weights.delay_per_s == 0 and self.weights.energy_per_j == 0:
            problems.append("weights: delay_per_s and energy_per_j must not both be 0")
        if self.power is not None:
            problems += self.power.problems(self.users.max_gpu_flops, self.server_count)
        if self.objective is not None:
            problems += self.objective.problems(self.user_count)
        if problems:
            raise InstanceError(self.name, problems)

    def _freeze_links(self, name: str, expected: tuple[int, int]) -> list[str]:
        """Make a field a read-only (N, M) array of numbers that are not negative; return its problems."""
        array = frozen(getattr(self, name))
        object.__setattr__(self, name, array)
        if array.shape != expected:
            return [f"{name}: the shape is {array.shape}, must be {expected}"]
        wrong = np.argwhere(~(np.isfinite(array) & (array >= 0)))
        return [f"{name}[{n}][{m}] = {array[n, m]}: must be a finite number >= 0" for n, m in wrong[:1]]

    @property
    def user_count(self) -> int:
        """Number of users, N."""
        return len(self.users.adapter_params)

    @property
    def server_count(self) -> int:
        """Number of servers, M."""
        return len(self.servers.bandwidth_hz)

    @property
    def rate_law(self) -> RateLaw:
        """How bandwidth, power and gain become a rate, both ways."""
        return RateLaw.of(self.noise_w_per_hz, self.rate, ergodic=self.ergodic)

    @property
    def downlink_gain(self) -> Floats:
        """Linear power gain downwards, (N, M)."""
        return self.gain if self.downlink_share is None else np.asarray(self.gain * self.downlink_share)

    def overview(self) -> Overview:
        """Return the size of the snapshot, and the range of what its devices and links have."""
        users, servers = self.users, self.servers
        rows = [
            ("gain", spread(10.0 * np.log10(np.maximum(self.gain, 1e-300)).ravel(), "dB")),
            ("bandwidth", spread(servers.bandwidth_hz, "MHz a server", 1e-6)),
            ("adapters", spread(users.adapter_params, "million parameters", 1e-6)),
            ("user GPUs", spread(users.gpu_count * users.max_gpu_flops, "TFLOP/s a user", 1e-12)),
            ("server GPUs", spread(servers.gpu_count * servers.max_gpu_flops, "TFLOP/s a server", 1e-12)),
        ]
        size = system_size(self.user_count, self.server_count)
        return Overview(f"Instance '{self.name}': {size}", rows)

    def of_users(self, chosen: Ints | NDArray[np.bool_]) -> Instance:
        """Return the snapshot with some of the users only, by index or mask."""
        columns = {field.name: getattr(self.users, field.name)[chosen] for field in fields(Users)}
        share = None if self.downlink_share is None else self.downlink_share[chosen]
        return replace(
            self,
            users=Users(**columns),
            gain=self.gain[chosen],
            downlink_share=share,
            power=of_users(self.power, chosen),
            work=of_users(self.work, chosen),
            objective=of_users(self.objective, chosen),
        )

    def affine_work(self) -> RoundWork[Floats]:
        """Return the work of a round in the affine form, the paper's too."""
        if self.work is not None:
            return self.work
        return work_of_the_paper(self.users.adapter_params, self.users.flops_per_param, self.bits_per_param)

    def costs(self, allocation: Allocation) -> Costs:
        """Return the delay and energy of every user and phase, docs/model.md section 2."""
        terms = self.work_terms(allocation)
        each = [self._phase_costs(phase, phase.work(terms), allocation) for phase in PHASES]
        delay_s, energy_j = zip(*each, strict=True)
        return Costs(frozen(np.stack(delay_s, axis=1)), frozen(np.stack(energy_j, axis=1)))

    def work_terms(self, allocation: Allocation) -> WorkTerms[Floats]:
        """Return what the work of every user's round is computed from, arrays (N,)."""
        users = self.users
        return WorkTerms(
            local_fraction=allocation.local_fraction,
            adapter_params=users.adapter_params,
            flops_per_param=users.flops_per_param,
            user_epochs=users.epochs,
            server_epochs=self.servers.epochs[allocation.server],
            bits_per_param=self.bits_per_param,
            affine=self.work,
        )

    def _phase_costs(self, phase: PhaseSpec, work: Floats, allocation: Allocation) -> tuple[Floats, Floats]:
        """Return the time and energy, (N,), of one phase with this work."""
        granted = getattr(allocation, phase.resource.grant.field)
        if phase.resource.medium == "radio":
            power_w = getattr(allocation, TRANSMIT_POWER[phase.payer].field)
            law, gain = (
                (self.rate_law.up, self.gain)
                if phase.payer == "user"
                else (self.rate_law.down, self.downlink_gain)
            )
            users = np.arange(self.user_count)
            gain = gain[users, allocation.server]
            time_s = eq.time_for(work, law.rate(granted, power_w, gain))
            if self.power is not None:
                power_w = power_w + self.power.electronics_w(phase.payer, users, allocation.server)
            return time_s, eq.radio_energy(power_w, time_s)
        if phase.resource.grant.owner == "user":
            gpu_count, kappa = self.users.gpu_count, self.users.kappa
        else:
            gpu_count, kappa = (
                self.servers.gpu_count[allocation.server],
                self.servers.kappa[allocation.server],
            )
        energy_j = eq.gpu_energy(kappa, granted, work)
        if self.power is not None:
            energy_j = self.power.shared_energy(
                phase, self.servers.kappa, granted, allocation.server, work, energy_j
            )
        return eq.time_for(work, gpu_count * granted), energy_j

    def delay(self, allocation: Allocation) -> Floats:
        """Return the delay T_n of one round of every user in s, shape (N,)."""
        return np.asarray(self.costs(allocation).delay_s.sum(axis=1))

    def energy(self, allocation: Allocation) -> Floats:
        """Return the energy E_n of one round of every user in J, shape (N,)."""
        return np.asarray(self.costs(allocation).energy_j.sum(axis=1))

    def score(self, allocation: Allocation) -> Floats:
        """Return the service score v_n of every user, shape (N,)."""
        s, m = self.servers, allocation.server
        return eq.score(
            allocation.bandwidth_hz / s.bandwidth_hz[m],
            allocation.server_power_w / s.max_power_w[m],
            allocation.server_gpu_flops / s.max_gpu_flops[m],
            self.score_law.scale,
            self.score_law.slope,
        )

    def total_delay(self, delay_s: Floats) -> float:
        """Return the delay that the objective counts, in s, for the delays of all users, (N,)."""
        return float(delay_s.max()) if self.objective is None else self.objective.total_delay(delay_s)

    def total_energy(self, energy_j: Floats) -> float:
        """Return the energy that the objective counts, in J, for energies (N,) or (N, K) of phases."""
        return float(energy_j.sum()) if self.objective is None else self.objective.total_energy(energy_j)

    def scr(self, allocation: Allocation) -> float:
        """Return the service-cost ratio of the allocation."""
        costs = self.costs(allocation)
        return eq.service_cost_ratio(
            float(self.score(allocation).sum()),
            self.total_delay(costs.delay_s.sum(axis=1)),
            self.total_energy(costs.energy_j),
            self.weights.delay_per_s,
            self.weights.energy_per_j,
        )
