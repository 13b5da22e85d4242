"""Labels of policies: one rule, wherever a label comes from."""

from __future__ import annotations

import pytest
from mecsim_policies.baselines import Nearest

from mecsim import load_scenario
from mecsim.errors import PolicyNotFound, StudyError
from mecsim.study.labels import LONGEST_LABEL, is_label
from mecsim.study.plan import Run
from mecsim.study.policy_choice import PolicyChoice, choose_policies
from mecsim.study.spec import load_study

BAD = {
    "empty": "",
    "newline": "a\nb",
    "escape": "a\x1b[31m",
    "override": "a\u202eb",
    "zero width": "a\u200bb",
    "filler": "\u3164",
    "surrogate": "a\ud800",
    "nul": "a\0",
    "long": "x" * (LONGEST_LABEL + 1),
    "blanks": " a",
    "only blanks": "  ",
    "option": "-r",
    "no text": 3,
}
GOOD = [
    "a",
    "x" * LONGEST_LABEL,
    "größe",
    "重み",
    "A/B test, φ = 0.5",
    "=1+1",
    "_x",
    "../../etc",
    "$x$",
    "<b>",
]


class Mine:
    def allocate(self, observation):
        return None


@pytest.mark.parametrize("label", BAD.values(), ids=BAD)
def test_a_bad_label_is_refused_with_its_policy(label):
    """Mutants: a bound left out; a check of the control characters of ASCII alone; in mappings only."""
    with pytest.raises(
        PolicyNotFound, match=r"policy 'nearest': label = .*: must be 1 to 100 printable"
    ) as caught:
        PolicyChoice.of({"name": "nearest", "label": label})
    assert str(caught.value).isprintable()
    if label:
        with pytest.raises(PolicyNotFound, match="must be 1 to 100 printable"):
            PolicyChoice("nearest", label=label)


@pytest.mark.parametrize("label", GOOD)
def test_a_good_label_stays_what_it_is(label):
    assert is_label(label)
    assert PolicyChoice.of({"name": "nearest", "label": label}).label == label


@pytest.mark.parametrize("label", ['"a\\nb"', '"a\\u001bb"', '""', f'"{"x" * 101}"', "3", '"\\u202e"'])
def test_in_a_study_the_line_is_named(label, tmp_path):
    path = tmp_path / "s.toml"
    policies = 'policies = [\n"gucaa",\n{ name = "nearest", label = LABEL }\n]\n'
    text = f'schema = 1\nname = "s"\nscenarios = ["smoke"]\n{policies}'
    path.write_text(text.replace("LABEL", label))
    with pytest.raises(StudyError) as caught:
        load_study(path)
    assert f"{path}:6: policies[1].label = " in str(caught.value)
    assert "must be 1 to 100 printable characters" in str(caught.value)


@pytest.mark.parametrize("value", ["a\nb", "a\x1b[31m", "\u202e", "\ud800"])
def test_a_parameter_that_no_table_can_show_needs_a_label(value):
    with pytest.raises(PolicyNotFound, match=r"policy 'gucaa': parameter 'text' = .*needs a label") as caught:
        PolicyChoice.of("gucaa", text=value)
    assert str(caught.value).isprintable()
    labelled = PolicyChoice.of({"name": "gucaa", "text": value, "label": "mine"})
    assert (labelled.label, labelled.parameters) == ("mine", {"text": value})


def test_so_does_a_class_with_such_a_name():
    odd = type("a\x1b[31m", (Mine,), {})
    with pytest.raises(PolicyNotFound, match=r"its name = .*needs a label"):
        choose_policies([odd()])


def test_a_long_automatic_label_ends_in_a_hash_and_stays_apart():
    """Mutant: cut, so that two policies have one label."""
    first, second = (PolicyChoice.of("gucaa", values=[*range(100), end]).label for end in (1, 2))
    assert first != second
    assert is_label(first)
    assert first.startswith("gucaa:values=[0, 1, 2")


@pytest.mark.parametrize("label", ["語" * LONGEST_LABEL, "x" * LONGEST_LABEL, "../" * 30, "a"])
def test_a_run_folder_has_a_name_that_file_systems_take(label, tmp_path):
    scenario = load_scenario("smoke").with_changes({"name": "é" * 100})
    ids = [
        Run(scenario, PolicyChoice.of({"name": "nearest", "label": label}), seed).run_id for seed in (1, 12)
    ]
    assert len(set(ids)) == 2
    for run_id in ids:
        (tmp_path / f"failed-{run_id}.txt.0123456789.part").touch()
        assert "/" not in run_id


def test_an_object_can_have_a_label():
    """Mutant: the text of the object is taken for a name."""
    policy = Nearest()
    choice = PolicyChoice.of({"name": policy, "label": "mine"})
    assert (choice.label, choice.instance) == ("mine", policy)
    assert PolicyChoice.of({"name": policy}) == PolicyChoice.of(policy)
    with pytest.raises(PolicyNotFound, match="is made already: no parameters"):
        PolicyChoice.of({"name": policy, "label": "mine", "phi": 1})
