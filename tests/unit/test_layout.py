"""Servers in a hexagon or in a file, beside positions written out: where they stand, what is refused."""

import pickle
import re

import numpy as np
import pytest

from mecsim.errors import ScenarioError
from mecsim.scenario.load import load_scenario
from mecsim.scenario.schema import Scenario
from mecsim.world.world import World

CAMPUS = load_scenario("campus")


def laid_out(**layout):
    return CAMPUS.with_changes({"servers.positions_m": None, "servers.layout": layout})


def hexagon(inter_site_m=200.0, rings=1):
    return laid_out(model="hexagonal", inter_site_m=inter_site_m, rings=rings)


def problems(text, tmp_path, name="sites.csv"):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ScenarioError) as caught:
        laid_out(model="file", file=str(tmp_path / name))
    (problem,) = caught.value.problems
    return re.split(r"file = \S+: ", problem, maxsplit=1)[1].split("; ")


@pytest.mark.parametrize(("rings", "count"), [(0, 1), (1, 7), (2, 19), (3, 37), (17, 919)])
def test_a_hexagon_has_1_plus_3_rings_times_rings_plus_1_servers(rings, count):
    scenario = hexagon(1000.0 / 34.0, rings)
    assert scenario.servers.count == count
    assert len(scenario.servers.sites_m) == len(set(scenario.servers.sites_m)) == count
    assert scenario.servers.column("bandwidth_mhz") == [10.0] * count


def test_neighbours_are_one_distance_apart():
    """Every server has its six neighbours at the distance, or is in the last ring. Mutant: a square grid."""
    sites = np.array(hexagon(180.0, 2).servers.sites_m)
    apart = np.hypot(*np.moveaxis(sites[:, None] - sites[None, :], 2, 0))
    np.fill_diagonal(apart, np.inf)
    assert apart.min() == pytest.approx(180.0, rel=1e-12)
    neighbours = (np.abs(apart - 180.0) < 1e-9).sum(axis=1)
    assert neighbours.tolist() == [6] * 7 + [3, 4] * 6
    square = np.stack(np.meshgrid([0, 180.0], [0, 180.0]), axis=-1).reshape(-1, 2)
    assert np.hypot(*(square[0] - square[3])) != pytest.approx(180.0)


def test_the_middle_of_a_hexagon_is_the_middle_of_the_area():
    assert hexagon().servers.sites_m[0] == (500, 500)
    assert hexagon().servers.sites_m[1] == (700, 500)
    np.testing.assert_allclose(np.mean(hexagon().servers.sites_m, axis=0), [500, 500])


def test_a_hexagon_must_fit():
    assert hexagon(500.0).servers.count == 7
    with pytest.raises(ScenarioError, match=r"rings = 1: needs an area of at least 1002 m x 867.7\d+ m"):
        hexagon(501.0)


def test_lists_have_one_value_for_each_server_of_a_layout():
    changes = {"servers.bandwidth_mhz": [10.0] * 7}
    assert hexagon().with_changes(changes).servers.column("bandwidth_mhz") == [10.0] * 7
    with pytest.raises(ScenarioError, match="has 2 values, must have one for each of the 7 servers"):
        hexagon().with_changes({"servers.bandwidth_mhz": [1, 2]})


def test_a_wrong_area_is_the_only_problem_of_a_layout():
    """Mutant: lists are compared with a number of servers that nobody knows."""
    changes = {"servers.bandwidth_mhz": [10.0] * 7, "area.size_m": [0, 1000]}
    with pytest.raises(ScenarioError) as caught:
        hexagon().with_changes(changes)
    assert len(caught.value.problems) == 1
    assert "area.size_m = " in caught.value.problems[0]


def test_a_file_of_positions(tmp_path):
    path = tmp_path / "sites.csv"
    path.write_text("y_m, x_m\n1,10\n\n2.5,20\n", "utf-8")
    scenario = laid_out(model="file", file=str(path))
    assert scenario.servers.sites_m == ((10, 1), (20, 2.5))
    assert World(scenario, 1).server_position_m.tolist() == [[10, 1], [20, 2.5]]
    again = pickle.loads(pickle.dumps(scenario))
    assert again == scenario
    assert again.servers.sites_m == scenario.servers.sites_m
    written_out = CAMPUS.with_changes({"servers.positions_m": [[10, 1], [20, 2.5]]})
    assert World(scenario, 1).digest() == World(written_out, 1).digest()


def test_the_hash_covers_the_file_of_positions(tmp_path):
    path = tmp_path / "sites.csv"
    hashes = set()
    for text in ("x_m,y_m\n1,2\n", "x_m,y_m\n1,3\n"):
        path.write_text(text, "utf-8")
        hashes.add(laid_out(model="file", file=str(path)).sha256)
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ["sites.csv: is empty, must begin with a line of column names"]),
        ("x_m,y_m\n", ["sites.csv: has 0 positions, must have 1 to 1000"]),
        (
            "x_m,ym\n1,2\n",
            [
                "sites.csv:1: y_m: this column is missing",
                "must be x_m, y_m",
                "did you mean 'ym'?",
                'or name it by columns = { y = "..." }',
            ],
        ),
        (
            "x_m,y_m\n1,2\nx,2\n1\n1001,2\n3,nan\n",
            [
                "sites.csv:3: record 2: x_m = x: must be a finite number",
                "sites.csv:4: record 3: has 1 values, must have 2",
                "sites.csv:5: record 4: x_m = 1001, y_m = 2: must lie in the area, x from 0 to 1000 and y "
                "from 0 to 1000",
                "sites.csv:6: record 5: y_m = nan: must be a finite number",
            ],
        ),
        (b"x_m,y_m\n\xff,1\n", ["sites.csv:2: not UTF-8 text (byte 8)"]),
        ('x_m,y_m\n"1,2\n', ["sites.csv:2: not valid CSV: unexpected end of data"]),
    ],
    ids=["empty", "no server", "columns", "records", "bytes", "quotes"],
)
def test_problems_of_a_file_of_positions(tmp_path, text, told):
    assert problems(text, tmp_path) == told


def test_a_twentieth_problem_is_the_last(tmp_path):
    assert len(problems("x_m,y_m\n" + "x,1\n" * 100, tmp_path)) == 20


def test_positions_or_a_layout_but_not_both_nor_neither():
    with pytest.raises(
        ScenarioError, match=r"servers.positions_m = .*: give either positions_m or layout, not"
    ):
        CAMPUS.with_changes({"servers.layout": {"model": "hexagonal", "inter_site_m": 1, "rings": 0}})
    text = CAMPUS.text.replace("positions_m = [                  # [P]", "other = [ #", 1)
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_toml(text, "c.toml")
    assert (
        "c.toml:18: servers.positions_m: missing, must be a list of 1 to 1000 points"
        in caught.value.problems[0]
    )
    assert "or give layout in its place" in caught.value.problems[0]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("sitez.csv", "no such file in .*; did you mean 'sites.csv'"),
        ("no/sites.csv", "no such file; there is no folder"),
        (".", "is a folder, must be a regular file"),
        ("", "must be the name of a CSV file"),
        ("a\0b", "cannot be read|no such file"),
        ("https://example.org/sites.csv", "no such file; there is no folder"),
        (3, "must be the name of a CSV file"),
    ],
)
def test_files_that_are_not_there(tmp_path, name, told):
    (tmp_path / "sites.csv").write_text("x_m,y_m\n1,2\n", "utf-8")
    text = CAMPUS.with_changes({"servers.gpu": "A100-fp32"}).to_toml()
    start = text.index("positions_m = ")
    value = f'"{name}"' if isinstance(name, str) else name
    value = value.replace("\0", "\\u0000") if isinstance(value, str) else value
    layout = f'layout = {{ model = "file", file = {value} }}'
    text = text[:start] + layout + text[text.index("\n", start) :]
    with pytest.raises(ScenarioError, match=told):
        Scenario.from_toml(text, "c.toml", folder=tmp_path)


def test_a_file_is_looked_for_beside_the_scenario(tmp_path, monkeypatch):
    """Mutant: relative to the present folder."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "sites.csv").write_text("x_m,y_m\n1,2\n", "utf-8")
    text = CAMPUS.to_toml()
    start = text.index("positions_m = ")
    text = text[:start] + 'layout = { model = "file", file = "sites.csv" }' + text[text.index("\n", start) :]
    (folder / "s.toml").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    scenario = load_scenario("mine/s.toml")
    assert scenario.servers.sites_m == ((1, 2),)
    monkeypatch.chdir(folder)
    assert load_scenario("s.toml") == scenario
    assert scenario.with_changes({"duration_s": 5000.0}).servers.sites_m == ((1, 2),)
    (folder / "other.csv").write_text("x_m,y_m\n3,4\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    assert scenario.with_changes({"servers.layout.file": "other.csv"}).servers.sites_m == ((3, 4),)
