"""All pages: links lead somewhere, code is of this mecsim; tutorial and guides run from top to bottom."""

import importlib
import re
import runpy
import shlex
import tomllib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import matplotlib
import pytest
import typer

from mecsim import load_scenario
from mecsim.cli import app, main
from mecsim.scenario.shipped import shipped_files

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for path in (*REPOSITORY.glob("*.md"), *REPOSITORY.glob("*/*.md"), *REPOSITORY.glob("docs/*/*.md"))
    if path.parts[-2] not in (".venv", "results", "tests")
)
DOCS = REPOSITORY / "docs"
RUN = [DOCS / "tutorial.md", DOCS / "bound.md", *sorted((DOCS / "guides").glob("*.md"))]
WITH_PICTURES = ("report.md",)  # elsewhere those of a command are not what the page is about
FENCE = re.compile(r'^```(\w*)(?: title="([\w.-]+)")?\n(.*?)^```$', flags=re.MULTILINE | re.DOTALL)
matplotlib.use("Agg")
# Groups, not modules.
ENTRY_POINTS = {"mecsim.policies", "mecsim.mobility", "mecsim.path_loss", "mecsim.bounds", "mecsim.views"}
PREVIOUS = {"CHANGELOG.md"}  # a changelog names commands and files of its time


def named(paths):
    return [pytest.param(path, id=str(path.relative_to(REPOSITORY))) for path in paths]


def blocks(path):
    return FENCE.findall(path.read_text("utf-8"))


def prose(path):
    return FENCE.sub("", path.read_text("utf-8"))


def anchors(path):
    """Return what GitHub makes of the headings of a page."""
    heads = re.findall(r"^#+ (.*)$", prose(path), flags=re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", head.replace("`", "").lower()).strip().replace(" ", "-") for head in heads
    }


@pytest.mark.parametrize("path", named(PAGES))
def test_links_lead_somewhere(path):
    """Mutants: a page renamed, a heading reworded."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"https?://|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), target


@cache
def commands():
    """Return the options of every command of the command line."""
    found = {}

    def walk(group, names):
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                walk(command, (*names, name))
            else:
                found[(*names, name)] = {one for p in command.params for one in (*p.opts, *p.secondary_opts)}

    walk(typer.main.get_command(app), ())
    return found


def shell_lines(text):
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = [line.strip().removeprefix("$ ") for line in joined.splitlines()]
    return [line for line in lines if line.startswith("mecsim ")]


def complaint(line):
    """Return what is wrong with a line that calls mecsim; nothing if it may be typed."""
    words = shlex.split(line.split(" > ")[0].rstrip("&| "), comments=True)[1:]
    names = next((tuple(words[:n]) for n in (2, 1) if tuple(words[:n]) in commands()), None)
    if names is None:
        return f"no command {words[:2]}"
    given = [word.partition("=")[0] for word in words[len(names) :] if re.match(r"--?[a-zA-Z]", word)]
    unknown = set(given) - commands()[names] - {"--help", "-h"}
    return f"no option {sorted(unknown)}" if unknown else ""


@pytest.mark.parametrize("path", named(path for path in PAGES if path.name not in PREVIOUS))
def test_code_is_of_this_mecsim(path):
    """Mutants: an option renamed; a bracket left out."""
    for kind, _, text in blocks(path):
        if kind == "python":
            compile(text, str(path), "exec")
        elif kind == "toml":
            tomllib.loads(text)
        elif kind in ("sh", "console", ""):
            for line in shell_lines(text):
                assert not complaint(line), line


def unknown_names(text):
    """Return the dotted names of mecsim in the code spans of a page that cannot be imported."""
    names = set(re.findall(r"`(mecsim(?:_policies)?(?:\.\w+)+)", text)) - ENTRY_POINTS
    return {name for name in names if not importable(name)}


def importable(name):
    """Tell whether a module, or an attribute of one, has that name."""
    module, _, attribute = name.rpartition(".")
    try:
        return importlib.import_module(name) is not None
    except ModuleNotFoundError:
        return bool(module) and importable(module) and hasattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("path", named(path for path in PAGES if path.name not in PREVIOUS))
def test_dotted_names_exist(path):
    """Mutants: a module or a function renamed."""
    assert unknown_names(prose(path)) == set()


def test_a_wrong_name_would_be_noticed():
    assert unknown_names("see `mecsim.results.gone.f(x)` and `mecsim.results.metrics.METRICS`") == {
        "mecsim.results.gone.f"
    }
    assert unknown_names("`mecsim.analysis.stats.gone`") == {"mecsim.analysis.stats.gone"}


def test_a_wrong_line_would_be_noticed():
    assert complaint("mecsim run smoke --polcy nearest") == "no option ['--polcy']"
    assert complaint("mecsim ran smoke") == "no command ['ran', 'smoke']"
    assert complaint("mecsim trace info town.csv --json") == ""


@pytest.fixture(scope="module")
def worlds_of_few_decisions(tmp_path_factory):
    """Shipped scenarios in which policies decide a fifth as often: a page is about its commands."""
    folder, found = tmp_path_factory.mktemp("shipped"), {}
    for name, path in shipped_files().items():
        text = re.sub(
            r"^period_s = (\d+)\b",
            lambda m: f"period_s = {5 * int(m[1])}",
            path.read_text("utf-8"),
            flags=re.M,
        )
        found[name] = folder / path.name
        found[name].write_text(text, encoding="utf-8")
    assert load_scenario(str(found["smoke"])).reallocation.period_s == 25
    with pytest.MonkeyPatch.context() as patched:
        for module in ("scenario.shipped", "scenario.load", "study.spec"):
            patched.setattr(f"mecsim.{module}.shipped_files", lambda: found)
        yield


@pytest.mark.usefixtures("worlds_of_few_decisions")
@pytest.mark.parametrize("path", named(RUN))
def test_the_page_runs_from_top_to_bottom(path, tmp_path, monkeypatch, capsys, request):
    """Mutant: a file that an earlier block does not write."""
    if path.name == "learning.md":
        pytest.importorskip("pettingzoo", reason="the rl extra is not installed")
    monkeypatch.chdir(tmp_path)
    if path.name not in WITH_PICTURES:
        request.getfixturevalue("without_pictures")
    ran, names = 0, {"__name__": "__main__"}  # blocks of a page go on where the last one ended
    for kind, title, text in blocks(path):
        if title:
            (tmp_path / title).write_text(text, encoding="utf-8")
        if kind == "python":
            if "stable_baselines3" in text and find_spec("stable_baselines3") is None:
                continue  # the train extra is too large for CI
            exec(compile(text, str(path), "exec"), names)  # noqa: S102 - it is our own page
            ran += 1
        elif kind == "console":
            for line in shell_lines(text):
                assert main(shlex.split(line)[1:]) == 0, f"{line}\n{capsys.readouterr().err}"
                ran += 1
        else:
            assert kind in ("toml", "csv", "matlab"), kind
    assert ran >= 3


def test_the_reference_is_that_of_the_code():
    """Mutants: a default changed without ``python docs/reference/update.py``; a page edited by hand."""
    folder = REPOSITORY / "docs" / "reference"
    for name, page in runpy.run_path(str(folder / "update.py"))["PAGES"].items():
        written = (folder / name).read_text("utf-8")
        assert written == page(), f"docs/reference/{name}: run python docs/reference/update.py"


def test_the_reference_has_every_key_column_and_command():
    """Mutant: a table of the schema that the generator skips."""
    from mecsim.config.keys import keys_of
    from mecsim.results.metrics import ALL_METRICS
    from mecsim.scenario.schema import Scenario
    from mecsim.tables import TABLES

    folder = REPOSITORY / "docs" / "reference"
    keys, tables, listed = (
        (folder / name).read_text("utf-8") for name in ("scenario.md", "tables.md", "commands.md")
    )
    for name in [key.name for key in keys_of(Scenario).by_name.values() if not key.is_table]:
        table, _, last = name.rpartition(".")
        section = keys.split(f"## `{table}`\n" if table else "## Top\n")[1].split("\n## ")[0]
        assert f"| `{last}` |" in section, name
    assert all(f"| `{column.name}` |" in tables for columns in TABLES.values() for column in columns)
    metrics = (folder / "metrics.md").read_text("utf-8")
    assert all(f"| `{metric.name}` | {metric.unit} | {metric.better} |" in metrics for metric in ALL_METRICS)
    assert all(f"## `mecsim {' '.join(names)}`" in listed for names in commands())


def test_every_page_is_in_the_index():
    index = REPOSITORY / "docs" / "README.md"
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#]+)\)", prose(index))}
    assert {path for path in PAGES if path.is_relative_to(index.parent)} - linked == {index}
