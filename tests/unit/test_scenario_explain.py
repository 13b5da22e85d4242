"""What a key means, a new file, the JSON schema, and the scenarios that are shipped."""

import json
import re

import pytest

from mecsim.config.keys import keys_of
from mecsim.config.toml_text import dump_toml
from mecsim.errors import ScenarioError
from mecsim.scenario.explain import explain, json_schema
from mecsim.scenario.load import load_scenario
from mecsim.scenario.schema import Scenario
from mecsim.scenario.shipped import shipped
from mecsim.scenario.template import new_scenario_text

KEYS = keys_of(Scenario)


@pytest.mark.parametrize("name", KEYS.by_name)
def test_every_key_is_explained(name):
    key = KEYS.by_name[name]
    text = explain(name)
    assert text.startswith(f"{name}: {key.fragment['description']}")
    if not key.is_table:
        assert "  default: " in text
        assert "  allowed: " in text
        unit = re.search(r"_(m|s|w|db|mhz|ghz|gbps|bits|mps|dbm_per_hz|tflops|per_s|per_j)$", name)
        assert not unit or "  unit: " in text, f"{name} has a unit in its name and none in its description"


def test_explain_a_number():
    assert explain("channel.carrier_ghz") == (
        "channel.carrier_ghz: Carrier frequency\n"
        "  unit:      GHz\n"
        "  default:   2.0\n"
        "  allowed:   a number >= 0.1 and <= 100\n"
        "  example:   carrier_ghz = 2.0"
    )


def test_explain_says_what_a_key_goes_with():
    text = explain("users.mobility.speed_mps")
    assert "  only with: model = 'group' or model = 'manhattan' or model = 'random_waypoint'" in text
    assert "  default:   none, it must be given" in text
    assert "no stationary state" in text
    assert "mode = 'continuous' or mode = 'synchronous'" in explain("workload.rounds.think_s")


def test_explain_a_table_lists_its_keys():
    text = explain("users")
    for name in ("users.count", "users.mobility ", "users.gpu_count"):
        assert f"\n  {name}" in text
    assert "users.mobility.model" not in text
    assert 'rounds = { mode = "poisson", rate_per_s = ' in explain("workload.rounds")
    assert "\n  channel " in explain("")


def test_explain_names_of_the_catalogue():
    assert "JetsonAGXOrin-fp32" in explain("users.gpu")
    assert "llama-adapter-v2" in explain("workload.adapter_params")
    assert explain("A100-fp32").startswith("A100-fp32: 19.5 TFLOP/s at best, 400 W (NVIDIA A100 data sheet")
    assert explain("A100-fp32").endswith("\n  idle power 53.7 W, memory 80 GB")
    assert explain("lora-llama-7b-r8").startswith("lora-llama-7b-r8: 4194304 parameters (")


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("servers.bandwith_mhz", "servers.bandwidth_mhz"),
        ("bandwidth_mhz", "servers.bandwidth_mhz"),
        ("chanel", "channel"),
        ("A100-fp3", "A100-fp32"),
    ],
)
def test_explain_of_an_unknown_key_names_the_nearest(name, right):
    with pytest.raises(
        ScenarioError, match=f"{name}: no such key of a scenario file; did you mean '{right}'"
    ):
        explain(name)


@pytest.mark.parametrize("name", [name for name, key in KEYS.by_name.items() if KEYS.examples(key)])
def test_every_example_is_accepted(name):
    """Mutant: an example that went out of date."""
    campus = load_scenario("campus")
    for example in KEYS.examples(KEYS.by_name[name]):
        assert campus.with_changes(around(name) | {name: example})


def around(name):
    """Return the tables that a key needs around it, where campus has others or none."""
    outer, _, last = name.rpartition(".")
    if outer.endswith(".gpu"):
        return {outer: {"peak_tflops": 1, "board_power_w": 1}}
    if outer.endswith(".base_model"):
        return {outer: {"params": 1e9, "layers": 4, "width": 64}}
    if last in ("constant", "exponential", "choice", "uniform"):
        return around(outer) | {outer: {}}
    if last == "per" and "workload" not in outer:
        return around(outer) | {outer: {"exponential": 600}}
    changes = {"servers.positions_m": None} if name.startswith("servers.layout") else {}
    if name.startswith(("channel.trace", "channel.model")):
        changes = {"channel.model": "trace", "channel.trace": {"file": "traces/campus-gains.csv"}}
    if name.startswith("users.layout"):
        changes = {"users.mobility": {"model": "static"}, "users.count": 1}
    nested = "." in outer or outer == "learning"
    if nested and not outer.startswith("channel") and last != "per":
        tables = KEYS.examples(KEYS.by_name[outer]) or [{}]
        changes[outer] = next(
            (table for table in tables if last in table or given_only(table, last, outer)), tables[0]
        )
    return changes


def given_only(table, last, outer):
    """Return whether a table is of the kind that takes a key with no example, by trying it."""
    only_with = KEYS.by_name[f"{outer}.{last}"].only_with
    return any(f"{kind} = '{word}'" in only_with for kind, word in table.items() if isinstance(word, str))


def test_json_schema_is_plain_json_and_knows_every_key():
    schema = json.loads(json.dumps(json_schema()))
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) >= {"schema", "name", "duration_s", "area", "servers", "users", "workload"}
    bandwidth = schema["$defs"]["Servers"]["properties"]["bandwidth_mhz"]
    assert bandwidth["oneOf"][0] == {"type": "number", "minimum": 1e-12, "maximum": 1e6}
    card = schema["$defs"]["GpuCard"]
    assert "A100-fp32" in card["anyOf"][1]["enum"]


def test_a_new_scenario_is_valid_and_explains_every_key():
    text = new_scenario_text("my-study")
    scenario = Scenario.from_toml(text)
    assert scenario.name == "my-study"
    for key in KEYS.by_name.values():
        if key.name.count(".") <= 1:
            assert re.search(rf"^(# )?(\[?{key.name.split('.')[-1]}\]?)\b", text, re.MULTILINE) or (
                key.name == "users.positions_m"
            )
    assert all(len(line) <= 110 for line in text.splitlines())


@pytest.mark.parametrize("name", [name for name, key in KEYS.by_name.items() if "default" in key.fragment])
def test_the_defaults_shown_are_the_defaults(name):
    """Mutant: a default that is shown and is not what the key means when left out."""
    key = KEYS.by_name[name]
    new = Scenario.from_toml(new_scenario_text("x"))
    tables = [name.rsplit(".", back)[0] for back in range(1, name.count(".") + 1)]
    left_out = any(KEYS.by_name[table].fragment.get("default", "") is None for table in tables)
    if key.fragment["default"] is not None and not key.only_with and ".gpu." not in name and not left_out:
        around_it = new.with_changes(around(name))
        assert around_it.with_changes({name: key.fragment["default"]}) == around_it


@pytest.mark.parametrize("name", ["", "a b", "../x", '"', "é\n"])
def test_a_new_scenario_needs_a_good_name(name):
    with pytest.raises(ScenarioError, match="name = "):
        new_scenario_text(name)


def test_the_shipped_scenarios():
    sizes = {
        "avenue": (100, 5),
        "blocks": (40, 7),
        "campus": (10, 2),
        "card": (5, 1),
        "day": (2, 2),
        "gpx-walk": (3, 2),
        "highway": (60, 4),
        "laptops": (8, 1),
        "llm-campus": (10, 2),
        "llm-phones": (12, 2),
        "paper": (10, 2),
        "paper-20": (20, 3),
        "paper-capped": (10, 2),
        "smoke": (4, 2),
        "stadium": (12, 3),
        "sumo-trace": (49, 2),
    }
    assert [scenario.name for scenario in shipped()] == sorted(sizes)
    for name, description, path in shipped():
        scenario = load_scenario(name)
        assert scenario == load_scenario(path)
        assert scenario.name == name
        assert scenario.description == description != ""
        assert (scenario.users.count, scenario.servers.count) == sizes[name]
        assert Scenario.from_toml(scenario.to_toml(), folder=path.parent) == scenario


@pytest.mark.parametrize("path", [scenario.path for scenario in shipped()], ids=lambda path: path.stem)
def test_every_value_of_a_shipped_scenario_has_a_source(path):
    previous = ""
    for line in path.read_text("utf-8").splitlines():
        if re.match(r"\w+ = ", line) and not re.match("schema|name|description", line):
            assert re.search(r"# .*\[[PSRC]\]", line) or re.match(r"# \[[PSRC]\]", previous), line
        previous = line


def test_paper_has_the_numbers_of_the_model():
    """docs/model.md 3, row by row."""
    paper = load_scenario("paper")
    assert paper.area.size_m == (1000, 1000)
    assert (paper.channel.noise_dbm_per_hz, paper.channel.min_distance_m) == (-174, 10)
    assert paper.servers.bandwidth_mhz == 10
    assert (paper.users.max_power_w, paper.servers.max_power_w) == (0.2, 10)
    assert (paper.users.gpu.name, paper.users.gpu_count) == ("GTX1080-fp32", 4)
    assert (paper.servers.gpu.name, paper.servers.gpu_count) == ("A100-fp32", 8)
    assert paper.workload.adapter_params.values == (1.2e6, 14e6)
    assert paper.workload.token_bits.values == (30e6, 150e6)
    assert paper.workload.rounds.mode == "synchronous"
    twenty = load_scenario("paper-20")
    same = {"users.count": 10, "servers.positions_m": paper.servers.positions_m, "name": "paper"}
    assert twenty.with_changes({**same, "description": paper.description}) == paper
    assert dump_toml({"a": {}}) == "\n[a]\n"
