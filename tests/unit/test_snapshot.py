"""``mecsim snapshot``: one moment of a world as an instance file."""

import numpy as np
import pytest

import mecsim
from mecsim.cli import main
from mecsim.errors import MecsimError
from mecsim.world.csi import CsiModel
from mecsim.world.snapshot import instance_at
from mecsim.world.world import World

BROWNOUT = {"from_s": 10.0, "to_s": 20.0, "server": 1, "bandwidth": 0.5, "gpu": 0.25}
OUTAGE = {"from_s": 10.0, "to_s": 20.0, "server": 0}
CROWD = {"from_s": 30.0, "to_s": 30.5, "users": 4, "at_m": [100.0, 100.0], "radius_m": 20.0}


def test_it_has_the_gains_of_its_time(make_scenario):
    """Mutant: the gains of time 0."""
    world = World(make_scenario({"users.mobility": {"model": "random_waypoint", "speed_mps": [1.0, 2.0]}}), 3)
    instance = instance_at(world, 3, 7.5)
    assert (instance.gain == world.all_gains(7.5, fading=True)).all()
    assert (instance.gain != world.all_gains(0.0, fading=True)).any()
    assert (instance.servers.bandwidth_hz == world.servers.bandwidth_hz).all()


def test_csi_shows_what_policies_see(make_scenario):
    """Mutant: the instantaneous gains whatever the scenario says of CSI."""
    world = World(make_scenario({"reallocation.csi_error_db": 3.0}), 3)
    seen = instance_at(world, 3, 7.5, csi=True)
    assert (seen.gain == CsiModel(world, 3).gains(7.5, np.arange(3))).all()
    assert (seen.gain != instance_at(world, 3, 7.5).gain).all()


def test_servers_are_as_outages_and_brown_outs_leave_them(make_scenario):
    """Mutants: the share of the GPU taken for that of the band; a server that is down keeps its gains."""
    world = World(make_scenario({"calendar.brownouts": [BROWNOUT], "calendar.outages": [OUTAGE]}), 0)
    before, during = instance_at(world, 0, 5.0), instance_at(world, 0, 15.0)
    assert during.servers.bandwidth_hz.tolist() == (before.servers.bandwidth_hz * [1.0, 0.5]).tolist()
    assert during.servers.max_gpu_flops.tolist() == (before.servers.max_gpu_flops * [1.0, 0.25]).tolist()
    assert (during.gain[:, 0] == 0.0).all()
    assert (during.gain[:, 1] > 0.0).all()
    assert (before.gain > 0.0).all()


def test_only_users_who_have_entered_are_there(make_scenario):
    world = World(make_scenario({"calendar.flash_crowds": [CROWD]}), 0)
    assert instance_at(world, 0, 5.0).user_count == 3
    late = instance_at(world, 0, 31.0)
    assert late.user_count == 3 + np.count_nonzero(world.population.leaves_s[3:] > 31.0) > 3
    assert (late.gain[:3] == world.all_gains(31.0, fading=True)[:3]).all()


def test_a_time_outside_of_the_run_is_refused(make_scenario):
    world = World(make_scenario(), 0)
    for time_s in (-1.0, 61.0, np.nan):
        with pytest.raises(MecsimError, match="must be from 0 to 60"):
            instance_at(world, 0, time_s)


def test_solve_reads_what_the_command_writes(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    what = ["snapshot", "smoke", "--time", "3", "--seed", "2", "--set", "servers.bandwidth_mhz=7"]
    assert main([*what, "--out", "s.json", "--quiet"]) == 0
    instance = mecsim.load_instance("s.json")
    world = World(mecsim.load_scenario("smoke"), 2)
    assert (instance.gain == world.all_gains(3.0, fading=True)).all()
    assert (instance.servers.bandwidth_hz == 7e6).all()
    assert main(["solve", "s.json", "-p", "gucaa", "--json"]) == 0
    capsys.readouterr()
    assert main(what) == 0
    assert capsys.readouterr().out == (tmp_path / "s.json").read_text()
    assert main(["snapshot", "smoke", "--time", "1e9"]) == 2
    assert main([*what, "--out", "nowhere/s.json"]) == 2
