"""Names to policies: entry points, modules and files, and what is said of those that cannot be had."""

import sys
import textwrap

import pytest

from mecsim.errors import PolicyNotFound
from mecsim.registry import list_policies, make_policy, parse_policy, policy_version

SHIPPED = ["edge_only", "gucaa", "local_only", "nearest", "rucaa"]

GOOD_FILE = """
class Mine:
    '''Does nothing. Really.

    Nothing at all.
    '''
    def __init__(self, alpha=1.0, name="x"):
        if not alpha >= 0:
            raise ValueError(f"alpha = {alpha}: must be >= 0")
        self.alpha, self.name = alpha, name
    def allocate(self, observation):
        return None

class Anything:
    def __init__(self, **parameters):
        self.parameters = parameters
    def allocate(self, observation):
        return None

class NoMethod:
    pass

class Breaks:
    def __init__(self):
        raise LookupError("no weights")
    def allocate(self, observation):
        return None

class Needs:
    def __init__(self, alpha):
        self.alpha = alpha
    def allocate(self, observation):
        return None

def make(alpha=2.0):
    return Mine(alpha)

class Around:
    def __init__(self, policy="gucaa:local_fraction=0.25"):
        self.policy = policy
    def allocate(self, observation):
        return self.policy.allocate(observation)

not_callable = 3
ready = __import__("functools").partial(Mine, 3.0)
"""


@pytest.fixture
def mine(tmp_path):
    """The path of a good policy file, in a folder whose name needs care."""
    folder = tmp_path / "my policies, ä"
    folder.mkdir()
    path = folder / "mine.py"
    path.write_text(GOOD_FILE, encoding="utf-8")
    return path


def refusal(spec, **parameters):
    with pytest.raises(PolicyNotFound) as caught:
        make_policy(spec, **parameters)
    return str(caught.value)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_policies_go_by_name(name):
    policy = make_policy(name)
    assert type(policy).__name__.lower() == name.replace("_", "")
    assert make_policy(name) is not policy
    assert policy_version(name).startswith("mecsim ")


def test_every_shipped_policy_is_listed_with_a_summary_and_where_it_is_from():
    entries = [entry for entry in list_policies() if entry.name in SHIPPED]
    assert [entry.name for entry in entries] == SHIPPED
    assert all(entry.summary and not entry.error and entry.origin.startswith("mecsim ") for entry in entries)


@pytest.mark.parametrize(
    ("spec", "target", "parameters"),
    [
        ("gucaa", "gucaa", {}),
        (" gucaa ", "gucaa", {}),
        ("gucaa:local_fraction=0.3", "gucaa", {"local_fraction": 0.3}),
        ("a.b:C", "a.b:C", {}),
        ("a.b:C:x=1", "a.b:C", {"x": 1}),
        (
            "my file.py:C:x=1,y=-2e3,z=true,w=False",
            "my file.py:C",
            {"x": 1, "y": -2000.0, "z": True, "w": False},
        ),
        ("p:x = 'a b' , y = text", "p", {"x": "a b", "y": "text"}),
        ("c:/folder/mine.py:Mine", "c:/folder/mine.py:Mine", {}),
        ("c:/folder/mine.py:Mine:alpha=1", "c:/folder/mine.py:Mine", {"alpha": 1}),
        ("outer:policy=inner,x=1", "outer", {"policy": "inner", "x": 1}),
        ("outer:policy=inner:y=2", "outer", {"policy": "inner:y=2"}),
        ("outer:policy='a.py:C:y=2,z=3', x=1", "outer", {"policy": "a.py:C:y=2,z=3", "x": 1}),
        ('outer:x=1,text="a,b"', "outer", {"x": 1, "text": "a,b"}),
    ],
)
def test_specs_are_taken_apart(spec, target, parameters):
    assert parse_policy(spec) == (target, parameters)


def test_parameters_come_from_the_spec_and_from_the_call_and_the_call_wins(mine):
    assert make_policy("gucaa:local_fraction=0.3").local_fraction == 0.3
    assert make_policy("gucaa", local_fraction=0.7).local_fraction == 0.7
    assert make_policy("gucaa:local_fraction=0.3", local_fraction=0.7).local_fraction == 0.7
    assert make_policy(f"{mine}:Anything:a=1,b=text", c=None).parameters == {"a": 1, "b": "text", "c": None}


def test_a_policy_within_a_policy_is_made_from_its_spec(mine):
    """Mutant: the text itself handed on, or the default left as it is."""
    assert make_policy(f"{mine}:Around").policy.local_fraction == 0.25
    assert make_policy(f"{mine}:Around:policy=gucaa:local_fraction=0.75").policy.local_fraction == 0.75
    nested = make_policy(f"{mine}:Around", policy=f"{mine}:Around")
    assert nested.policy.policy.local_fraction == 0.25
    ready = make_policy("nearest")
    assert make_policy(f"{mine}:Around", policy=ready).policy is ready
    assert "did you mean 'gucaa'?" in refusal(f"{mine}:Around:policy=gucca")
    assert make_policy(f"{mine}:Anything:policy=gucaa").parameters == {"policy": "gucaa"}


def test_the_version_tells_of_the_policy_within(mine):
    alone = policy_version(f"{mine}:Mine")
    assert policy_version(f"{mine}:Around:policy=gucaa") == f"{alone} + {policy_version('gucaa')}"
    assert policy_version(f"{mine}:Around", policy=f"{mine}:Mine") == f"{alone} + {alone}"


def test_a_class_of_a_module_goes_by_module_and_name():
    assert type(make_policy("mecsim_policies.baselines:Gucaa")) is type(make_policy("gucaa"))


def test_a_class_of_a_file_goes_by_file_and_name(mine, monkeypatch):
    assert make_policy(f"{mine}:Mine").alpha == 1.0
    assert make_policy(f"{mine}:Mine:alpha=3,name=y").name == "y"
    assert make_policy(f"{mine}:make:alpha=5").alpha == 5
    monkeypatch.chdir(mine.parent)
    assert make_policy("mine.py:Mine:alpha=2").alpha == 2
    assert make_policy("./mine.py:Mine").alpha == 1.0


def test_two_files_of_one_name_are_two_modules(tmp_path):
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        text = f"class P:\n    number = {number}\n    def allocate(self, observation): ...\n"
        (tmp_path / str(number) / "same.py").write_text(text)
    made = [make_policy(f"{tmp_path / str(number) / 'same.py'}:P").number for number in (1, 2)]
    assert made == [1, 2]


def test_the_version_of_a_file_is_a_hash_of_it(mine, tmp_path):
    version = policy_version(f"{mine}:Mine")
    assert version.startswith("sha256 ")
    other = tmp_path / "other.py"
    other.write_text(GOOD_FILE + "# changed\n", encoding="utf-8")
    assert policy_version(f"{other}:Mine") != version
    assert policy_version(f"{mine}:Mine:alpha=3") == version


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("gucca", "gucaa"), ("nearst", "nearest"), ("Rucaa", "rucaa"), ("local-only", "local_only")],
)
def test_an_unknown_name_gets_the_nearest_one(wrong, right):
    message = refusal(wrong)
    assert f"policy '{wrong}' is not known; did you mean '{right}'?" in message
    assert all(name in message for name in SHIPPED)


def test_a_name_that_is_near_to_nothing_gets_no_hint():
    assert "did you mean" not in refusal("xyzzy")
    assert "package.module:Class or file.py:Class" in refusal("")


def test_an_unknown_parameter_gets_the_nearest_one(mine):
    message = refusal("gucaa:local_fractoin=0.3")
    assert "policy 'gucaa' has no parameter 'local_fractoin'; did you mean 'local_fraction'?" in message
    assert "(its own parameters: alpha, name)" in refusal(f"{mine}:Mine:beta=1")
    assert "(its own parameters: none)" in refusal("local_only:local_fraction=0.3")


@pytest.mark.parametrize("parameter", ["looks", "warm_looks", "active_only", "horizon"])
def test_a_parameter_of_another_policy_is_answered_with_that_policy(parameter):
    assert f"'dashf' has no parameter '{parameter}', which dashf_plus has" in refusal(f"dashf:{parameter}=1")


def test_a_former_name_gives_the_policy_of_today():
    assert type(make_policy("dashf-reference:max_iterations=3")) is type(make_policy("dashf_reference"))
    assert str(parse_policy(" dashf-reference ")) == "dashf_reference"


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        (
            "gucaa:local_fraction=2",
            ["policy 'gucaa' refused its parameters", "local_fraction = 2", "from 0 to 1"],
        ),
        ("gucaa:local_fraction=nan", ["local_fraction", "from 0 to 1"]),
        ("gucaa:local_fraction=true", ["local_fraction = True", "from 0 to 1"]),
        ("gucaa:local_fraction=half", ["local_fraction = 'half'", "from 0 to 1"]),
        ("gucaa:local_fraction=0.3,5", ["parameter '5' must read key=value"]),
        ("gucaa:local_fraction=0.3,", ["parameter '' must read key=value"]),
    ],
)
def test_a_bad_value_is_named(spec, parts):
    message = refusal(spec)
    assert all(part in message for part in parts), message


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Mein", ["has no 'Mein'", "did you mean 'Mine'?"]),
        ("NoMethod", ["has no method allocate(observation)"]),
        ("Needs", ["refused its parameters", "alpha"]),
        ("Breaks", ["cannot be made: LookupError: no weights"]),
        ("Mine:alpha=-1", ["refused its parameters", "alpha = -1: must be >= 0"]),
        ("", ["a class is missing after the colon"]),
    ],
)
def test_what_is_wrong_with_a_class_is_said(mine, name, parts):
    message = refusal(f"{mine}:{name}")
    assert all(part in message for part in parts), message


def test_something_that_is_no_class_is_refused(mine):
    assert "not_callable" in refusal(f"{mine}:not_callable")


def test_the_version_of_a_file_does_not_depend_on_what_is_taken_from_it(mine):
    """Mutant: a hash of where a class was written only, so that a changed file keeps its results."""
    before = policy_version(f"{mine}:ready")
    assert before == policy_version(f"{mine}:Mine")
    mine.write_text(GOOD_FILE.replace("Mine, 3.0", "Mine, 4.0"), encoding="utf-8")
    assert policy_version(f"{mine}:ready") != before


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        ("os:mkdir", {"path": "made"}),
        ("os:mkdir:path=made", {}),
        ("subprocess:Popen", {"args": ["mkdir", "made"]}),
        ("builtins:open", {"file": "made", "mode": "w"}),
        ("mecsim.registry:make_policy", {"spec": "nearest"}),
        ("mecsim.policy:Observation", {}),
        ("hysteresis", {"policy": "os:mkdir:path=made"}),
    ],
)
def test_of_a_module_only_policy_classes_are_made(tmp_path, monkeypatch, spec, parameters):
    """Whatever is installed can be named in a study file. Mutant: called first, looked at afterwards."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PolicyNotFound, match=r"must be a class with a method allocate\(observation\)"):
        make_policy(spec, **parameters)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("class P(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("\0", "null bytes"),
    ],
)
def test_a_file_that_does_not_import_says_why_and_may_be_repaired(tmp_path, text, reason):
    path = tmp_path / "broken.py"
    path.write_text(text)
    message = refusal(f"{path}:P")
    assert f"policy file '{path}' cannot be imported" in message
    assert reason in message
    assert refusal(f"{path}:P") == message, "the second time as well"
    path.write_text("class P:\n    def allocate(self, observation): ...\n")
    assert make_policy(f"{path}:P")


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("no/such/file.py:P", "policy file 'no/such/file.py' does not exist"),
        ("no_such_package.sub:P", "cannot be imported: ModuleNotFoundError"),
        ("mecsim_policies.baselines:Gucca", "did you mean 'Gucaa'?"),
    ],
)
def test_what_does_not_exist_is_named(spec, part):
    assert part in refusal(spec)


def test_a_file_that_was_changed_is_imported_anew(mine):
    """Who edits a policy and runs again in one session must not get the old one."""
    assert make_policy(f"{mine}:Mine").alpha == 1.0
    mine.write_text(GOOD_FILE.replace("alpha=1.0", "alpha=7.25"), encoding="utf-8")
    assert make_policy(f"{mine}:Mine").alpha == 7.25


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """Install a foreign distribution, with a good plug-in and three broken ones."""
    folder = tmp_path / "site"
    info = folder / "somebodys_policies-2.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-policies\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text(
        textwrap.dedent("""
            [mecsim.policies]
            broken_import = somebodys_broken_module:P
            good_one = somebodys_policies_module:Mine
            missing_class = somebodys_policies_module:Nothing
            missing_extra = somebodys_module_that_is_not_there:P
        """)
    )
    (folder / "somebodys_policies_module.py").write_text(GOOD_FILE)
    (folder / "somebodys_broken_module.py").write_text(
        "raise ImportError('needs cvxpy: pip install cvxpy')\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    yield
    for name in ("somebodys_policies_module", "somebodys_broken_module"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("foreign")
def test_a_foreign_plug_in_is_listed_with_its_origin_and_used_by_name():
    (entry,) = [entry for entry in list_policies() if entry.name == "good_one"]
    assert (entry.target, entry.origin) == ("somebodys_policies_module:Mine", "somebodys-policies 2.5")
    assert entry.summary == "Does nothing. Really."
    assert make_policy("good_one:alpha=4").alpha == 4
    assert policy_version("good_one") == "somebodys-policies 2.5"
    assert "did you mean 'good_one'?" in refusal("goodone")


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken_import", "ImportError: needs cvxpy: pip install cvxpy"),
        ("missing_class", "AttributeError: module 'somebodys_policies_module' has no attribute 'Nothing'"),
        ("missing_extra", "ModuleNotFoundError: No module named 'somebodys_module_that_is_not_there'"),
    ],
)
def test_a_broken_plug_in_is_listed_with_its_reason_and_the_others_stay(name, reason):
    entries = {entry.name: entry for entry in list_policies()}
    assert entries[name].error.partition(" (/")[0] == reason
    assert entries[name].summary == ""
    message = refusal(name)
    assert f"policy '{name}' (" in message
    assert reason in message
    assert set(SHIPPED) | {"good_one"} <= {key for key, entry in entries.items() if not entry.error}
