"""Policies that lie in their answers or reach for what the engine computes with."""

import ctypes
import dataclasses
import gc
import threading
import time
from contextlib import suppress

import numpy as np

from mecsim import Allocation, make_policy
from mecsim.system.devices import Servers

FROM_EPOCH = 2


class Hostile:
    """What ``nearest`` does, until the trick."""

    def allocate(self, observation):
        answer = make_policy("nearest").allocate(observation)
        return answer if observation.epoch < FROM_EPOCH else self.trick(observation, answer)

    def trick(self, observation, answer):
        return answer


class Fails(Hostile):
    expect = "fails"


class Harmless(Hostile):
    expect = "harmless"


class Marked(Hostile):
    expect = "marked"


def columns(answer):
    return {field.name: getattr(answer, field.name) for field in dataclasses.fields(Allocation)}


class Flattering(Allocation):
    """An allocation that finds nothing wrong with itself."""

    def violations(self, *args, **kwargs):
        return ()


class FlattersItself(Fails):
    def trick(self, observation, answer):
        return Flattering(**columns(answer) | {"bandwidth_hz": answer.bandwidth_hz * 1000})


class Agreeable(np.ndarray):
    """Less than, equal to and more than anything."""

    def __le__(self, other):
        return np.ones(self.shape, bool)

    __ge__ = __lt__ = __gt__ = __eq__ = __le__
    __hash__ = None


class ReturnsAgreeableArrays(Fails):
    def trick(self, observation, answer):
        object.__setattr__(answer, "bandwidth_hz", (answer.bandwidth_hz * 1000).view(Agreeable))
        return answer


class TwoFaced(Allocation):
    """Other bandwidths at each look."""

    def __getattribute__(self, name):
        value = super().__getattribute__(name)
        if name != "bandwidth_hz":
            return value
        looks = TwoFaced.looks = getattr(TwoFaced, "looks", 0) + 1
        return value if looks % 2 else value * 1000


class ChangesFaces(Harmless):
    """The first look counts, and it is within the budgets; the second one is never taken."""

    def trick(self, observation, answer):
        TwoFaced.looks = 0
        made = TwoFaced(**columns(answer))
        TwoFaced.looks = 0
        return made


class Exploding(Allocation):
    @property
    def columns(self):
        raise SystemExit(0)


class ReturnsAnExplosive(Harmless):
    """What raises is a property that the engine does not need."""

    def trick(self, observation, answer):
        return Exploding(**columns(answer))


class ExplodingField(Allocation):
    def __getattribute__(self, name):
        if name == "user_power_w":
            raise SystemExit(0)
        return super().__getattribute__(name)


class ReturnsAnExplodingField(Fails):
    def trick(self, observation, answer):
        made = object.__new__(ExplodingField)
        for name, value in columns(answer).items():
            object.__setattr__(made, name, value)
        return made


class LooksLikeAnAllocation:
    """No allocation, whatever it says of its class."""

    __class__ = Allocation

    def violations(self, *args, **kwargs):
        return ()


class ReturnsALookAlike(Fails):
    def trick(self, observation, answer):
        return LooksLikeAnAllocation()


class ReturnsUncheckedValues(Fails):
    """An allocation made past its checks."""

    def trick(self, observation, answer):
        object.__setattr__(answer, "bandwidth_hz", [["many"], None])
        return answer


class ReturnsAHugeView(Fails):
    """A terabyte by stride 0: no copy of it may be made."""

    def trick(self, observation, answer):
        object.__setattr__(answer, "bandwidth_hz", np.broadcast_to(0.0, 1 << 40))
        return answer


class LiftsBudget(Marked):
    """Makes the server's bandwidth writable and multiplies it by 1000."""

    def trick(self, observation, answer):
        budget = observation.instance.servers.bandwidth_hz
        budget.setflags(write=True)
        budget *= 1000
        return answer


class SpendsALiftedBudget(Fails):
    def trick(self, observation, answer):
        LiftsBudget().trick(observation, answer)
        return dataclasses.replace(answer, bandwidth_hz=answer.bandwidth_hz * 1000)


class SwapsTheServers(Fails):
    """Puts richer servers into the instance, and spends what they have."""

    def trick(self, observation, answer):
        servers = observation.instance.servers
        servers = dataclasses.replace(servers, bandwidth_hz=servers.bandwidth_hz * 1000)
        object.__setattr__(observation.instance, "servers", servers)
        return dataclasses.replace(answer, bandwidth_hz=answer.bandwidth_hz * 1000)


class WritesThroughCtypes(Marked):
    """Writes into the memory of the gains, past every flag."""

    def trick(self, observation, answer):
        gain = observation.instance.gain
        ctypes.memset(gain.ctypes.data, 0, gain.nbytes)
        return answer


class BendsTheGains(Marked):
    """Makes itself look good: the SCR is predicted with gains that it has written."""

    def trick(self, observation, answer):
        object.__setattr__(observation.instance, "gain", observation.instance.gain * 1e6)
        return answer


class ForgetsTheTime(Marked):
    def trick(self, observation, answer):
        object.__setattr__(observation, "pinned", ~observation.pinned)
        object.__setattr__(observation, "epoch", 10**6)
        return answer


class ChangesWhatIsInForce(Marked):
    """Gives itself more in the allocation in force, and keeps that one."""

    def trick(self, observation, answer):
        in_force = observation.allocation.bandwidth_hz
        in_force.setflags(write=True)
        in_force *= 1000
        return answer


class KeepsItsAnswer(Fails):
    """Changes an accepted answer at the next epoch: the arrays of an allocation cannot be made writable."""

    kept = ()

    def trick(self, observation, answer):
        for array in self.kept:
            array.setflags(write=True)
            array *= 1000
        self.kept = [answer.bandwidth_hz, answer.server_gpu_flops]
        return answer


class WritesIntoItsAnswer(Harmless):
    """Through ctypes, at the next epoch."""

    kept = None

    def trick(self, observation, answer):
        if self.kept is not None:
            ctypes.memset(self.kept.bandwidth_hz.ctypes.data, 1, self.kept.bandwidth_hz.nbytes)
        self.kept = answer
        return answer


class SharesItsMemory(Harmless):
    """Answers with its own read-only array, and writes into it later."""

    memory = None

    def trick(self, observation, answer):
        if self.memory is not None:
            self.memory.setflags(write=True)
            self.memory *= 1000
        self.memory = answer.bandwidth_hz.copy()
        self.memory.setflags(write=False)
        made = dataclasses.replace(answer, bandwidth_hz=self.memory)
        object.__setattr__(made, "bandwidth_hz", self.memory)
        return made


class WritesInAThread(Harmless):
    """Races with the engine for its answer and its observation."""

    def trick(self, observation, answer):
        array = answer.bandwidth_hz

        def write():
            time.sleep(1e-3)
            with suppress(ValueError):
                array.setflags(write=True)
                array[:] = 1e12

        threading.Thread(target=write, daemon=True).start()
        return answer


class KeepsObservations(Harmless):
    """Writes into the observations of earlier epochs."""

    seen = ()

    def trick(self, observation, answer):
        for gain in self.seen:
            gain.setflags(write=True)
            gain *= 0
        self.seen = [*self.seen, observation.instance.gain]
        return answer


class SearchesTheHeap(Harmless):
    """Lifts the flag of every array of budgets that the garbage collector knows of."""

    def trick(self, observation, answer):
        for found in gc.get_objects():
            if type(found) is Servers and found is not observation.instance.servers:
                with suppress(ValueError):
                    found.bandwidth_hz.setflags(write=True)
                    found.bandwidth_hz[:] *= 1000
        return answer


class WritesItsRng(Harmless):
    """The generator of its reset is its own."""

    def reset(self, info, rng):
        object.__setattr__(info, "user_count", 10**9)
        object.__setattr__(info, "duration_s", 0.0)
        rng.bit_generator.state = np.random.Philox(0).state
