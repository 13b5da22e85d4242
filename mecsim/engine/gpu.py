"""GPUs at the speed that they are granted: FLOP/s, W and J per FLOP."""

from __future__ import annotations

from mecsim.engine.job import Job, JobState
from mecsim.system import equations as eq
from mecsim.system.power import shared_drive
from mecsim.system.resources import Owner
from mecsim.world.world import World


class Gpus:
    """The GPUs of all users and servers.

    Parameters
    ----------
    world : World
    """

    def __init__(self, world: World) -> None:
        users, servers = world.workload.devices, world.servers
        self._cards: dict[Owner, list[tuple[float, float]]] = {
            "user": list(zip(users["gpu_count"].tolist(), users["kappa"].tolist(), strict=True)),
            "server": list(zip(servers.gpu_count.tolist(), servers.kappa.tolist(), strict=True)),
        }
        power = world.power
        self.shares_power: list[bool] = [] if power is None else power.shares_gpu.tolist()
        self._least_flops: list[float] = [] if power is None else power.servers.min_gpu_flops.tolist()

    def serve(self, job: Job, owner: Owner, gpu_flops: float) -> None:
        """Serve a job from now on with each of the owner's GPUs at a speed in FLOP/s."""
        gpu_count, kappa = self._cards[owner][job.user if owner == "user" else job.server]
        job.rate = gpu_count * gpu_flops
        job.power_w = eq.gpu_power(gpu_count, kappa, gpu_flops)
        job.joule_per_work = eq.gpu_energy(kappa, gpu_flops, 1.0)
        job.state = JobState.SERVED if job.rate > 0 else JobState.STALLED

    def serve_shared(self, job: Job, gpu_flops: float, in_use_flops: float) -> None:
        """Serve a job at its speed on a server's GPUs that draw by the sum of all speeds in use."""
        gpu_count, kappa = self._cards["server"][job.server]
        drive = shared_drive(in_use_flops, self._least_flops[job.server])
        job.rate = gpu_count * gpu_flops
        job.joule_per_work = eq.shared_gpu_energy(kappa, float(drive.value), 1.0)
        job.power_w = job.joule_per_work * job.rate
        job.state = JobState.SERVED if job.rate > 0 else JobState.STALLED
