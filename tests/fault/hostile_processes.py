"""Policies that end, block or change the process they run in; see `hostile_policies.py`."""

import atexit
import builtins
import ctypes
import faulthandler
import gc
import locale
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np

from mecsim import Allocation, make_policy

FROM_EPOCH = 5


class Hostile:
    """What ``nearest`` does, until the trick."""

    expect = "contained"

    def __init__(self):
        self.inner = make_policy("nearest")

    def allocate(self, observation):
        if observation.epoch >= FROM_EPOCH:
            self.trick()
        return self.inner.allocate(observation)

    def trick(self):
        """Do nothing."""


class Ends(Hostile):
    expect = "ends"


class Hangs(Hostile):
    expect = "hangs"


class Irreproducible(Hostile):
    expect = "irreproducible"


class EndsTheProcess(Ends):
    def trick(self):
        os._exit(0)


class EndsTheProcessInReset(Ends):
    def reset(self, info, rng):
        os._exit(0)


class EndsTheProcessWhenMade(Ends):
    def __init__(self):
        os._exit(0)


class KillsItself(Ends):
    def trick(self):
        os.kill(os.getpid(), signal.SIGKILL)


class Crashes(Ends):
    def trick(self):
        faulthandler.disable()
        ctypes.string_at(0)


class Aborts(Ends):
    def trick(self):
        os.abort()


class EndsFromAThread(Ends):
    def trick(self):
        threading.Thread(target=os._exit, args=(0,)).start()
        time.sleep(10)


class ExitsWhenCollected(Hostile):
    """Python passes over what ``__del__`` raises; so must a run."""

    def __del__(self):
        sys.exit(0)


class Loops(Hangs):
    def trick(self):
        while True:
            pass


class LoopsOverEverything(Hangs):
    """No exception ends it."""

    def trick(self):
        while True:
            try:
                while True:
                    time.sleep(0.01)
            except BaseException:  # noqa: BLE001, S112 - that is the trick
                continue


class Sleeps(Hangs):
    def trick(self):
        time.sleep(10_000)


class HangsInCompiledCode(Hangs):
    """Holds the lock of the interpreter: no other thread of it runs."""

    def trick(self):
        ctypes.PyDLL(None).sleep(10_000)


class HangsInReset(Hangs):
    def reset(self, info, rng):
        threading.Event().wait()


class IgnoresSignals(Hangs):
    def trick(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(10_000)


class HangsAtExit(Hostile):
    def trick(self):
        atexit.register(time.sleep, 10_000)


class LeavesAThread(Hostile):
    """Not a daemon: an interpreter that ends waits for it."""

    def trick(self):
        threading.Thread(target=time.sleep, args=(10_000,)).start()


class LeavesAProcess(Hostile):
    """In a session of its own, and with the pipes of the run."""

    def trick(self):
        if not hasattr(self, "child"):
            self.child = subprocess.Popen(["sleep", "10000"], start_new_session=True, close_fds=False)


class DrawsFromNumPy(Irreproducible):
    def trick(self):
        np.random.rand(3)  # noqa: NPY002


class SeedsNumPy(Irreproducible):
    def trick(self):
        np.random.seed(7)  # noqa: NPY002


class DrawsFromRandom(Irreproducible):
    def trick(self):
        random.gauss(0.0, 1.0)


class SeedsWhenMade(Irreproducible):
    def __init__(self):
        super().__init__()
        random.seed(1)


class PatchesNumPy(Hostile):
    def trick(self):
        np.log1p = lambda x, *args, **kwargs: np.zeros_like(x)


class PatchesTheJudge(Hostile):
    def trick(self):
        Allocation.violations = lambda *args, **kwargs: ()


class PatchesPrint(Hostile):
    def trick(self):
        builtins.print = lambda *args, **kwargs: sys.exit(0)


class RoundsUp(Hostile):
    """FE_UPWARD of x86; another number elsewhere, which is refused there."""

    def trick(self):
        ctypes.CDLL(None).fesetround(0x800)


class RaisesAtUnderflow(Hostile):
    def trick(self):
        np.seterr(all="raise")


class MakesWarningsErrors(Hostile):
    def trick(self):
        warnings.simplefilter("error")


class ChangesTheFolder(Hostile):
    def trick(self):
        os.chdir("/")


class ChangesTheEnvironment(Hostile):
    def trick(self):
        os.environ.clear()
        os.environ["OPENBLAS_NUM_THREADS"] = "-1"


class ChangesTheLocale(Hostile):
    def trick(self):
        for name in ("de_DE.UTF-8", "C"):
            try:
                locale.setlocale(locale.LC_ALL, name)
            except locale.Error:
                continue


class ChangesTheMask(Hostile):
    def trick(self):
        os.umask(0o777)


class ClosesEverything(Hostile):
    """Descriptors of the run's own answers among them; a failure that names it is right too."""

    expect = "contained or ends"

    def trick(self):
        os.closerange(3, 256)


class ClosesTheOutput(Hostile):
    def trick(self):
        for stream in (sys.stdout, sys.stderr):
            stream.close()


class WritesToEveryDescriptor(Hostile):
    """What it writes must not be taken for an answer."""

    expect = "contained or ends"

    def trick(self):
        for descriptor in range(1, 64):
            try:
                os.write(descriptor, b"\x1b[2Jrun finished\n")
            except OSError:
                continue


class TracesEveryLine(Hostile):
    def trick(self):
        sys.settrace(lambda frame, event, argument: sys.exit(0) if event == "return" else None)


class SwitchesOffCollection(Hostile):
    def trick(self):
        gc.disable()
        gc.freeze()


class LimitsRecursion(Hostile):
    expect = "contained or fails"

    def trick(self):
        sys.setrecursionlimit(120)


class EmptiesTheModules(Hostile):
    expect = "contained or fails"

    def trick(self):
        for name in [name for name in sys.modules if name.startswith("mecsim")]:
            del sys.modules[name]


class CannotBeSent(Hostile):
    """Made in Python it cannot go to another process: an error that names it."""

    expect = "unsendable"

    def __getstate__(self):
        raise SystemExit(0)
