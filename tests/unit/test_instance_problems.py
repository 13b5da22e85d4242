"""Bad instance files: every problem at once, each with its key, its value and what is allowed."""

import copy
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from mecsim import load_instance
from mecsim.errors import InstanceError
from mecsim.system.devices import Users

SMALL = json.loads(
    (Path(__file__).resolve().parents[1] / "data" / "instances" / "n6m2.json").read_text("utf-8")
)


@pytest.fixture
def problems(tmp_path):
    """Return a function from the content of a file to the problems it has, without the name of the file."""

    def load(content):
        path = tmp_path / "bad.json"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        with pytest.raises(InstanceError) as caught:
            load_instance(path)
        assert all(problem.startswith(str(path)) for problem in caught.value.problems)
        assert caught.value.source == str(path)
        # One line holds it all; test_every_problem_has_its_line has more.
        return [re.sub("^(:1)?: ", "", problem.removeprefix(str(path))) for problem in caught.value.problems]

    return load


def changed(*path, value=None, drop=False):
    """A copy of SMALL with another value at a path, or without it."""
    data = copy.deepcopy(SMALL)
    table = data
    for step in path[:-1]:
        table = table[step]
    if drop:
        del table[path[-1]]
    else:
        table[path[-1]] = value
    return data


def test_all_problems_at_once(problems):
    data = changed("users", 2, "kappa", value="fast")
    data["servers"][1]["bandwith_hz"] = data["servers"][1].pop("bandwidth_hz")
    data["schema"] = 3
    data["noise"] = data.pop("noise_w_per_hz")
    data["gain"][0][1] = None
    data["name"] = 5
    assert sorted(problems(data)) == [
        "gain[0][1] = null: must be a number >= 0",
        "name = 5: must be a string",
        f"noise = {SMALL['noise_w_per_hz']}: unknown key; allowed are schema, name, noise_w_per_hz, "
        "bits_per_param, weights, score, ergodic, users, servers, gain, downlink_share, power, rate, "
        "objective",
        "noise_w_per_hz: missing, must be a number > 0",
        "schema = 3: must be 1 or 2",
        "servers[1].bandwith_hz = 10000000.0: unknown key; did you mean 'bandwidth_hz'?",
        'users[2].kappa = "fast": must be a number > 0',
    ]


def test_every_problem_has_its_line(problems):
    """Mutants: lines counted from 0; the line of the list for each of its items."""
    data = changed("users", 2, "kappa", value="fast")
    data["gain"][5][1] = -1.0
    data["servers"][1]["epochs"] = 0
    text = json.dumps(data | {"name": '[{\n"}]:,'}, indent=2)
    lines = {number: line.strip() for number, line in enumerate(text.split("\n"), 1)}
    found = [re.match(r":(\d+): (.*?) =", problem).groups() for problem in problems(text)]
    assert [name for _, name in found] == ["users[2].kappa", "servers[1].epochs", "gain[5][1]"]
    assert [lines[int(line)] for line, _ in found] == ['"kappa": "fast",', '"epochs": 0,', "-1.0"]


def test_values_out_of_bounds_are_listed_together_as_well(problems):
    data = changed("users", 2, "kappa", value=-1.0)
    data["servers"][1]["bandwidth_hz"] = 0
    data["gain"][0][1] = -1e-9
    data["noise_w_per_hz"] = 0
    found = "\n".join(problems(data))
    for where in (
        "users[2].kappa = -1.0",
        "servers[1].bandwidth_hz = 0",
        "gain[0][1] = -1e-09",
        "noise_w_per_hz = 0",
    ):
        assert where in found


def test_wrong_kinds_do_not_hide_values_out_of_bounds(problems):
    data = changed("users", 2, "kappa", value=-1.0)
    data["servers"][1]["epochs"] = "one"
    found = "\n".join(problems(data))
    assert "users[2].kappa = -1.0" in found
    assert 'servers[1].epochs = "one"' in found


@pytest.mark.parametrize("key", ["schema", "noise_w_per_hz", "users", "servers", "gain"])
def test_a_missing_key(problems, key):
    (found,) = problems(changed(key, drop=True))
    assert found.startswith(f"{key}: missing, must be ")


@pytest.mark.parametrize("key", [field.name for field in fields(Users) if field.default is MISSING])
def test_a_missing_or_misspelt_key_of_a_user(problems, key):
    assert problems(changed("users", 1, key, drop=True)) == [f"users[1].{key}: missing, must be a number > 0"]
    data = changed("users", 1, key + "s", value=1.0)
    assert problems(data) == [f"users[1].{key}s = 1.0: unknown key; did you mean '{key}'?"]


@pytest.mark.parametrize(
    "path",
    [
        ("noise_w_per_hz",),
        ("bits_per_param",),
        ("weights", "delay_per_s"),
        ("score", "slope"),
        ("users", 0, "epochs"),
        ("servers", 1, "kappa"),
        ("gain", 3, 1),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "must be a number >"),
        ("1", "must be a number >"),
        (None, "must be a number >"),
        ([1.0], "must be a number >"),
        ({}, "must be a number >"),
        (float("nan"), ", and finite"),
        (float("inf"), ", and finite"),
        (float("-inf"), ", and finite"),
        (10**400, "must be a number >"),
    ],
)
def test_what_is_not_a_finite_number(problems, path, value, said):
    if path[0] == "gain" and isinstance(value, list):
        said = "must be"
    found = problems(changed(*path, value=value))
    assert len(found) == 1
    where = path[0] + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path[1:])
    assert found[0].startswith(where)
    assert said in found[0]


@pytest.mark.parametrize("key", ["users", "servers"])
@pytest.mark.parametrize("value", [{}, 5, "many", None, [1], [[]], [None]])
def test_users_and_servers_are_lists_of_objects(problems, key, value):
    found = problems(changed(key, value=value))
    assert len(found) == 1
    assert "must be a list of objects" in found[0] or re.match(
        rf"{key}\[0\] = .*: must be an object", found[0]
    )


@pytest.mark.parametrize("key", ["users", "servers"])
def test_somebody_must_be_there(problems, key):
    assert any("there must be at least one" in problem for problem in problems(changed(key, value=[])))


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (SMALL["gain"][:5], "the shape is (5, 2), must be (6, 2)"),
        ([row[:1] for row in SMALL["gain"]], "the shape is (6, 1), must be (6, 2)"),
        ([*SMALL["gain"][:5], [1e-11]], "one number a server"),
        ([], "the shape is"),
        ([[]] * 6, "the shape is (6, 0), must be (6, 2)"),
        (1e-11, "must be a list of lists"),
        ({"0": []}, "must be a list of lists"),
    ],
)
def test_the_shape_of_the_gain(problems, gain, said):
    found = problems(changed("gain", value=gain))
    assert len(found) == 1
    assert found[0].startswith("gain")
    assert said in found[0]


def test_rows_of_the_gain_that_are_no_lists(problems):
    found = problems(changed("gain", value=[1e-11, *SMALL["gain"][1:5], "ab"]))
    assert found == [
        "gain[0] = 1e-11: must be a list of numbers, one for each server",
        'gain[5] = "ab": must be a list of numbers, one for each server',
    ]


@pytest.mark.parametrize("schema", [0, 3, 1.5, "1", None, True, [1]])
def test_another_schema(problems, schema):
    shown = json.dumps(schema) if not isinstance(schema, list) else schema
    assert problems(changed("schema", value=schema)) == [f"schema = {shown}: must be 1 or 2"]


@pytest.mark.parametrize("value", [-1.0, float("nan")])
@pytest.mark.parametrize("path", [("weights", "delay_per_s"), ("score", "scale")], ids=str)
def test_negative_weights_and_scores(problems, path, value):
    found = problems(changed(*path, value=value))
    assert len(found) == 1
    assert ".".join(path) in found[0]


# --- files that are no JSON


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ('{"schema": 1,}', "not JSON"),
        (json.dumps(SMALL)[:-40], "not JSON"),
        ("schema = 1\n", "not JSON"),
        ("[1, 2]", "must be one JSON object, is a list"),
        ("null", "must be one JSON object, is null"),
        ("7", "must be one JSON object, is a number"),
        ('"text"', "must be one JSON object, is a string"),
        (b"\x89PNG\r\n\x1a\n\x00\xff\xfe", "not a JSON text"),
        (b'{"schema": 1, "name": "\xff"}', "not a JSON text"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"schema": ' + "9" * 5000 + "}", "not a JSON text"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_no_json_object(problems, content, said):
    found = problems(content)
    assert len(found) == 1
    assert said in found[0]
    assert len(found[0]) < 500


def test_a_syntax_error_has_its_line(problems):
    assert problems('{\n "schema": 1,\n "users" 5\n}')[0].startswith(":3: not JSON: ")


@pytest.mark.parametrize(
    "text", ['{"schema": 1, "schema": 1}', '{"schema": 1, "weights": {"delay_per_s": 1, "delay_per_s": 2}}']
)
def test_a_duplicate_key(problems, text):
    """JSON takes the last one silently; here that would be a number nobody meant."""
    assert problems(text) == [f"{'delay_per_s' if 'weights' in text else 'schema'}: duplicate key"]


def test_a_duplicate_key_among_many_is_found_at_once(problems):
    """Mutant: each of 30 000 keys is counted among all of them, which takes ten seconds instead of 0.1."""
    keys = ", ".join(f'"key{i}": 1' for i in range(30_000))
    started_s = time.perf_counter()
    assert problems('{"key7": 0, ' + keys + "}") == ["key7: duplicate key"]
    assert time.perf_counter() - started_s < 2.0


def test_a_folder_and_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InstanceError, match="is a folder, must be a JSON file"):
        load_instance(tmp_path)
    with pytest.raises(InstanceError, match="cannot be read: No such file"):
        load_instance(tmp_path / "nowhere.json")
    with pytest.raises(InstanceError, match="null"):
        load_instance("a\0b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    command = [sys.executable, "-c", f"from mecsim import load_instance; load_instance({str(pipe)!r})"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=8, check=False)
    assert "InstanceError" in done.stderr


def test_a_long_value_is_not_printed_whole(problems):
    found = problems(changed("users", 0, "kappa", value="x" * 100_000))
    assert len(found[0]) < 1000
