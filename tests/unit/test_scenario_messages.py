"""What a file with mistakes is answered: every problem, its line, its key, its value, the right name."""

import copy
import re

import pytest

from mecsim.config.keys import keys_of
from mecsim.config.problems import MOST_PROBLEMS
from mecsim.config.toml_text import dump_toml, parse_toml
from mecsim.errors import ScenarioError
from mecsim.messages import counted, system_size
from mecsim.scenario.load import load_scenario
from mecsim.scenario.schema import Scenario

PAPER = load_scenario("paper")
CAMPUS_TABLES = parse_toml(load_scenario("campus").to_toml(), "campus")


def problems(text, source="my.toml"):
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_toml(text, source)
    assert caught.value.source == source
    return list(caught.value.problems)


def edited(*edits):
    text = PAPER.text
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def paths_of(tables, outer=()):
    for name, value in tables.items():
        yield (*outer, name)
        if isinstance(value, dict):
            yield from paths_of(value, (*outer, name))


def renamed(tables, path, name):
    """Return a copy with the key at a path under another name, or without it."""
    tables = copy.deepcopy(tables)
    table = tables
    for step in path[:-1]:
        table = table[step]
    value = table.pop(path[-1])
    if name:
        table[name] = value
    return tables


@pytest.mark.parametrize("path", list(paths_of(CAMPUS_TABLES)), ids=".".join)
def test_each_misspelt_key_is_answered_with_the_right_one(path):
    """P3. Mutants: unknown keys ignored; a hint at a key of another table."""
    told = problems(dump_toml(renamed(CAMPUS_TABLES, path, f"{path[-1]}x")))
    hint = re.compile(
        rf"my\.toml:\d+: {re.escape('.'.join(path))}x = .*unknown key; did you mean '{path[-1]}'\?"
    )
    words = [("handover", "mode"), ("workload", "model"), ("channel", "fading", "model")]
    words += [("channel", "interference", "model")]
    if path[-1] in ("model", "mode") and path not in words:
        assert f"must be a table with {path[-1]} = " in told[0]  # without it the other keys mean nothing
    else:
        assert len(told) == 1, told
        assert hint.fullmatch(told[0])


@pytest.mark.parametrize("path", list(paths_of(CAMPUS_TABLES)), ids=".".join)
def test_each_deleted_key_is_missed_or_has_a_default(path):
    """P3. Mutant: a required key with a silent default."""
    text = dump_toml(renamed(CAMPUS_TABLES, path, None))
    key = keys_of(Scenario).by_name[".".join(path)]
    if key.required and path[-1] not in ("model", "mode"):
        assert len(problems(text)) == 1
        assert re.match(rf"my\.toml:\d+: {re.escape(key.name)}: missing, must be ", problems(text)[0])
    elif key.required:
        assert "must be a table with" in problems(text)[0]
    elif path[-1] == "uniform":
        assert "must be a number >= 1e-12" in problems(text)[0]
    else:
        assert Scenario.from_toml(text).name == "campus"


def test_all_problems_at_once_in_the_order_of_the_file():
    """Mutants: the first problem only; cross-checks only after everything else is right."""
    told = problems(
        edited(
            ("duration_s = 3600", "durration_s = 3600"),
            ("[250, 500]", "[250, 5000]"),
            ("bandwidth_mhz = 10 ", "bandwidth_mhz = -10 "),
            ('gpu = "A100-fp32"', 'gpu = "A100"'),
            ("count = 10 ", "count = 0 "),
            ('model = "static"', 'model = "randm_waypoint"'),
            ("uniform = [30e6, 150e6]", "unifrom = [30e6, 150e6]"),
            ("[channel]", "[chanel]"),
            ("latency_s = 0.05", "latency_s = true"),
        )
    )
    assert [line.split(" = ")[0] for line in told] == [
        "my.toml:10: durration_s",
        "my.toml:18: servers.positions_m[0]",
        "my.toml:21: servers.bandwidth_mhz",
        "my.toml:23: servers.gpu",
        "my.toml:29: users.count",
        "my.toml:30: users.mobility.model",
        "my.toml:40: workload.token_bits.unifrom",
        "my.toml:45: chanel",
        "my.toml:59: handover.latency_s",
    ]
    lines = PAPER.text.splitlines()
    for line in told[1:7]:  # each line number is the one where the value stands
        number, key = re.match(r"my\.toml:(\d+): (?:\w+\.)*(\w+)", line).groups()
        assert key in lines[int(number) - 1] or "[250, 500]" in lines[int(number) - 1] or key == "unifrom"


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (("schema = 1", "schema = 2"), "schema = 2: must be 1, the only version so far"),
        (('name = "paper"', 'name = "../paper"'), 'name = "../paper": must be 1 to 100 letters'),
        (
            ("warmup_s = 0 ", "warmup_s = 3600 "),
            "warmup_s = 3600: must be less than duration_s = 3600",
        ),
        (
            ("size_m = [1000, 1000]", "size_m = [1000]"),
            "area.size_m = [1000]: must be two numbers [width, height]",
        ),
        (
            ("    [250, 500],\n", "    [250, 500, 3],\n"),
            "servers.positions_m[0] = [250, 500, 3]: must be two finite numbers [x, y] in metres",
        ),
        (
            ("    [250, 500],\n", "    [250, nan],\n"),
            "servers.positions_m[0] = [250, nan]: must be two finite numbers [x, y] in metres",
        ),
        (
            ("    [250, 500],\n", "    [-0.1, 500],\n"),
            "servers.positions_m[0] = [-0.1, 500]: must lie in the area, x from 0 to 1000 and y from 0",
        ),
        (
            ("bandwidth_mhz = 10 ", "bandwidth_mhz = [1, 2, 3] "),
            "servers.bandwidth_mhz = [1, 2, 3]: has 3 values, must have one for each of the 2 servers",
        ),
        (
            ("max_power_w = 0.2 ", "max_power_w = [1, 2] "),
            "users.max_power_w = [1, 2]: has 2 values, must have one for each of the 10 users",
        ),
        (
            ("count = 10 ", "positions_m = [[1, 1]]\ncount = 10 "),
            "users.positions_m = [[1, 1]]: has 1 values, must have one for each of the 10 users",
        ),
        (
            ("count = 10 ", "positions_m = [[1, 1001]]\ncount = 1 "),
            "users.positions_m[0] = [1, 1001]: must lie in the area",
        ),
        (
            ('{ model = "static" }', '{ model = "random_waypoint", speed_mps = [0, 2] }'),
            "users.mobility.speed_mps = [0, 2]: must be two numbers [low, high] with 1e-6 <= low <= high "
            "<= 400 (a random waypoint speed from 0 has no stationary state)",
        ),
        (
            ('{ model = "static" }', '{ model = "random_waypoint", speed_mps = [2, 1] }'),
            "users.mobility.speed_mps = [2, 1]: must be two numbers with the smaller one first",
        ),
        (
            ('mode = "synchronous", think_s = 0', 'mode = "poisson", rate_per_s = 1, think_s = 0'),
            "workload.rounds.think_s = 0: unknown key; it goes only with mode = 'continuous' or mode = ",
        ),
        (
            ('mode = "synchronous", think_s = 0', 'mode = "periodic", period_s = 1, staggered = 1'),
            "workload.rounds.staggered = 1: must be true or false",
        ),
        (
            ('{ mode = "synchronous", think_s = 0 }', '"synchronous"'),
            "workload.rounds = \"synchronous\": must be a table with mode = 'continuous', ",
        ),
        (
            ("adapter_params = { uniform = [1.2e6, 14e6] }", 'adapter_params = "llama-adapter"'),
            'workload.adapter_params = "llama-adapter": no such adapter in the catalogue; did you ',
        ),
        (
            ("token_bits = { uniform = [30e6, 150e6] }", 'token_bits = "llama-adapter-v1"'),
            'workload.token_bits = "llama-adapter-v1": must be a number >= 1e-12 and <= 1e+15, or a table',
        ),
        (
            ("token_bits = { uniform = [30e6, 150e6] }", "token_bits = true"),
            "workload.token_bits = true: must be a number >= 1e-12 and <= 1e+15, or a table",
        ),
        (
            ("size_m = [1000, 1000]", "size_m = [0, -1]"),
            "area.size_m = [0, -1]: must be two numbers [width, height]",
        ),
        (
            (
                'count = 10                       # [P]\nmobility = { model = "static" }',
                "count = 1\npositions_m = [[1, 1]]\n"
                'mobility = { model = "random_waypoint", speed_mps = [1, 2] }',
            ),
            "users.positions_m = [[1, 1]]: only for mobility = { model = 'static' }",
        ),
        (
            ("uniform = [30e6, 150e6]", "uniform = [30e6, 150e6], exponential = 3"),
            "workload.token_bits = { uniform = [30000000.0, 150000000.0], exponential = 3 }: "
            "must be a number",
        ),
        (
            ("uniform = [30e6, 150e6]", "uniform = [150e6, 30e6]"),
            "workload.token_bits.uniform = [150000000.0, 30000000.0]: must be two numbers with the smaller",
        ),
        (
            ("uniform = [30e6, 150e6]", "choice = []"),
            "workload.token_bits.choice = []: must be a list of numbers >= 1e-12",
        ),
        (
            ("uniform = [30e6, 150e6]", "choice = [1, 0]"),
            "workload.token_bits.choice[1] = 0: must be a number >= 1e-12",
        ),
        (
            ("uniform = [30e6, 150e6]", 'uniform = [30e6, 150e6], per = "rounds"'),
            "workload.token_bits.per = \"rounds\": must be 'user' or 'round'; did you mean 'round'?",
        ),
        (
            ('gpu = "GTX1080-fp32"', 'gpu = "GTX1080"'),
            "users.gpu = \"GTX1080\": no such card in the catalogue; did you mean 'GTX1080-fp32'?",
        ),
        (
            ('gpu = "GTX1080-fp32"', 'gpu = "qqqq"'),
            'users.gpu = "qqqq": no such card in the catalogue; there are GTX1080-fp32, ',
        ),
        (
            ('gpu = "GTX1080-fp32"', "gpu = { peak_tflops = 3 }"),
            "users.gpu.board_power_w: missing, must be a number >= 1e-12",
        ),
        (
            ('path_loss = "log_distance_128"', 'path_loss = "log_distanse"'),
            "channel.path_loss = \"log_distanse\": must be 'free_space', 'log_distance', "
            "'log_distance_128', 'uma' or 'umi'; did you mean 'log_distance'?",
        ),
        (
            ('mode = "migrate"', 'mode = "restat"'),
            "handover.mode = \"restat\": must be 'migrate', 'restart' or 'pin'; did you mean 'restart'?",
        ),
        (
            ('decision_latency = "none"', 'decision_latency = "measure"'),
            "reallocation.decision_latency = \"measure\": must be 'none', 'measured' or a number of seconds "
            ">= 1e-12 and <= 10000; did you mean 'measured'?",
        ),
        (
            ('decision_latency = "none"', "decision_latency = -0.5"),
            "reallocation.decision_latency = -0.5: must be 'none', 'measured' or a number of seconds "
            ">= 1e-12 and <= 10000",
        ),
        (
            ('decision_latency = "none"', 'events = ["arrival", "arival"]'),
            "reallocation.events[1] = \"arival\": must be 'round_start', 'arrival', 'departure' or 'outage'; "
            "did you mean 'arrival'?",
        ),
        (
            ("delay_weight_per_s = 0.5 ", "delay_weight_per_s = 0 "),
            "objective.energy_weight_per_j = 0: must be > 0, as delay_weight_per_s = 0",
        ),
        (
            ("count = 10 ", "bandwidth_mhz = 10\ncount = 10 "),
            "users.bandwidth_mhz = 10: unknown key; it belongs in [servers]",
        ),
        (
            ("count = 10 ", "warmup_s = 10\ncount = 10 "),
            "users.warmup_s = 10: unknown key; it belongs above all tables",
        ),
        (
            ("sharing =", "qqqq = 1\nsharing ="),
            "service.qqqq = 1: unknown key; allowed are sharing",
        ),
    ],
)
def test_each_kind_of_problem(edit, told):
    text = edited(edit)
    if "energy_weight" in told:
        text = text.replace("energy_weight_per_j = 0.005 ", "energy_weight_per_j = 0 ")
    lines = problems(text)
    assert len(lines) == 1, lines
    assert re.sub(r"^my\.toml:\d+: ", "", lines[0]).startswith(told)


def test_a_misspelt_required_key_is_one_problem_a_missing_one_another():
    assert len(problems(edited(("count = 10 ", "conut = 10 ")))) == 1
    told = problems(edited(("count = 10 ", "qqqq = 10 ")))
    assert [line.split(": ")[1] for line in told] == ["users.count", "users.qqqq = 10"]
    assert told[0].startswith("my.toml:28: users.count: missing")  # the line of its table


def test_repeated_keys_are_named_with_their_line():
    assert problems(edited(("count = 10 ", "count = 10\ncount = 11 "))) == [
        "my.toml:30: count = 11                       # [P]: duplicate key or table"
    ]
    assert problems(edited(("[channel]", "[users]"))) == ["my.toml:45: [users]: duplicate key or table"]


def test_malformed_toml_is_named_with_its_line():
    assert problems(edited(("[channel]", "[channel"))) == [
        "my.toml:45: [channel: not valid TOML: Expected ']' at the end of a table declaration"
    ]
    assert problems('a = "x') == ['my.toml:1: a = "x: not valid TOML: Unterminated string']
    assert problems("a = 1\nb = [1,\n2")[0].startswith("my.toml:3: 2: not valid TOML: ")


def test_problems_of_changes_name_no_line():
    with pytest.raises(ScenarioError) as caught:
        PAPER.with_changes({"users.count": 0})
    assert str(caught.value) == (
        "paper with changes: users.count = 0: "
        "must be a whole number >= 1 and <= 100000, or 0 with users.arrivals or flash crowds"
    )


def test_messages_are_short_and_cannot_control_a_terminal():
    told = problems(f'schema = 1\n"\\u001b[31m{"k" * 5000}" = 1\nname = "\\u001b[2J{"v" * 5000}"')
    assert all(len(line) < 400 for line in told)
    assert "\x1b" not in "".join(told)
    assert "\x1b" not in problems("a = \x1b[2J")[0]


def test_no_more_problems_than_a_person_reads():
    told = problems("\n".join(f"k{i} = 1" for i in range(5000)))
    assert len(told) == MOST_PROBLEMS + 1
    assert told[-1] == f"my.toml: these are the first {MOST_PROBLEMS} problems; there may be more"


def test_one_of_a_thing_is_not_in_the_plural():
    assert counted(1, "server") == "1 server"
    assert counted(0, "server") == "0 servers"
    assert system_size(1, 2) == "1 user, 2 servers"


@pytest.mark.parametrize("value", [[], 1.5, {}])
def test_a_key_with_two_forms_says_what_they_are(value):
    """Mutant: the location of a branch of a union read as that of a key."""
    changes = {"channel.model": "trace", "channel.trace.file": "x.csv", "channel.trace.columns.time": value}
    with pytest.raises(
        ScenarioError, match=r"columns\.time = .*: must be the name of a column, or its number"
    ):
        load_scenario("smoke").with_changes(changes)
