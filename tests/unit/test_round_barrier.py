"""Rounds that start together while users come and go."""

from mecsim.engine.clock import Clock, EventKind
from mecsim.engine.round_barrier import RoundBarrier


def after(clock, time_s, action):
    clock.call_at(time_s, EventKind.START, 0, action)


def test_the_last_one_starts_the_next_round():
    clock = Clock()
    cohort, started = RoundBarrier(clock), []
    after(clock, 0.0, lambda: [cohort.join(n) for n in (0, 1, 2)])
    for n, time_s in enumerate((1.0, 3.0, 2.0)):
        after(
            clock,
            time_s,
            lambda n=n: cohort.finished(n).callbacks.append(lambda _: started.append(clock.now)),
        )
    clock.run(until=10)
    assert started == [3.0] * 3


def test_who_leaves_is_not_waited_for():
    clock = Clock()
    cohort, started = RoundBarrier(clock), []
    after(clock, 0.0, lambda: [cohort.join(n) for n in (0, 1)])
    after(clock, 1.0, lambda: cohort.finished(0).callbacks.append(lambda _: started.append(clock.now)))
    after(clock, 4.0, lambda: cohort.leave(1))
    clock.run(until=10)
    assert started == [4.0]


def test_who_comes_in_between_waits_for_the_next_start():
    clock = Clock()
    cohort, seen = RoundBarrier(clock), []
    after(clock, 0.0, lambda: (seen.append(cohort.is_under_way), cohort.join(0)))
    after(clock, 0.0, lambda: seen.append(cohort.is_under_way))
    after(clock, 1.0, lambda: seen.append(cohort.is_under_way))
    after(clock, 1.0, lambda: cohort.next_start().callbacks.append(lambda _: seen.append(clock.now)))
    after(clock, 2.0, lambda: cohort.leave(0))
    clock.run(until=10)
    assert seen == [False, False, True, 2.0]
