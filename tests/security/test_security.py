"""What SECURITY.md states: files are data. No code, no network, no pickle, nothing beyond the files given."""

import ast
import socket
from pathlib import Path

import pytest

import mecsim
from mecsim import load_instance, load_results, load_scenario, simulate
from mecsim.errors import MecsimError, PolicyNotFound, ScenarioError, TraceError
from mecsim.registry import make_policy
from mecsim.scenario.schema import Scenario
from mecsim.world.traces.read import parse_trace

PACKAGE = Path(mecsim.__file__).parent
POLICIES = Path(__file__).resolve().parents[2] / "policies" / "mecsim_policies"
# Bytes that this very process has made, or that came through a pipe from a process it started.
OWN_PIPES = {
    "study/cluster_worker.py": {"pickle.loads"},
    "study/isolation/child.py": {"pickle.loads"},
    "study/worker_process.py": {"pickle.loads"},
    "testing/contract_checks/short_run_process.py": {"pickle.load"},
    "testing/verification/in_processes.py": {"cloudpickle.loads"},
    "testing/contract_checks/repeatability.py": {"pickle.loads"},
    "rl/agent.py": {"cloudpickle.loads"},  # of what it has just packed itself
}
REFUSED = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.loads", "shelve.open", "joblib.load"),
    *("cloudpickle.load", "cloudpickle.loads", "pd.read_pickle", "pandas.read_pickle", "yaml.load"),
    *("urllib.request.urlopen", "urlopen", "requests.get", "ElementTree.parse", "ET.parse", "pd.read_xml"),
}
# Who may import a module whose name is not written out: the registry, for policies, and the face.
IMPORTERS = {"plugin_files.py", "__init__.py", "study/isolation/server.py"}  # the last: four names of its own


def calls(source):
    """Return the dotted names of everything a source calls, and of keywords that make a call unsafe."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            literal = bool(node.args) and isinstance(node.args[0], ast.Constant)
            name = ast.unparse(node.func)
            found.append(f"{name} of a literal" if literal and name.endswith("import_module") else name)
            found += [f"{k.arg}={ast.unparse(k.value)}" for k in node.keywords if k.arg]
    return found


def unsafe(source, file=""):
    """Return what a source does that no file may lead to."""
    said = set(calls(source))
    wrong = (said & REFUSED) - OWN_PIPES.get(file, set())
    wrong |= said & {"allow_pickle=True", "shell=True"}
    if file not in IMPORTERS:
        wrong |= said & {"importlib.import_module", "import_module", "spec.loader.exec_module"}
    return wrong


SOURCES = sorted(PACKAGE.rglob("*.py")) + sorted(POLICIES.rglob("*.py"))


def test_no_source_reads_pickles_runs_text_or_fetches():
    assert len(SOURCES) > 100
    found = {}
    for path in SOURCES:
        root = PACKAGE if PACKAGE in path.parents else POLICIES
        wrong = unsafe(path.read_text("utf-8"), path.relative_to(root).as_posix())
        if wrong:
            found[str(path)] = wrong
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "eval(text)",
        "import pickle\npickle.loads(content)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(line, shell=True)",
        "pd.read_pickle(path)",
        "importlib.import_module(name)",
        "urlopen(name)",
    ],
)
def test_such_a_source_is_noticed(source):
    assert unsafe(source)
    assert not unsafe("ast.literal_eval(text)\nnp.load(path)\nimport_module('duckdb')")


@pytest.fixture
def no_network(monkeypatch):
    """Let any attempt to reach the network fail the test."""

    def refuse(*arguments, **options):
        raise AssertionError("the network was used")

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


URLS = ["http://localhost/x.csv", "https://example.org/town.fcd.xml", "file:///etc/hostname", "ftp://x/y.gpx"]


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_never_fetched(no_network, tmp_path, url):
    (tmp_path / "s.toml").write_text((PACKAGE.parent / "scenarios" / "smoke.toml").read_text())
    with pytest.raises(ScenarioError, match=r"no such file"):
        load_scenario(url)
    with pytest.raises(ScenarioError, match=r"no such file|must end in|cannot be read"):
        load_scenario(tmp_path / "s.toml").with_changes({"users.mobility": {"model": "trace", "file": url}})
    with pytest.raises(MecsimError):
        load_instance(url)
    with pytest.raises(MecsimError):
        load_results(url)
    with pytest.raises(PolicyNotFound):
        make_policy(url)


CODE = [
    "__import__('os').system('touch pwned')",
    "os.system(1)",
    "$(touch pwned)",
    "{{7*7}}",
    "!!python/object:os",
]


@pytest.mark.parametrize("text", CODE)
def test_code_in_a_scenario_is_text_or_an_error(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    smoke = load_scenario("smoke")
    assert smoke.with_changes({"description": text}).description == text
    for key in ("name", "users.count", "users.gpu", "channel.path_loss", "users.mobility", "servers.layout"):
        with pytest.raises(ScenarioError):
            smoke.with_changes({key: text})
    assert list(tmp_path.iterdir()) == []


def test_a_policy_in_a_file_is_not_run_for_being_there(tmp_path, monkeypatch):
    """A scenario has no key for a policy, and a file beside it is not looked at."""
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('run')")
    (tmp_path / "mecsim_policies.py").write_text("raise SystemExit('run')")
    path = tmp_path / "s.toml"
    path.write_text('policy = "mecsim_policies:X"\n' + load_scenario("smoke").text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScenarioError, match=r"s\.toml:1: policy.*unknown key"):
        load_scenario(path)


def test_the_parameters_of_a_policy_are_literals():
    with pytest.raises(PolicyNotFound):
        make_policy("gucaa:local_fraction=__import__('os').getcwd()")


BOMB = b"".join(
    [
        b"<!DOCTYPE b [<!ENTITY a0 'ha'>",
        *(b"<!ENTITY a%d '&a%d;&a%d;&a%d;&a%d;'>" % (k, *4 * (k - 1,)) for k in range(1, 30)),
        b"]><gpx>&a29;</gpx>",
    ]
)


@pytest.mark.parametrize("file_format", ["gpx", "sumo_fcd"])
@pytest.mark.parametrize(
    "content",
    [
        BOMB,
        b'<!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/hostname">]><gpx>&a;</gpx>',
        b'<!DOCTYPE b SYSTEM "http://localhost/b.dtd"><gpx/>',
        b'<!DOCTYPE b [<!ENTITY % a SYSTEM "http://localhost/a">%a;]><gpx/>',
    ],
    ids=["bomb", "external entity", "external type", "parameter entity"],
)
def test_xml_entities_are_refused(no_network, file_format, content):
    with pytest.raises(TraceError, match="document type"):
        parse_trace(content, "t", file_format)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "r"
    scenario = load_scenario("smoke").with_changes({"duration_s": 10, "warmup_s": 0})
    simulate(scenario, policy="nearest", seed=1, out=folder)
    return folder


def spoilt(run_folder, tmp_path, old, new):
    """Return a copy of a run folder with a piece of its manifest replaced."""
    copy = tmp_path / "r"
    copy.mkdir()
    for path in run_folder.iterdir():
        content = path.read_bytes()
        if path.name == "manifest.json":
            assert old in content
            content = content.replace(old, new)
        (copy / path.name).write_bytes(content)
    return copy


@pytest.mark.parametrize(
    "new", [b'"/etc/hostname"', b'"../../x.parquet"', b'"http://localhost/x"'], ids=["root", "up", "url"]
)
def test_a_manifest_cannot_name_another_file(no_network, run_folder, tmp_path, new):
    """Tables are read by their own names, whatever the manifest says."""
    folder = spoilt(run_folder, tmp_path, b'"rounds.parquet"', new)
    try:
        results = load_results(folder)
    except MecsimError:
        return
    assert len(results.rounds) > 0


def test_a_table_that_was_changed_is_refused(run_folder, tmp_path):
    folder = spoilt(run_folder, tmp_path, b'"schema"', b'"schema"')
    path = folder / "rounds.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(MecsimError, match=r"rounds\.parquet"):
        load_results(folder)


def test_a_name_cannot_lead_out_of_the_folder_of_results():
    for name in ("../x", "/etc/x", "a/b", "..", "<script>", "a\x00b"):
        with pytest.raises(ScenarioError):
            Scenario.from_toml(load_scenario("smoke").text.replace('name = "smoke"', f"name = {name!r}"))
