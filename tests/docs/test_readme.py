"""The README: its commands and its code run, its pictures and links exist, it is short."""

import re
import shlex
from pathlib import Path

from mecsim.cli import main

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "README.md").read_text("utf-8")
BLOCKS = re.findall(r'^```(\w+)(?: title="mine.py")?\n(.*?)^```$', PAGE, flags=re.MULTILINE | re.DOTALL)


def blocks(kind):
    return [text for label, text in BLOCKS if label == kind]


def test_it_is_short_and_every_kind_of_block_is_looked_at_below():
    assert len(PAGE.splitlines()) <= 200
    assert {label for label, _ in BLOCKS} == {"sh", "text", "console", "python"}


def test_the_make_targets_exist():
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    for line in blocks("sh")[0].splitlines():
        program, target, *_ = line.split()
        assert program == "make"
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


def test_the_commands_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(blocks("python")[1], "utf-8")
    for line in "".join(blocks("console")).splitlines():
        program, *arguments = shlex.split(line.removeprefix("$ "))
        assert program == "mecsim"
        assert main(arguments) == 0, f"{line}\n{capsys.readouterr().err}"


def test_the_code_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = compile(blocks("python")[0], "README.md", "exec")
    exec(code, {"__name__": "__main__"})  # noqa: S102 - it is our own page
    assert "Comparison in scenario 'smoke'" in capsys.readouterr().out


def test_the_table_of_policies_has_the_numbers_of_the_demo():
    """Mutant: a demo of new numbers beside a table of old ones."""
    (shown,) = blocks("text")
    rows = re.findall(
        r"^\| `(\w+)` \|.*?\|.*?\|.*?\| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", PAGE, flags=re.MULTILINE
    )
    assert len(rows) == 6
    for policy, *numbers in rows:
        own = re.search(rf"^ +{policy} +(.*)$", shown, flags=re.MULTILINE).group(1)
        scr, delay, _, energy = re.findall(r"(\S+) ± ", own)[:4]
        assert numbers == [scr, delay, energy], policy


def test_the_report_is_in_a_picture_that_loads_quickly():
    picture = REPOSITORY / "docs" / "images" / "report.png"
    assert "(docs/images/report.png)" in PAGE
    assert 30_000 < picture.stat().st_size < 300_000


def test_links_and_pictures_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (REPOSITORY / target).exists(), target


def test_the_demo_shown_compares_the_policies_of_the_demo():
    from mecsim.cli.compare_commands import DEMO_POLICIES

    (shown,) = blocks("text")
    for policy in DEMO_POLICIES.split(","):
        assert re.search(rf"^ +{policy} +\S+ ± ", shown, flags=re.MULTILINE), policy
