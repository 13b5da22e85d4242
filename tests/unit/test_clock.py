"""The clock: times to the bit, and an order of simultaneous events that does not depend on who came first."""

import random

import pytest
from simpy import Event

from mecsim.engine.clock import Clock, EventKind


def played(calls, until=10.0):
    """Return (time, kind, entity) of the calls in the order in which they happen."""
    clock, happened = Clock(), []
    for time_s, kind, entity in calls:
        clock.call_at(time_s, kind, entity, lambda what=(kind, entity): happened.append((clock.now, *what)))
    clock.run(until=until)
    return happened


def test_times_are_those_asked_for_to_the_bit():
    times = [k * 0.1 for k in range(1, 90)]
    assert [time for time, _, _ in played([(t, EventKind.EPOCH, 0) for t in times])] == times
    # Ten timeouts of 0.1 do not add up to ten times 0.1: what call_at is there for.
    clock = Clock()

    def steps():
        for _ in range(10):
            yield clock.timeout(0.1)

    clock.process(steps())
    clock.run()
    assert clock.now != 1.0


def test_simultaneous_events_go_by_kind_and_then_by_entity():
    calls = [
        (t, kind, entity) for t in (1.0, 2.0) for kind in EventKind for entity in (0, 1, 2, 1000, 99_999)
    ]
    for seed in range(5):
        shuffled = calls.copy()
        random.Random(seed).shuffle(shuffled)  # noqa: S311
        assert played(shuffled) == calls
    assert played(calls[::-1]) != calls[::-1], "an order of scheduling would be noticed"


def test_what_a_process_waits_for_goes_by_the_same_order():
    clock, happened = Clock(), []

    def waiting(entity):
        yield clock.event_at(1.0, EventKind.START, entity)
        happened.append(("start", entity, clock.now))

    for entity in (2, 0, 1):
        clock.process(waiting(entity))
    clock.call_at(1.0, EventKind.EPOCH, 0, lambda: happened.append(("epoch", 0, clock.now)))
    clock.run(until=2.0)
    assert happened == [("epoch", 0, 1.0), ("start", 0, 1.0), ("start", 1, 1.0), ("start", 2, 1.0)]


def test_a_process_that_is_woken_goes_before_anything_else_at_that_instant():
    """A completion wakes its user's process, which is to begin its next phase before an epoch looks."""
    clock, happened = Clock(), []
    done = Event(clock)

    def process():
        yield done
        happened.append("process")

    clock.process(process())
    clock.call_at(1.0, EventKind.COMPLETION, 5, lambda: done.succeed())
    for kind in (EventKind.WINDOW, EventKind.EPOCH, EventKind.START):
        clock.call_at(1.0, kind, 0, lambda kind=kind: happened.append(kind.name.lower()))
    clock.run(until=2.0)
    assert happened == ["process", "window", "epoch", "start"]


def test_the_end_is_not_included():
    assert [
        time for time, _, _ in played([(t, EventKind.EPOCH, 0) for t in (0.0, 4.999, 5.0, 5.1)], until=5.0)
    ] == [0.0, 4.999]


def test_an_error_in_a_callback_surfaces_with_its_own_type():
    clock = Clock()
    clock.call_at(1.0, EventKind.EPOCH, 0, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        clock.run(until=2.0)


def test_an_error_in_a_process_nobody_waits_for_surfaces():
    clock = Clock()

    def process():
        yield clock.event_at(1.0, EventKind.START, 0)
        raise KeyError("lost?")

    clock.process(process())
    with pytest.raises(KeyError, match=r"lost\?"):
        clock.run(until=2.0)


def test_counting_events_changes_no_order():
    clock = Clock()
    assert clock.scheduled == 0
    for k in range(3):
        clock.call_at(1.0, EventKind.EPOCH, 0, lambda: None)
        assert clock.scheduled == clock.scheduled == k + 1


def test_a_cancelled_call_is_not_made_and_the_others_are():
    """Mutant: cancelling by a flag that the next call resets."""
    clock, happened = Clock(), []
    calls = [clock.call_at(1.0, EventKind.EPOCH, n, lambda n=n: happened.append(n)) for n in range(3)]
    calls[1].cancel()
    clock.call_at(2.0, EventKind.EPOCH, 0, lambda: calls[2].cancel())  # too late, and harmless
    clock.run()
    assert happened == [0, 2]
