"""Policies that raise what nobody expects, where nobody expects it; see `hostile_policies.py`."""

import sys
import threading

import numpy as np

from mecsim import Allocation, make_policy

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


def raising(error):
    """Return a policy that raises what a function makes."""

    def trick(self, observation, answer):
        raise error()

    return trick


class ExitsWithZero(Fails):
    trick = raising(lambda: SystemExit(0))


class ExitsInReset(Fails):
    def reset(self, info, rng):
        sys.exit(0)


class ExitsWhenMade(Hostile):
    expect = "unmakeable"

    def __init__(self):
        sys.exit(0)


class RaisesBaseException(Fails):
    trick = raising(lambda: BaseException("not an Exception"))


class RaisesGeneratorExit(Fails):
    trick = raising(GeneratorExit)


class RaisesInterrupt(Fails):
    """Nobody pressed Ctrl-C."""

    trick = raising(KeyboardInterrupt)


class RaisesStopIteration(Fails):
    trick = raising(StopIteration)


class EndsTheSimulation(Fails):
    """SimPy ends a simulation without an error when this is raised."""

    def trick(self, observation, answer):
        from simpy.core import StopSimulation

        raise StopSimulation("done")


class RaisesGroup(Fails):
    trick = raising(lambda: BaseExceptionGroup("several", [ValueError("a"), SystemExit(0)]))


class Untellable(Exception):
    def __str__(self):
        raise SystemExit(0)

    __repr__ = __str__


class RaisesUntellable(Fails):
    """The text of its exception raises in turn."""

    trick = raising(Untellable)


class RaisesSurrogate(Fails):
    trick = raising(lambda: ValueError("bad \ud800 text"))


class RaisesControls(Fails):
    trick = raising(lambda: ValueError("\x1b[2J\x1b]0;title\x07\r\nrun finished\u202e\0"))


class RaisesMegabyte(Fails):
    trick = raising(lambda: ValueError("x" * 1_000_000))


class Unbuildable(Exception):
    def __init__(self, *, a, b):
        super().__init__(a)


class RaisesUnbuildable(Fails):
    """``type(error)(*error.args)`` is a TypeError."""

    trick = raising(lambda: Unbuildable(a=1, b=2))


class RaisesUnpicklable(Fails):
    trick = raising(lambda: ValueError(threading.Lock(), lambda: 0))


class Recurses(Fails):
    def trick(self, observation, answer):
        return self.trick(observation, answer)


class RunsOutOfMemory(Fails):
    """Asks for more than any machine has."""

    def trick(self, observation, answer):
        return np.ones(1 << 60)


class IsAsync(Fails):
    async def allocate(self, observation):
        return None


class IsAGenerator(Fails):
    def allocate(self, observation):
        yield make_policy("nearest").allocate(observation)


class ReturnsAClass(Fails):
    def trick(self, observation, answer):
        return Allocation


class HidesReset(Fails):
    @property
    def reset(self):
        raise SystemExit(0)


class HidesIterations(Fails):
    @property
    def iterations(self):
        raise GeneratorExit


class ShowsAnEndlessNumber(Fails):
    """Its repr is a ValueError: more than 4,300 digits."""

    iterations = 10**10_000


class ShowsTooLargeAPrediction(Fails):
    predicted_scr = 10**400


class FailsInAThread(Fails):
    def trick(self, observation, answer):
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        return answer


class ExitsInAThread(Fails):
    def trick(self, observation, answer):
        thread = threading.Thread(target=sys.exit)
        thread.start()
        thread.join()
        return answer
