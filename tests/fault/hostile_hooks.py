"""Policies that act between their calls, by timers, tracing and threads; see `hostile_policies.py`."""

import _thread
import os
import signal
import sys
import threading
import time

from mecsim import make_policy

FROM_EPOCH = 3


class Hostile:
    """What ``nearest`` does, until the trick."""

    def __init__(self):
        self.inner, self.is_done = make_policy("nearest"), False

    def allocate(self, observation):
        if observation.epoch >= FROM_EPOCH and not self.is_done:
            self.is_done = True
            self.trick()
        elif self.is_done:
            time.sleep(0.03)
        return self.inner.allocate(observation)

    def trick(self):
        """Do nothing."""


class Fails(Hostile):
    expect = "fails"


class Ends(Hostile):
    expect = "ends"


def ringing(error):
    """Return a trick: a timer raises something in whatever code is running then."""

    def ring(*_):
        raise error()

    def trick(self):
        signal.signal(signal.SIGPROF, ring)
        signal.setitimer(signal.ITIMER_PROF, 1e-3)

    return trick


class RingsAndFails(Ends):
    trick = ringing(lambda: ValueError("from a timer"))


class RingsAndLeaves(Ends):
    trick = ringing(lambda: SystemExit(0))


class RingsAndStops(Ends):
    """SimPy takes it for the end of the run, which then looks finished."""

    def trick(self):
        from simpy.core import StopSimulation

        ringing(lambda: StopSimulation("done"))(self)


class FailsInAProfiler(Ends):
    def trick(self):
        def look(frame, event, argument):
            if frame.f_code.co_filename.endswith("service.py"):
                raise ValueError("from a profiler")

        sys.setprofile(look)


class BecomesAnotherProgram(Ends):
    """It ends with exit code 0, as a run that is done."""

    def trick(self):
        os.execv("/bin/true", ["true"])  # noqa: S606


class GoesOnInACopy(Ends):
    def trick(self):
        if os.fork():
            os._exit(0)


def fails_soon():
    time.sleep(0.01)
    raise ValueError("in a thread")


class FailsInAThreadOfItsConstructor(Hostile):
    """It began before there was an epoch; `test_runs_are_what_they_say.py` has its message."""

    expect = "contained or fails"

    def __init__(self):
        super().__init__()
        threading.Thread(target=fails_soon).start()


class FailsInAThreadOfAThread(Fails):
    def trick(self):
        def start():
            time.sleep(0.01)
            threading.Thread(target=fails_soon).start()

        threading.Thread(target=start).start()


class FailsInABareThread(Fails):
    def trick(self):
        _thread.start_new_thread(fails_soon, ())
        time.sleep(1e-3)
