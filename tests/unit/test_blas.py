"""J9: one BLAS thread while anybody computes, whoever comes and goes, and afterwards what was before."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from threadpoolctl import ThreadpoolController

from mecsim import simulate
from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy
from mecsim.results import blas
from mecsim.results.blas import ThreadLimit, blas_libraries, one_blas_thread, thread_setting
from mecsim.results.result import Results
from mecsim.scenario.load import load_scenario

pytestmark = pytest.mark.skipif(not blas_libraries(), reason="numpy comes with a BLAS that cannot be limited")


def threads() -> set[int]:
    """Return the threads of each BLAS that can have several: that of SCS is built for one."""
    several = [library for library in blas_libraries() if "scs" not in str(library.filepath)]
    return {library.num_threads for library in several}


@contextmanager
def given(number: int) -> Iterator[None]:
    """Give every BLAS this number of threads, as a user would."""
    with ThreadpoolController().select(user_api="blas").limit(limits=number):
        yield


@contextmanager
def save_and_restore() -> Iterator[None]:
    """Mutant: each entry saves what it finds and restores it."""
    with given(1):
        yield


def interleaved(limit: object) -> tuple[set[int], set[int]]:
    """Return the threads while the second of two threads still computes, and after both have left."""
    first_left, second_in, seen = threading.Event(), threading.Event(), []

    def first() -> None:
        with limit():
            second_in.wait(10)
        first_left.set()

    def second() -> None:
        with limit():
            second_in.set()
            first_left.wait(10)
            seen.append(threads())

    with given(2):
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(first), pool.submit(second)]:
                done.result()
        return seen[0], threads()


def test_one_inside_and_as_before_outside() -> None:
    """Mutants rejected: threads that stay at one afterwards; a library that is not limited."""
    for number in (2, 1):
        with given(number):
            assert threads() == {number}
            with one_blas_thread():
                assert threads() == {1}
            assert threads() == {number}
    assert thread_setting() == {"blas": "1"}


def test_two_threads_that_interleave_leave_no_trace() -> None:
    assert interleaved(one_blas_thread) == ({1}, {2})
    assert interleaved(save_and_restore) != ({1}, {2})


def test_nested_and_after_an_exception() -> None:
    with given(2):
        with pytest.raises(ZeroDivisionError), one_blas_thread(), one_blas_thread():
            raise ZeroDivisionError
        assert threads() == {2}
        with one_blas_thread():
            with one_blas_thread():
                pass
            assert threads() == {1}
        assert threads() == {2}


def test_tasks_that_leave_in_the_order_they_came() -> None:
    """Tasks of one thread interleave as well; the mutant restores two threads for the second."""

    async def task(limit: object, seconds: float) -> set[int]:
        with limit():
            await asyncio.sleep(seconds)
            return threads()

    async def both(limit: object) -> list[set[int]]:
        return await asyncio.gather(task(limit, 0.01), task(limit, 0.05))

    def run(limit: object) -> list[set[int]]:
        """Run both tasks in a thread of their own: a browser test may have left a loop in this one."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, both(limit)).result()

    with given(2):
        assert run(one_blas_thread) == [{1}, {1}]
        assert threads() == {2}
        assert run(save_and_restore) != [{1}, {1}]


class Library:
    """A BLAS that can be loaded late, with as many threads as there are cores."""

    internal_api = "openblas"

    def __init__(self, filepath: str, num_threads: int) -> None:
        self.filepath, self.num_threads = filepath, num_threads

    def set_num_threads(self, number: int) -> None:
        self.num_threads = number


def test_a_library_that_is_loaded_in_between_is_held_and_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: the libraries found when the first has entered."""
    loaded = [Library("early", 8)]
    monkeypatch.setattr(blas, "blas_libraries", lambda: list(loaded))
    limit = ThreadLimit()
    limit.enter()
    loaded.append(Library("late", 4))
    limit.enter()
    assert [library.num_threads for library in loaded] == [1, 1]
    limit.leave()
    assert [library.num_threads for library in loaded] == [1, 1]
    limit.leave()
    assert [library.num_threads for library in loaded] == [8, 4]


def test_what_was_not_held_at_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that sets threads, or a library loaded during the run."""
    loaded = [Library("early", 8)]
    monkeypatch.setattr(blas, "blas_libraries", lambda: list(loaded))
    with one_blas_thread() as held:
        pass
    assert held.threads == {"blas": "1"}
    with one_blas_thread() as held:
        loaded.append(Library("late", 4))
    assert held.threads == {"blas": "not held at 1"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_while_the_lock_is_held_can_enter() -> None:
    """Mutant: the lock of the parent, which nobody in the child releases."""
    limit = ThreadLimit()
    with limit._lock:
        child = os.fork()
        if not child:
            limit.enter()
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_runs_in_two_threads_give_the_bits_of_one() -> None:
    with given(2):
        alone = simulate("smoke", "gucaa", 1).digest()
        with ThreadPoolExecutor(2) as pool:
            told = list(pool.map(lambda seed: simulate("smoke", "gucaa", seed).digest(), (1, 2, 1)))
        assert threads() == {2}
    assert told[0] == told[2] == alone != told[1]


def test_bits_do_not_depend_on_the_number_of_blas_threads() -> None:
    """Mutant rejected: a run with as many BLAS threads as there happen to be."""

    def digests(number: int) -> tuple[str, str]:
        with given(number):
            simulation = Simulation(load_scenario("smoke"), make_policy("gucaa"), 1)
            results = Results.of(simulation.run(), simulation.world, {})
            return simulate("smoke", "gucaa", 1).digest(), results.digest()

    (ours, _), (ours_with_two, mutant_with_two) = digests(1), digests(2)
    assert ours == ours_with_two
    if mutant_with_two == ours:
        pytest.skip("this BLAS gives the same bits with any number of threads")
    assert mutant_with_two != ours
