"""Who comes when and for how long, of what kind, and when servers fail.

Bugs it would catch: a rate per hour taken for one per second, factors of the wrong hour, thinning that
keeps too many, a stay drawn from the arrival's own number, shares of classes that are not in proportion,
servers that all work at the start of the run though some are down at any later time, a crowd that gathers
at the middle of its disc.
"""

import numpy as np
import pytest

from mecsim.world.faults import ServerConditions
from mecsim.world.mobility.trajectories import Trajectories
from mecsim.world.population import NO_LIMIT, Population

RATE_PER_S = 0.05
DAY_S = 86_400.0
HOURLY = [0.2, 0.0, 1.0, 0.5]
ARRIVALS = {"rate_per_s": RATE_PER_S, "stay_s": {"exponential": 300}}


@pytest.fixture(scope="module")
def draw(make_scenario):
    """Return a function from changes to the population of a day."""

    def drawn(seed=3, **changes):
        everything = {"duration_s": DAY_S, "users.arrivals": ARRIVALS} | {
            key.replace("__", "."): value for key, value in changes.items()
        }
        return Population.draw(make_scenario(everything), seed)

    return drawn


def test_arrivals_are_a_poisson_process(draw, verdicts):
    enters_s = draw().enters_s[3:]
    expected = RATE_PER_S * DAY_S
    verdicts.mean("arrivals in a day", [len(enters_s)], expected, np.sqrt(expected))
    gaps_s = np.diff(enters_s)
    verdicts.law("gaps", gaps_s, lambda t: 1.0 - np.exp(-RATE_PER_S * t))
    with verdicts.rejects("even gaps"):
        verdicts.law("gaps", np.full(4000, 1 / RATE_PER_S), lambda t: 1.0 - np.exp(-RATE_PER_S * t))


def test_the_rate_follows_the_hours(draw, verdicts):
    enters_s = draw(users__arrivals=ARRIVALS | {"hourly": HOURLY}).enters_s[3:]
    hour = (enters_s // 3600).astype(int) % len(HOURLY)
    shifted = draw(users__arrivals=ARRIVALS | {"hourly": [*HOURLY[1:], HOURLY[0]]}).enters_s[3:]
    late = (shifted // 3600).astype(int) % len(HOURLY)
    for k, factor in enumerate(HOURLY):
        expected = factor * RATE_PER_S * DAY_S / len(HOURLY)
        if expected == 0:
            assert not (hour == k).any()
            continue
        verdicts.mean(f"arrivals in hours {k}", [(hour == k).sum()], expected, np.sqrt(expected))
        with verdicts.rejects("the factor of the next hour"):
            verdicts.mean(f"arrivals in hours {k}", [(late == k).sum()], expected, np.sqrt(expected))
    within_s = enters_s[hour == 2] % 3600
    verdicts.law("times within an hour", within_s, lambda t: t / 3600)


def test_stays_have_their_law_and_do_not_depend_on_the_arrival(draw, verdicts):
    people = draw()
    enters_s, stay_s = people.enters_s[3:], (people.leaves_s - people.enters_s)[3:]
    verdicts.law("stays", stay_s, lambda t: 1.0 - np.exp(-t / 300))
    gaps_s = np.diff(enters_s, prepend=0.0)
    product = (gaps_s * RATE_PER_S - 1.0) * (stay_s / 300 - 1.0)
    verdicts.mean("gap times stay", product, 0.0, 1.0)
    with verdicts.rejects("stay drawn from the gap"):
        verdicts.mean("gap times stay", (gaps_s * RATE_PER_S - 1.0) ** 2, 0.0, 1.0)


CLASSES = [{"name": "phone", "share": 3}, {"name": "car", "share": 1, "gpu_count": 8}]


def test_newcomers_are_of_each_kind_in_proportion(draw, verdicts):
    people = draw(users__classes=CLASSES, users__count=10)
    verdicts.share("cars", people.kind[10:] == 1, 0.25)
    equal = draw(users__classes=[each | {"share": 1} for each in CLASSES], users__count=10)
    with verdicts.rejects("equal shares"):
        verdicts.share("cars", equal.kind[10:] == 1, 0.25)
    assert sorted(np.bincount(people.kind[:10])) == [2, 8]  # 2.5 of 10, to whole numbers
    assert people.kind[:4].tolist().count(1) == 1


def test_a_crowd_comes_within_its_interval_and_stands_in_its_disc(make_scenario, verdicts):
    crowd = {"from_s": 600, "to_s": 700, "users": 3000, "at_m": [250, 200], "radius_m": 100, "rounds": 2}
    scenario = make_scenario({"duration_s": 800, "calendar.flash_crowds": [crowd]})
    people = Population.draw(scenario, 1)
    extra = people.crowd == 0
    assert extra.sum() == 3000
    assert (people.round_limit[extra] == 2).all()
    verdicts.law("times of coming", people.enters_s[extra], lambda t: (t - 600) / 100)
    place_m = Trajectories.draw(scenario, 1, 800.0).position_m(np.flatnonzero(extra), np.array(650.0))
    squared = ((place_m - np.array([250, 200])) ** 2).sum(axis=1) / 100**2
    verdicts.law("squared distance from the middle", squared, lambda x: x)
    with verdicts.rejects("uniform in the distance"):
        verdicts.law("squared distance from the middle", squared**2, lambda x: x)


FAILURES = {"mtbf_s": 900.0, "mttr_s": 300.0}


@pytest.fixture(scope="module")
def conditions(make_scenario):
    """Return the conditions of a thousand servers for two hours."""
    servers = {"servers.positions_m": [[10, 10]] * 1000, "duration_s": 7200}
    return ServerConditions.draw(make_scenario(servers | {"calendar.failures": FAILURES}), 4)


@pytest.mark.parametrize("time_s", [0.0, 60.0, 7000.0])
def test_servers_are_down_as_often_at_any_time(conditions, verdicts, time_s):
    down = [not condition.up for condition in conditions.at(time_s)]
    verdicts.share(f"down at {time_s:g} s", down, 0.25)
    if time_s == 60:
        with verdicts.rejects("all up at the start"):
            expected = 0.25 * (1.0 - np.exp(-60 * (1 / 900 + 1 / 300)))
            verdicts.share("down at 60 s", down, expected)


def test_times_up_and_down_are_exponential(conditions, verdicts):
    """Those that began in the first hour, and that an end was seen of or an hour has passed."""
    times_s = {True: [], False: []}
    for starts_s, values in zip(conditions.starts_s, conditions.values, strict=True):
        ends_s = [*starts_s[1:], 7200.0]
        for begin_s, end_s, value in zip(starts_s, ends_s, values, strict=True):
            if 0 < begin_s < 3600:
                times_s[value.up].append(min(end_s - begin_s, 3600.0))
    for up, mean_s in ((True, 900.0), (False, 300.0)):
        seen = np.array(times_s[up])
        verdicts.share(f"longer than the mean, up = {up}", seen > mean_s, np.exp(-1.0))
        verdicts.share(f"shorter than half, up = {up}", seen < mean_s / 2, 1.0 - np.exp(-0.5))
    with verdicts.rejects("MTBF and MTTR exchanged"):
        verdicts.share("longer than the mean", np.array(times_s[True]) > 300, np.exp(-1.0))


def test_a_longer_run_has_the_same_users_and_failures_and_more(make_scenario):
    crowd = {"from_s": 100, "to_s": 2000, "users": 30, "at_m": [250, 200]}
    changes = {
        "users.arrivals": ARRIVALS | {"hourly": [1.0, 0.1]},
        "users.classes": CLASSES,
        "users.battery": {"capacity_j": {"exponential": 1000}},
        "calendar.flash_crowds": [crowd],
        "calendar.failures": FAILURES,
    }
    short, long = (make_scenario(changes | {"duration_s": duration_s}) for duration_s in (1500, 6000))
    few, many = Population.draw(short, 8), Population.draw(long, 8)
    assert 30 < few.count < many.count
    for name in ("enters_s", "leaves_s", "round_limit", "crowd", "kind", "capacity_j"):
        assert getattr(few, name).tolist() == getattr(many, name).tolist()[: few.count], name
    early = [change for change in ServerConditions.draw(long, 8).changes() if change[0] < 1500]
    assert ServerConditions.draw(short, 8).changes() == early


def test_who_lives_there_changes_nothing_for_those_who_come(make_scenario):
    few, many = (
        Population.draw(make_scenario({"users.arrivals": ARRIVALS, "duration_s": 5000, "users.count": n}), 2)
        for n in (3, 7)
    )
    assert few.enters_s[3:].tolist() == many.enters_s[7:].tolist()
    assert few.leaves_s[3:].tolist() == many.leaves_s[7:].tolist()
    assert few.residents.tolist() == [True] * 3 + [False] * (few.count - 3)
    assert (few.round_limit == NO_LIMIT).all()
