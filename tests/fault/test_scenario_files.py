"""Files that are no scenarios: a clear ScenarioError for each, at once."""

import os
import time
from pathlib import Path

import pytest

from mecsim.config.toml_text import LARGEST_BYTES, parse_toml
from mecsim.errors import ScenarioError
from mecsim.scenario.load import load_scenario
from mecsim.scenario.schema import Scenario

PAPER = load_scenario("paper").text


# A million steps of a loop of this processor, here and now, are a unit of work: a second of any other clock
# says more about the machine than about the file. Forty of them are 1 to 2 s on machines in use.
MOST_UNITS = 40


def unit_s():
    """Return the CPU time of a unit of work."""
    start = time.process_time()
    sum(k * k for k in range(1_000_000))
    return time.process_time() - start


def refused(path):
    """Return the problems of a file, which must be named in each, after a bounded amount of work."""
    before_s, start = unit_s(), time.process_time()
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    spent_s = time.process_time() - start
    assert spent_s < MOST_UNITS * max(before_s, unit_s())
    assert all(problem.startswith(f"{path}:") for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", " is empty"),
        (b" \n\t\n", " is empty"),
        (b"\xef\xbb\xbf", " is empty"),
        (b"\x7fELF\x02\x01\x01" + bytes(range(256)), " not UTF-8 text (byte 135)"),
        ('name = "é"'.encode("latin-1"), " not UTF-8 text (byte 8)"),
        (PAPER.encode("utf-16"), " not UTF-8 text (byte 0)"),
        (b"\x00" * 100, "1: "),
        (b"[" * 10_000_000, " is larger than 256 KiB"),
        (b"x = " + b"[" * 5000 + b"]" * 5000, " brackets are nested more than 32 deep"),
        (b"x = " + b"{a=" * 5000 + b"1" + b"}" * 5000, " brackets are nested more than 32 deep"),
        (b"[" + b"a." * 100 + b"a]", "1: has a key of more than 16 parts"),
        (b"a = 1\n" + b"'b'." * 100 + b"c = 1", "2: has a key of more than 16 parts"),
        (b"x = " + b"1" * 5000, " an integer has thousands of digits"),
        (b"duration_s", "1: duration_s: not valid TOML: Expected '=' after a key in a key/value pair"),
        (b"a = 1\n\nb = yes", "3: b = yes: not valid TOML: Invalid value"),
        (b'{"schema": 1}', '1: {"schema": 1}: not valid TOML: Invalid statement'),
        (b"schema: 1", "1: schema: 1: not valid TOML: Expected '=' after a key in a key/value pair"),
    ],
    ids=range(17),
)
def test_not_a_scenario(tmp_path, content, problem):
    path = tmp_path / "my scenario é漢.toml"
    path.write_bytes(content)
    told = refused(path)
    assert len(told) == 1
    assert told[0].startswith(problem)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "+nan", "true", '"7"', "[]", "{}", "1979-05-27"])
def test_a_number_is_a_finite_number(tmp_path, value):
    path = tmp_path / "x.toml"
    path.write_text(PAPER.replace("carrier_ghz = 2.0 ", f"carrier_ghz = {value} "))
    told = refused(path)
    assert len(told) == 1
    assert told[0].startswith("46: channel.carrier_ghz = ")
    finite = ", and finite" if value.endswith(("nan", "inf")) else ""
    assert told[0].endswith(f": must be a number >= 0.1 and <= 100{finite}")


# Each of these took tomllib, pydantic or the search for lines or names more than a second without a guard,
# or could: they are as large as a file may be.
LARGE = {
    "list": "x = [" + "1," * (LARGEST_BYTES // 2 - 5) + "]",
    "points": PAPER.replace("    [250, 500],\n", "[-1, 1]," * 30_000),
    "numbers": PAPER.replace("bandwidth_mhz = 10 ", "bandwidth_mhz = [" + "-1," * 60_000 + "]#"),
    "cards": PAPER.replace('gpu = "A100-fp32"', "gpu = [" + '"A100",' * 30_000 + "]"),
    "card tables": PAPER.replace('gpu = "A100-fp32"', "gpu = [" + "{nam=1}," * 30_000 + "]"),
    "unknown keys": "\n".join(f"duration_{i} = 1" for i in range(13_000)),
    "tables": "\n".join(f"[a{i}]" for i in range(28_000)),
    "lists of tables": "[[a]]\n" * 43_000,
    "long keys": "\n".join(f"{'a.' * 14}k{i} = 1" for i in range(6_000)),
    "quotes": '"' * LARGEST_BYTES,
    "open string": 'x = """' + '\\\\a"' * (LARGEST_BYTES // 4 - 10),
    "word": "a" * LARGEST_BYTES,
    "digits": "x = " + "1_" * (LARGEST_BYTES // 2 - 5),
    "hexadecimal": "schema = 0x" + "f" * (LARGEST_BYTES - 20),
    "name": 'name = "' + "a" * (LARGEST_BYTES - 10) + '"',
    "newlines": "a = 1" + "\n" * (LARGEST_BYTES - 10),
}


@pytest.mark.parametrize("name", LARGE)
def test_the_largest_files_are_answered_at_once(tmp_path, name):
    path = tmp_path / "x.toml"
    path.write_text(LARGE[name])
    assert path.stat().st_size <= LARGEST_BYTES
    told = refused(path)
    assert len(told) <= 101
    assert all(len(line) < 700 for line in told)


def test_a_large_scenario_that_is_right_is_read_at_once(tmp_path):
    path = tmp_path / "x.toml"
    points = ", ".join(f"[{i % 1000}, {i // 1000}]" for i in range(20_000))
    path.write_text(PAPER.replace("count = 10 ", f"count = 20_000\npositions_m = [{points}] "))
    before_s, start = unit_s(), time.process_time()
    assert load_scenario(path).users.positions_m[19_999] == (999, 19)
    spent_s = time.process_time() - start
    assert spent_s < MOST_UNITS * max(before_s, unit_s())


def test_brackets_in_strings_and_comments_do_not_nest():
    """Counted as if they opened arrays. Mutant: every bracket of the text."""
    text = f"# {'[' * 50}\na = \"{'[' * 50}\"\nb = '''\n{'{' * 50}'''\nc = {'[' * 32}{']' * 32}\n"
    assert set(parse_toml(text, "text")) == {"a", "b", "c"}
    with pytest.raises(ScenarioError, match="more than 32 deep"):
        parse_toml(text.replace("'", "").replace('"', ""), "text")


def test_a_folder(tmp_path):
    assert refused(tmp_path) == [" is a folder, must be a scenario file"]


def test_what_never_ends(tmp_path):
    """Mutant: opening a pipe that nobody writes to, which waits for ever."""
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    assert refused(pipe) == [" is not a regular file"]
    if Path("/dev/zero").exists():
        assert refused("/dev/zero") == [" is not a regular file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_one_may_not_read(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text(PAPER)
    path.chmod(0)
    assert refused(path) == [" cannot be read: Permission denied"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("campsu", "; did you mean 'campus'?"),
        ("paper20.toml", "; did you mean 'paper-20'?"),
        ("folder/campus.toml", "; did you mean 'campus'?"),
        ("qqqq", ""),
        ("", ""),
        ("a\x00b", ""),
    ],
)
def test_no_such_file(name, hint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name:
        assert refused(name) == [f" no such file, nor a shipped scenario{hint}"]
    else:
        with pytest.raises(ScenarioError):
            load_scenario(name)


def test_a_name_too_long_for_a_file():
    with pytest.raises(ScenarioError, match="cannot be read: File name too long"):
        load_scenario("x" * 5000)


def test_a_file_comes_before_a_shipped_scenario_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_scenario("paper.toml") == load_scenario("paper")
    (tmp_path / "paper.toml").write_text(PAPER.replace('name = "paper"', 'name = "mine"'))
    assert load_scenario("paper.toml").name == "mine"
    assert load_scenario("paper").name == "paper"
    (tmp_path / "campus").mkdir()
    assert load_scenario("campus").name == "campus"


@pytest.mark.parametrize("encode", [lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text])
def test_files_from_other_systems_are_read(tmp_path, encode):
    path = tmp_path / "x.toml"
    path.write_bytes(encode(PAPER).encode("utf-8"))
    assert load_scenario(path) == Scenario.from_toml(PAPER)
