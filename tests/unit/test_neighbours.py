"""Files that a policy file imports from its folder."""

import sys

import pytest

import mecsim
from mecsim.plugin_files import PluginFile
from mecsim.registry import POLICIES, policy_version

POLICY = """
import json
from helper_of_mine import NAME, inner
class Mine:
    name = NAME
    def allocate(self, observation):
        return inner().allocate(observation)
"""
HELPER = """
import mecsim
from deeper_of_mine import inner
NAME = "first"
"""
DEEPER = """
import mecsim
def inner():
    return mecsim.make_policy("gucaa")
"""


@pytest.fixture
def folder(tmp_path):
    for name, text in (("mine", POLICY), ("helper_of_mine", HELPER), ("deeper_of_mine", DEEPER)):
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "json.py").write_text("raise ImportError")  # a module of Python is no neighbour
    yield tmp_path
    for name in ("helper_of_mine", "deeper_of_mine"):
        sys.modules.pop(name, None)


def test_neighbours_are_found_in_turn_and_run_elsewhere(folder):
    """Mutant: the folder of the file is not looked at in the process of the run."""
    found = PluginFile.read(folder / "mine.py", POLICIES).neighbours
    assert [name for name, _ in found] == ["deeper_of_mine", "helper_of_mine"]
    short = mecsim.load_scenario("smoke").with_changes(duration_s=10, warmup_s=0)
    done = mecsim.compare(short, [f"{folder}/mine.py:Mine", "gucaa"], 1)
    scr = done.per_run["scr"]
    assert scr[0] == scr[1]


def test_a_changed_neighbour_is_imported_anew_and_is_another_version(folder):
    """Mutants: the version is of the file alone; Python keeps the module that it has."""
    spec = f"{folder}/mine.py:Mine"
    first, version = mecsim.make_policy(spec), policy_version(spec)
    (folder / "helper_of_mine.py").write_text(HELPER.replace("first", "second"))
    second = mecsim.make_policy(spec)
    assert (first.name, second.name) == ("first", "second")
    assert policy_version(spec) != version
