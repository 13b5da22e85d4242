"""Traces of classes beside models, several traces, and a run with nobody but a crowd."""

import numpy as np
import pytest

from mecsim import load_scenario, simulate
from mecsim.errors import ScenarioError
from mecsim.world.mobility.followed import replay_of
from mecsim.world.population import kinds
from mecsim.world.world import World

CAMPUS = load_scenario("campus").with_changes({"duration_s": 60, "warmup_s": 0})
BUSES = "t,id,x,y\n0,b1,100,100\n60,b1,700,100\n5,b2,10,20\n40,b2,10,90\n"
CABS = "t,id,x,y\n0,c1,1,1\n60,c1,1,61\n"


@pytest.fixture
def files(tmp_path):
    paths = {name: tmp_path / f"{name}.csv" for name in ("buses", "cabs")}
    for name, text in (("buses", BUSES), ("cabs", CABS)):
        paths[name].write_text(text, "utf-8")
    return {name: {"model": "trace", "file": str(path)} for name, path in paths.items()}


def mixed(files, count=4, **more):
    classes = [
        {"name": "bus", "share": 2, "mobility": files["buses"]},
        {"name": "walker", "share": 1},
        {"name": "cab", "share": 1, "mobility": files["cabs"]},
    ]
    return CAMPUS.with_changes({"users.classes": classes, "users.count": count} | more)


def test_two_traces_beside_a_model(files):
    """By hand: of four users two are buses, in the order of their file. Mutant: the first users of each trace
    by their index in the run, which would give the second class the third user of its file."""
    scenario = mixed(files)
    kind = kinds(scenario, 1, 4, 4)
    assert sorted(kind.tolist()) == [0, 0, 1, 2]
    replayed, world = replay_of(scenario), World(scenario, 7)
    first, second = np.flatnonzero(kind == 0)
    (walker,), (cab,) = np.flatnonzero(kind == 1), np.flatnonzero(kind == 2)
    assert replayed.legs[walker] is None
    times_s = np.array([0.0, 30.0, 60.0])
    assert world.position_m(np.array([first]), times_s)[:, 0].tolist() == [100, 400, 700]
    assert world.position_m(np.array([second]), times_s).tolist() == [[10, 20], [10, 70], [10, 90]]
    assert world.position_m(np.array([cab]), times_s)[:, 1].tolist() == [1, 31, 61]
    population = world.population
    assert population.enters_s[[first, second, cab, walker]].tolist() == [0, 5, 0, 0]
    assert population.leaves_s[[first, second, cab, walker]].tolist() == [60, 40, 60, np.inf]
    assert population.residents.tolist() == (kind == 1).tolist()


def test_the_users_of_a_model_are_those_without_traces(files):
    """The walker has its own streams, as without the traces beside it. Mutant: streams counted anew."""
    scenario = mixed(files)
    walker = int(np.flatnonzero(kinds(scenario, 1, 4, 4) == 1)[0])
    times_s = np.linspace(0, 60, 13)
    plain = World(CAMPUS.with_changes({"users.count": 4}), 7).position_m(np.array([walker]), times_s)
    assert np.array_equal(World(scenario, 7).position_m(np.array([walker]), times_s), plain)


def test_a_model_of_a_class_beside_the_trace_of_all_others(files):
    classes = [{"name": "bus", "share": 1}, {"name": "post", "share": 1, "mobility": {"model": "static"}}]
    changes = {"users.classes": classes, "users.count": 2, "users.mobility": files["buses"]}
    replayed = replay_of(CAMPUS.with_changes(changes))
    assert [legs is None for legs in replayed.legs] == [False, True]
    assert replayed.leaves_s.tolist() == [60, np.inf]


def test_a_class_larger_than_its_trace(files):
    with pytest.raises(ScenarioError, match="has 2 users, fewer than the users of class bus = 4"):
        replay_of(mixed(files, count=8))


def test_newcomers_join_no_trace(files):
    """Mutant: every class in proportion to its share."""
    arrivals = {"rate_per_s": 1.0, "stay_s": {"constant": 5.0}}
    scenario = mixed(files, **{"users.arrivals": arrivals})
    population = World(scenario, 3).population
    assert population.count > 20
    assert set(population.kind[4:].tolist()) == {1}
    with pytest.raises(ScenarioError, match=r"not all classes can have a trace with users\.arrivals"):
        mixed(files, **{"users.arrivals": arrivals, "users.classes": [
            {"name": "bus", "share": 1, "mobility": files["buses"]}]})  # fmt: skip


def test_two_traces_in_degrees_need_one_origin(tmp_path, files):
    for name in ("buses", "cabs"):
        (tmp_path / f"{name}.csv").write_text("t,id,lat,lon\n0,a,48,11\n60,a,48.001,11\n", "utf-8")
    two = {"users.classes": [{"name": n, "share": 1, "mobility": files[n]} for n in ("buses", "cabs")]}
    scenario = CAMPUS.with_changes(two | {"users.count": 2})
    with pytest.raises(ScenarioError, match=r"classes\[1\].*in degrees, as is users\.classes\[0\]\.mobility"):
        replay_of(scenario)
    assert replay_of(scenario.with_changes({"area.origin_deg": [47.999, 10.999]})).legs[1] is not None


def test_a_mixed_run_and_its_engine(files):
    results = simulate(mixed(files), "nearest", seed=2)
    users = results.rounds.groupby("user").start_s.min()
    assert users[users.index].min() >= 0
    assert set(results.rounds.user) <= set(range(4))
    assert results.manifest["counts"]["left"] >= 1


CROWD = {"from_s": 1.0, "to_s": 5.0, "users": 5, "at_m": [100.0, 100.0]}


def test_nobody_but_a_crowd():
    """Mutant: refused, as nobody is there from the start."""
    scenario = CAMPUS.with_changes({"users.count": 0, "calendar.flash_crowds": [CROWD]})
    population = World(scenario, 1).population
    assert population.count == 5
    assert (population.enters_s >= 1.0).all()
    assert len(simulate(scenario, "nearest", seed=1).rounds) > 0
    with pytest.raises(ScenarioError, match=r"or 0 with users\.arrivals or flash crowds"):
        CAMPUS.with_changes({"users.count": 0})
