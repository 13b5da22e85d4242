"""No text from outside controls a terminal, breaks a table or runs in a program that reads it.

Bug it would catch: a label, a file name, a message or a line of somebody's file that is written as it came.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import re
import shutil
import sys
from pathlib import Path

import pytest

import mecsim.cli
from mecsim import compare, load_scenario
from mecsim.analysis.figure_kinds import FigureRequest, draw
from mecsim.analysis.frames import study_frames
from mecsim.analysis.paired import paired_table
from mecsim.analysis.text_tables import text_table
from mecsim.cli import main
from mecsim.cli.console import print_json, print_table, print_text, say
from mecsim.errors import MecsimError, PolicyFailed
from mecsim.results.csv_text import csv_text
from mecsim.results.export import write_csv, write_mat
from mecsim.results.load import load_results
from mecsim.study.failure_note import note_failure, read_failure
from mecsim.study.outcome import failure
from mecsim.study.plan import Run
from mecsim.study.policy_choice import PolicyChoice

MARKUP = r"=$x_{$ |a_b* [l](u)<b>&%#\input{f}~^ `c` {=1}"
NASTY = {
    "escape": "a\x1b[31mb",
    "clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "one-byte csi": "a\x9b31mb",
    "override": "abc\u202ecba",
    "zero width": "a\u200bb\ufeff",
    "surrogate": "bad \ud800 text",
    "nul": "a\0b",
    "newline": "a\nforged: fine",
    "return": "a\rforged",
    "separator": "a\u2028b\x85c",
    "formula": '=cmd|"/c calc"!A1',
    "tab formula": "\t=1+1",
    "markup": MARKUP,
}
SHORT = {"duration_s": 6, "warmup_s": 0}


def is_clean(text):
    return all(line.isprintable() for line in text.split("\n"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs of two policies, of which one has a label full of markup."""
    out = tmp_path_factory.mktemp("runs") / "r"
    policies = ["nearest", {"name": "gucaa", "label": MARKUP}]
    compare(load_scenario("smoke").with_changes(SHORT), policies, 2, out=out)
    return out


def with_label(folder, copy, label):
    """Return a copy of the folder in which the second policy has another label."""
    shutil.copytree(folder, copy)
    for path in copy.glob("*/manifest.json"):
        manifest = json.loads(path.read_text("utf-8"))
        if manifest["policy"] == MARKUP:
            path.write_text(json.dumps(manifest | {"policy": label}))
    return copy


def opened(folder):
    """Return the runs of a folder, or None where it is refused, with a message that is clean."""
    try:
        return study_frames(folder)
    except MecsimError as error:
        message = str(error)
    assert is_clean(message)
    return None


@pytest.fixture(scope="module", params=NASTY.values(), ids=NASTY)
def spoilt(request, folder, tmp_path_factory):
    """The same folder, as somebody may send it: the label is whatever a manifest can hold."""
    return with_label(folder, tmp_path_factory.mktemp("theirs") / "r", request.param)


def test_tables_of_a_folder_from_elsewhere_show_its_labels_and_nothing_happens(spoilt, tmp_path):
    """Mutants: a label as it came in any of the writers; a bar, a newline or an ampersand adds a cell."""
    study = opened(spoilt)
    if study is None:
        return
    paired = paired_table(study.per_run, metrics=("scr",))
    rows = list(csv.reader(io.StringIO(csv_text(paired))))
    assert len(rows) == 2
    assert len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows for cell in row):
        assert cell.isprintable()
        assert not cell.startswith(("=", "@", "\t", "\r"))
    for form, mark in (("markdown", "|"), ("latex", "&")):
        text = text_table(study.per_run, paired, form, metrics=("scr", "delay_s"))
        assert is_clean(text)
        rows = [line for line in text.split("\n") if re.search(r"\d (±|\\pm) \d", line)]
        assert len(rows) == 2
        for line in rows:
            cells = [k for k, letter in enumerate(line) if letter == mark and line[k - 1] != "\\"]
            assert len(cells) == (4 if form == "markdown" else 2)
    loaded = load_results(spoilt)
    for file in (*write_csv(loaded, tmp_path), write_mat(loaded, tmp_path)):
        assert file.stat().st_size
    for cell in next(csv.reader(io.StringIO((tmp_path / "rounds.csv").read_text("utf-8").split("\n")[-2]))):
        assert cell.isprintable()


@pytest.mark.parametrize("kind", ["distributions", "forest", "pareto", "ranking"])
def test_a_label_in_a_figure_is_text(folder, kind, tmp_path):
    """Mutant: two dollar signs are a formula, and one that does not parse ends the command."""
    figure = draw(kind, study_frames(folder), FigureRequest((), "", "", None, 7.16))
    figure.savefig(tmp_path / "f.png", dpi=20)
    texts = " ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))
    assert "$x_{$" in texts


def test_the_report_shows_a_label_and_runs_none(folder, tmp_path):
    from mecsim.analysis.report.page import write_report

    copy = with_label(folder, tmp_path / "r", "".join(NASTY.values()))
    if opened(copy) is not None:
        html = write_report(copy, tmp_path / "r.html", interactive=False).read_text("utf-8")
        assert not {"\x1b", "\x9b", "\u202e", "\u200b", "\0", "\u2028"} & set(html)
        assert "<b>&%" not in html


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_a_message_of_a_policy_does_not_end_a_study(text, tmp_path):
    """Mutants: a note written in UTF-8 as it is; the reason on two lines."""
    run = Run(load_scenario("smoke").with_changes(SHORT), PolicyChoice.of("nearest"), 0)
    try:
        raise PolicyFailed(f"policy 'x' raised ValueError: {text}") from ValueError(text)
    except PolicyFailed as error:
        outcome = failure(run, error)
    note_failure(tmp_path, run.run_id, outcome.error, outcome.details)
    assert outcome.error.isprintable()
    assert read_failure(tmp_path, run.run_id) == outcome.error
    assert is_clean((tmp_path / f"failed-{run.run_id}.txt").read_text("utf-8"))
    assert (failure(run, ValueError(text))).error.isprintable()


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_the_border_to_the_terminal_escapes(text, capsys):
    """Mutants: any of the four that prints what it is given."""
    from rich.table import Table

    table = Table("policy", text, title=text)
    table.add_row(text, "1")
    print_table(table)
    print_text(f"{text}: done")
    say(f"{text}: done")
    print_json({text: text})
    out, err = capsys.readouterr()
    assert is_clean(out)
    assert is_clean(err)
    assert json.loads(out[out.rindex("\n{") :]) == {text: text}


FILES = {
    "scenario": ("s.toml", "validate {file}", 'schema = 1\nname = "{text}"\n{text} = 1\n'),
    "description": ("s.toml", "run {file} --policy nearest", 'schema = 1\n"{text}" = "{text}"\n'),
    "study": (
        "s.toml",
        "sweep {file} --dry-run",
        'schema = 1\nname = "x"\npolicies = ["{text}"]\nscenarios = ["{text}"]\n',
    ),
    "label": (
        "s.toml",
        "sweep {file} --dry-run",
        'schema = 1\nname = "x"\nscenarios = ["smoke"]\npolicies = [{ name = "gucaa", label = "{text}" }]\n',
    ),
    "trace": ("t.csv", "trace info {file}", "t_s,user_id,x_m,{text}\n0,a,1,1\n"),
    "gpx": ("t.gpx", "trace info {file}", "<gpx><{text}></gpx>"),
    "instance": ("i.json", "solve {file} --policy nearest", '{"{text}": 1, "users": "{text}"}'),
    "manifest": ("manifest.json", "table .", '{"schema": "{text}", "{text}": 1}'),
    "policy file": ("p.py", "run smoke --policy p.py:X", 'raise ValueError("""{text}""")'),
    "policy": ("p.py", "run smoke --policy {text}", ""),
    "set": ("p.py", "run smoke --policy nearest --set {text}=1", ""),
    "option": ("p.py", "run smoke --{text}", ""),
    "argument": ("p.py", "table . {text}", ""),
    "command": ("p.py", "{text}", ""),
    "key": ("p.py", "explain {text}", ""),
    "folder": ("p.py", "table {text}", ""),
}


@pytest.mark.parametrize("how", FILES)
def test_no_input_reaches_the_terminal_as_it_is(how, tmp_path, monkeypatch, capsys):
    """Mutant: any of the places where a message quotes an input."""
    monkeypatch.chdir(tmp_path)
    name, command, content = FILES[how]
    few = ("escape", "newline", "surrogate", "markup")
    for text in NASTY.values() if content else map(NASTY.get, few):
        raw = content.replace("{text}", text)
        Path(name).write_bytes(raw.encode("utf-8", "surrogatepass"))
        words = [word.replace("{file}", name).replace("{text}", text) for word in command.split(" ")]
        assert main(words) in (1, 2), text
        out, err = capsys.readouterr()
        assert is_clean(out + err), ascii(text)
        assert not re.search("^forged", out + err, re.MULTILINE)
        assert err, "what is wrong is said"


@pytest.mark.parametrize("name", [b"a\x1b[31m", b"a\nforged", b"bad\xff", "a\u202eb".encode()])
@pytest.mark.parametrize("command", ["validate", "run", "trace info", "solve", "table", "report", "sweep"])
def test_no_file_name_reaches_the_terminal_as_it_is(name, command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    place = Path(name.decode("utf-8", "surrogateescape"))
    for make in (place.touch, lambda: (place.unlink(), place.mkdir())):
        make()
        assert main([*command.split(), str(place)]) in (0, 2)
        told = "".join(capsys.readouterr())
        assert is_clean(told)
        assert not re.search("^forged", told, re.MULTILINE)


def test_a_bug_shows_its_traceback_without_controls(capsys, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", None)
    monkeypatch.setattr(mecsim.cli, "app", lambda **_: [][int("a\x1b[31m\ud800")])
    with pytest.raises(ValueError, match="invalid literal") as caught:
        main(["--version"])
    sys.excepthook(caught.type, caught.value, caught.tb)
    err = capsys.readouterr().err
    assert is_clean(err)
    assert r"a\x1b[31m\ud800" in err


def prints(source):
    """Return the calls of a source that write to a terminal."""
    names = [ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    writers = ("print", "typer.echo", "click.echo", "sys.stdout.write", "sys.stderr.write")
    return set(names) & set(writers)


def test_commands_write_through_the_border_only():
    """Mutant: a command that prints by itself. The interrupt has a text of its own."""
    allowed = {"console.py": {"typer.echo"}, "__init__.py": {"print"}}
    for path in Path(mecsim.cli.__file__).parent.glob("*.py"):
        assert prints(path.read_text("utf-8")) <= allowed.get(path.name, set()), path
    assert prints("typer.echo(x)")
