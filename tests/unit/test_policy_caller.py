"""What a call of a policy may not leave behind in the process."""

from __future__ import annotations

import ctypes
import platform
import threading
import time

import pytest

from mecsim import load_scenario, make_policy
from mecsim.engine.policy_threads import PolicyThreads
from mecsim.engine.simulation import Simulation
from mecsim.errors import PolicyFailed

UPWARD = {"x86_64": 0x800, "AMD64": 0x800, "aarch64": 0x400000, "arm64": 0x400000}.get(platform.machine())
SCENARIO = load_scenario("smoke").with_changes({"duration_s": 6, "warmup_s": 0})


@pytest.mark.skipif(UPWARD is None, reason="the number of FE_UPWARD is not known here")
def test_another_rounding_is_a_failure_and_mended() -> None:
    """Mutants rejected: no look after the call; a failure that leaves the rounding to the next run."""

    class RoundsUp:
        def allocate(self, observation: object) -> object:
            answer = make_policy("nearest").allocate(observation)  # type: ignore[arg-type]
            ctypes.CDLL(None).fesetround(UPWARD)
            return answer

    tiny = 2.0**-60
    with pytest.raises(PolicyFailed, match=r"t = 0 s \(epoch 0\) has changed how the processor rounds"):
        Simulation(SCENARIO, RoundsUp(), 0).run()  # type: ignore[arg-type]
    assert 1.0 + tiny == 1.0 == 1.0 - tiny


def test_whose_thread_has_failed() -> None:
    """Mutants rejected: a thread of a thread that is nobody's, then or in the next call; a caller's taken."""
    threads = PolicyThreads()

    def fail(after_s: float) -> None:
        time.sleep(after_s)
        raise ValueError(after_s)

    def start(after_s: float) -> threading.Thread:
        thread = threading.Thread(target=fail, args=(after_s,))
        thread.start()
        return thread

    hook, threading.excepthook = threading.excepthook, lambda raised: None
    try:
        with threads:
            start(0.0).join()
            threads.call_begins()
            threads.call_ends()
            start(0.0).join()
            assert threads.failures == []  # those of others
            threads.call_begins()
            own = start(0.2)
            threads.call_ends()
            start(0.0).join()  # who else would have started it
            other = start(0.1)
            threads.call_begins()
            other.join()
            own.join()
            threads.call_ends()
            assert sorted(error.args[0] for error in threads.failures) == [0.0, 0.1, 0.2]
    finally:
        threading.excepthook = hook
