"""Sites and users as they are published: in degrees, mapped, chosen, with values of their own."""

from pathlib import Path

import numpy as np
import pytest

from mecsim.analysis.plausibility import doubts
from mecsim.errors import ScenarioError
from mecsim.scenario.load import load_scenario
from mecsim.scenario.projection import metres_per_degree, projected
from mecsim.scenario.sites import MOST_SITES
from mecsim.world.mobility.followed import replay_of
from mecsim.world.world import World

DATA = Path(__file__).resolve().parents[1] / "data"
SITES, USERS = str(DATA / "sites-in-degrees.csv"), str(DATA / "users-in-degrees.csv")
CAMPUS = load_scenario("campus")
CITY = {"area.size_m": [3000, 1000], "servers.positions_m": None}
BOX = [[-37.82, 144.9], [-37.81, 145.0]]


def city(changes=None, **layout):
    layout = {"model": "file", "file": SITES, "box": BOX} | layout
    return CAMPUS.with_changes(CITY | {"servers.layout": layout} | (changes or {}))


def told(**layout):
    with pytest.raises(ScenarioError) as caught:
        city(**layout)
    return str(caught.value)


DEGREES = np.array([[144.9748, -37.8152], [144.9526, -37.8138], [144.9670, -37.8170]])


def test_sites_in_degrees_stand_on_the_plane_of_their_corner():
    """By hand: the corner is the westernmost longitude and the southernmost latitude of those in the box."""
    sites = np.array(city().servers.sites_m)
    np.testing.assert_allclose(sites, projected(DEGREES, (-37.8170, 144.9526)), atol=1e-9)
    assert sites.min(axis=0) == pytest.approx([0, 0], abs=1e-9)
    assert sites[0, 0] == pytest.approx(0.0222 * metres_per_degree(-37.8170)[0])


@pytest.mark.parametrize("where", ["area", "layout"])
def test_an_origin_that_is_given(where):
    origin = [-37.818, 144.95]
    changes = {"area.origin_deg": origin} if where == "area" else {}
    scenario = city(changes, **({"origin_deg": origin} if where == "layout" else {}), offset_m=[10, 20])
    expected = projected(DEGREES, tuple(origin)) + np.array([10, 20])
    np.testing.assert_allclose(scenario.servers.sites_m, expected, atol=1e-9)
    again = type(scenario).from_toml(scenario.to_toml(), folder=".")
    assert again.servers.sites_m == scenario.servers.sites_m


def test_values_of_each_site():
    """Mutant: the values of the first servers of the file, and not of those in the box."""
    columns = {"lat": "latitude", "lon": "LONGITUDE", "bandwidth": "BW", "power": "WATTS", "gpus": "CARDS"}
    box = [[-37.9, 144.9], [-37.81, 144.97]]
    servers = city(columns=columns | {"card": "CARD"}, box=box).servers
    assert servers.column("bandwidth_mhz") == [20, 15]
    assert servers.column("max_power_w") == [40, 10]
    assert servers.column("gpu_count") == [4, 2]
    assert [card.name for card in servers.gpu_cards()] == ["V100-fp32", "A100-fp32"]
    assert World(city(columns=columns, box=box), 1).servers.bandwidth_hz.tolist() == [20e6, 15e6]
    assert city(columns={"gpus": "CARDS"}, box=box).servers.column("bandwidth_mhz") == [10, 10]


def test_wrong_values_of_sites_all_at_once(tmp_path):
    path = tmp_path / "sites.csv"
    path.write_text("x,y,bw,n,card\n1,2,0,1.5,A100\n3,4,-1,2,A100-fp32\n", "utf-8")
    columns = {"bandwidth": "bw", "gpus": "n", "card": "card"}
    with pytest.raises(ScenarioError) as caught:
        city(file=str(path), box=None, columns=columns)
    for line in (
        "sites.csv:2: bandwidth = 0: must be a number >= 1e-12 and <= 1e6",
        "sites.csv:3: bandwidth = -1: must be a number",
        "sites.csv:2: gpus = 1.5: must be a whole number >= 1",
        "sites.csv:2: card = A100: must be the name of a card in the catalogue",
    ):
        assert line in str(caught.value)


def test_a_number_to_choose_from_many(tmp_path):
    path = tmp_path / "sites.csv"
    path.write_text("x,y\n" + "".join(f"{k % 900},{k // 900}\n" for k in range(20_000)), "utf-8")
    assert "has 20000 positions, must have 1 to 1000; choose by box, or by count" in told(
        file=str(path), box=None
    )
    assert city(file=str(path), box=None, count=3).servers.sites_m == ((0, 0), (1, 0), (2, 0))
    assert city(file=str(path), box=[[10, 5], [12, 4]]).servers.count == 6
    assert "has 6 positions in the box, fewer than the 7 asked for" in told(
        file=str(path), box=[[10, 5], [12, 4]], count=7
    )
    assert MOST_SITES >= 20_000


def test_columns_that_are_not_there():
    message = told(columns={"lat": "LATITUD", "lon": "LONGITUDE"})
    assert "sites-in-degrees.csv:1: columns.lat = LATITUD: there is no such column" in message
    assert "did you mean 'LATITUDE'" in message
    assert "x_m" not in message


def test_other_separators_and_metres(tmp_path):
    path = tmp_path / "sites.csv"
    path.write_text("# made by hand\nname;X;Y\na;1,5;2,5\n", "utf-8")
    assert city(file=str(path), box=None).servers.sites_m == ((1.5, 2.5),)
    path.write_text("1 2 17\n3 4 18\n", "utf-8")
    columns = {"x": 1, "y": 3}
    assert city(file=str(path), box=None, separator="space", columns=columns).servers.sites_m == (
        (1, 17),
        (3, 18),
    )


PLACED = {"users.mobility": {"model": "static"}, "users.layout": {"model": "file", "file": USERS}}


def test_users_in_a_file_stand_on_the_same_plane():
    """Mutant: users on the plane of their own corner, so that they are moved against the servers."""
    scenario = city(PLACED | {"users.count": 2, "area.origin_deg": [-37.82, 144.95]})
    expected = projected(np.array([[144.95238, -37.8132], [144.97483, -37.81586]]), (-37.82, 144.95))
    world = World(scenario, 3)
    np.testing.assert_allclose(world.position_m(np.arange(2), np.zeros(2)), expected, atol=1e-9)
    with pytest.raises(ScenarioError, match=r"is in degrees, as is servers\.layout: give area\.origin_deg"):
        city(PLACED | {"users.count": 2})
    with pytest.raises(ScenarioError, match=r"is in degrees, as is servers\.layout: give area\.origin_deg"):
        city(PLACED | {"users.count": 2}, origin_deg=[-37.82, 144.95])
    with pytest.raises(ScenarioError, match="has 3 positions, fewer than the 4 asked"):
        city(PLACED | {"users.count": 4, "area.origin_deg": [-37.82, 144.95]})


def test_the_hash_covers_the_users_of_a_file(tmp_path):
    path, hashes = tmp_path / "users.csv", set()
    for text in ("x,y\n1,2\n", "x,y\n1,3\n"):
        path.write_text(text, "utf-8")
        layout = {"model": "file", "file": str(path)}
        changes = {"users.mobility": {"model": "static"}, "users.layout": layout, "users.count": 1}
        hashes.add(CAMPUS.with_changes(changes).sha256)
    assert len(hashes) == 2


def test_a_trace_and_sites_in_degrees_need_one_origin(tmp_path):
    """Mutant: only two corners are refused, so that a corner beside an origin moves users against servers."""
    path = tmp_path / "t.csv"
    path.write_text("t,id,lat,lon\n0,a,-37.8150,144.9600\n9,a,-37.8151,144.9601\n", "utf-8")
    moving = {"users.mobility": {"model": "trace", "file": str(path)}, "users.count": 1, "duration_s": 9}
    moving |= {"warmup_s": 0}
    with pytest.raises(ScenarioError, match=r"t\.csv: users\.mobility.*area\.origin_deg"):
        replay_of(city(moving))
    scenario = city(moving | {"area.origin_deg": [-37.82, 144.95]})
    origin = [-37.82, 144.95]
    for own in (
        {"origin_deg": origin},
        {},
    ):  # the sites have an origin and the trace a corner, and vice versa
        placed = {} if own else {"origin_deg": origin}
        changes = moving | {"users.mobility": moving["users.mobility"] | placed}
        with pytest.raises(ScenarioError, match=r"t\.csv: users\.mobility.*area\.origin_deg"):
            replay_of(city(changes, **own))
    start_m = World(scenario, 1).position_m(np.array([0]), np.zeros(1))
    np.testing.assert_allclose(start_m, projected(np.array([[144.96, -37.815]]), (-37.82, 144.95)), atol=1e-9)


@pytest.mark.parametrize(("names", "count"), [("x,y", 1), ("lat,lon", 0)])
def test_places_that_look_like_degrees_are_said(tmp_path, names, count):
    """Mutant: two sites 11 km apart stand within a metre, and nothing is said."""
    path = tmp_path / "s.csv"
    path.write_text(f"{names}\n45.0,13.0\n45.000001,13.00001\n", "utf-8")
    layout = {"model": "file", "file": str(path)}
    scenario = CAMPUS.with_changes({"servers.positions_m": None, "servers.layout": layout})
    said = [line for line in doubts(scenario) if "they may be degrees" in line]
    assert len(said) == count
    assert all(line.startswith("servers.layout.file = ") for line in said)


def test_a_box_with_its_corners_the_wrong_way_round():
    told_of = told(box=[[144.9, -37.82], [145.0, -37.81]])
    assert "has 0 positions in the box, must have 1 to 1000; its corners are [latitude, longitude]" in told_of
