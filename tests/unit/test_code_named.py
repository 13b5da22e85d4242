"""What a spec names: code of its own, or policies that ship with mecsim; told without an import."""

import sys

import pytest
from mecsim_policies.baselines import Gucaa

from mecsim import plugins
from mecsim.errors import PolicyNotFound
from mecsim.policy_spec import code_named
from mecsim.registry import is_builtin, make_policy, parse_policy


@pytest.mark.parametrize(
    ("spec", "parameters", "code"),
    [
        ("gucaa:local_fraction=0.3", {}, []),
        ("gucaa", {"at": "12:30", "note": "a, b", "share": 0.5}, []),
        ("a.b:C", {}, ["a.b:C"]),
        ("this:s:a=1", {}, ["this:s"]),
        ("x/mine.py:Mine:a=1", {}, ["x/mine.py:Mine"]),
        ("hysteresis:policy='mine.py:Mine:a=1,b=2'", {}, ["mine.py:Mine"]),
        ("hysteresis", {"policy": "hysteresis:policy=mine.py:Mine"}, ["mine.py:Mine"]),
        ("hysteresis", {"policy": {"name": "this:s"}}, ["this:s"]),
        ("hysteresis", {"policy": "./x:1"}, ["./x:1"]),
        ("switch", {"then": "this:s"}, ["this:s"]),
        ("switch", {"choices": [{"first": ("gucaa", "hysteresis:policy='a.b:C'")}]}, ["a.b:C"]),
        ("switch", {"choices": {"a.b:C": 1}}, ["a.b:C"]),
        ("a.py:A", {"policy": "b.py:B"}, ["a.py:A", "b.py:B"]),
    ],
)
def test_the_code_that_a_policy_names(spec, parameters, code):
    """Mutants: the policy within not looked at, only one level of it, or only the key policy."""
    target, own = parse_policy(spec)
    assert code_named(target, own | parameters) == code
    assert not (code and is_builtin(target, own | parameters))


def test_policies_within_policies_are_not_followed_without_end():
    with pytest.raises(PolicyNotFound, match="nested more than 16 deep"):
        code_named(*parse_policy("hysteresis:" + "policy=hysteresis:" * 5000 + "policy=gucaa"))


@pytest.fixture
def somebody(tmp_path, monkeypatch):
    """Install somebody's distribution, which offers a policy of its own and one under a name of ours."""
    info = tmp_path / "somebodys_policies-2.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-policies\nVersion: 2.5\n")
    points = "[mecsim.policies]\ngood_one = nothing_there:Mine\ngucaa = nothing_there:Mine\n"
    (info / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(plugins._registered, "mecsim.policies", {"here": object(), "nearest": object()})


@pytest.mark.usefixtures("somebody")
@pytest.mark.parametrize(
    ("spec", "parameters", "told"),
    [
        ("gucaa:local_fraction=0.3", {}, True),
        ("hysteresis:policy=(hysteresis:policy=(gucaa:local_fraction=0.3))", {}, True),
        ("hysteresis", {"policy": object()}, False),
        ("hysteresis:policy=good_one", {}, False),
        ("hysteresis:policy=unknown", {}, False),
        ("good_one", {}, False),
        ("here", {}, False),
        ("nearest", {}, False),
        ("unknown", {}, False),
    ],
)
def test_what_is_built_in_is_told_without_importing_it(spec, parameters, told):
    """Mutants: a name that somebody else gives counts as ours; only the outer policy is looked at."""
    target, own = parse_policy(spec)
    before = set(sys.modules)
    assert is_builtin(target, own | parameters) == told
    assert set(sys.modules) == before


@pytest.mark.usefixtures("somebody")
def test_nobody_takes_a_name_of_ours():
    """Mutant: of two distributions that offer a name, the one that was found last is used."""
    assert type(make_policy("gucaa")) is Gucaa
