"""Commands that answer: a search in explain, plans before runs, values that there are."""

import json

import pytest

from mecsim.cli import main


def said(capsys, *words):
    code = main(list(words))
    out = capsys.readouterr()
    return code, out.out + out.err


@pytest.mark.parametrize(
    ("word", "answers"),
    [
        ("bandwith", ("servers.bandwidth_mhz",)),
        ("gpu", ("servers.gpu_count", "users.gpu")),
        ("SCR", ("service-cost ratio", "better:    more")),
        ("dashf", ("(policy)", "--policy dashf")),
        ("phi", ("local_fraction",)),
        ("chanel", ("  channel ",)),
        ("a100", ("A100-fp32",)),
    ],
)
def test_explain_answers_a_word(capsys, word, answers):
    code, text = said(capsys, "explain", word)
    assert code == 0
    for each in answers:
        assert each in text


def test_plans_run_nothing(capsys, tmp_path):
    """Mutant: the runs are made, and their folders written."""
    for command in (["run", "smoke", "-p", "gucaa"], ["compare", "smoke", "-p", "gucaa,nearest", "-r", "2"]):
        given = ["--set", "duration_s=20", "--out", str(tmp_path / "x"), "--dry-run", "--json", "--quiet"]
        assert main([*command, *given]) == 0
        plan = json.loads(capsys.readouterr().out)
        assert (plan["runs"], plan["finished"]) == ((1, 0) if command[0] == "run" else (4, 0))
    assert not list(tmp_path.iterdir())


def test_plot_and_table_say_what_there_is(capsys, tmp_path):
    folder = str(tmp_path)
    asked = ["--set", "duration_s=20", "--out", folder, "-q"]
    main(["compare", "smoke", "-p", "gucaa,nearest", "-r", "2", *asked])
    capsys.readouterr()
    for words, expected in (
        (["plot", folder], "--kind is missing: distributions, forest"),
        (["plot", folder, "--kind", "timeline", "--where", "seed=9"], "seed is 0, 1 here"),
        (["table", folder, "--where", "seed"], "--where seed: must read KEY=VALUE"),
        (["table", folder, "--metrics", "SCR"], "did you mean 'scr'?"),
    ):
        code, text = said(capsys, *words)
        assert code == 2
        assert expected in text


def test_each_budget_is_named_once(capsys, tmp_path):
    """Mutant: a line for each server that is over the budget."""
    file = tmp_path / "greedy.py"
    file.write_text("""
import mecsim
from dataclasses import replace
class Greedy:
    def allocate(self, observation):
        plain = mecsim.make_policy("gucaa").allocate(observation)
        return replace(plain, bandwidth_hz=plain.bandwidth_hz * 3)
""")
    code, text = said(capsys, "run", "smoke", "-p", f"{file}:Greedy", "--out", str(tmp_path / "x"), "-q")
    assert code == 1
    assert text.count("the sum over its users") == 1
    assert "(the worst of 2)" in text
