"""P1 for study files: any bytes give a study or a StudyError that names the file, soon, and nothing else.

Scenario, instance and trace files have theirs in property/ and fault/. Mutants: an exception of the parser
or of pydantic let through, a grid that is multiplied out before it is counted, a message of many lines.
"""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mecsim.errors import StudyError
from mecsim.study.spec import Study, load_study

# The file of one example is gone before the next one is written: sharing the folder does no harm.
many = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
GOOD = """schema = 1
name = "bandwidth"
scenarios = ["smoke"]
policies = ["gucaa", { name = "gucaa", local_fraction = 0.25, label = "quarter" }]
replications = 2
seed = 3
[grid]
"servers.bandwidth_mhz" = [10, 20]
"users.count" = [2, 3]
"""
TOKENS = [
    *("[", "]", "{", "}", "=", ",", ".", '"', "'", '"""', "#", "\n", "\x00", "\ufeff", "nan", "-inf", "true"),
    *("[grid]", "[[grid]]", '"users.count"', "= [1, 1]", "= []", "= 3", "9" * 400, "[" * 2000, "a." * 40),
    *(
        "os:system",
        "no_such",
        "../../etc/passwd",
        "x.py:X",
        "smoke",
        "policies",
        "replications = 10000000000",
    ),
]


def answer(tmp_path, content):
    """Return the study or the error; anything else fails the test that asks."""
    path = tmp_path / "study.toml"
    path.write_bytes(content)
    began = time.process_time()
    try:
        told = load_study(path)
    except StudyError as error:
        told = error
    assert time.process_time() - began < 1.0
    if isinstance(told, StudyError):
        assert told.problems
        assert all("study.toml" in line and "\n" not in line and len(line) < 2000 for line in told.problems)
    return told


def test_the_good_one_is_a_study(tmp_path):
    """The spoilt ones below begin as studies."""
    study = answer(tmp_path, GOOD.encode())
    assert isinstance(study, Study)
    assert len(study.runs) == 2 * 2 * 2 * 2


@many
@given(content=st.binary(max_size=400))
def test_any_bytes(tmp_path, content):
    assert isinstance(answer(tmp_path, content), StudyError)


@many
@given(words=st.lists(st.sampled_from(TOKENS), max_size=30))
def test_any_words_of_the_format(tmp_path, words):
    assert isinstance(answer(tmp_path, " ".join(words).encode()), StudyError)


@many
@given(data=st.data())
def test_a_good_file_with_pieces_cut_out_and_put_in(tmp_path, data):
    text = GOOD
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 20)))
        text = text[:start] + data.draw(st.sampled_from(["", *TOKENS])) + text[end:]
    answer(tmp_path, text.encode("utf-8", "replace"))


def test_a_grid_is_counted_before_it_is_multiplied_out(tmp_path):
    grid = "".join(f'"users.count{"x" * k}" = {list(range(100))}\n' for k in range(20))
    told = answer(tmp_path, (GOOD.split("[grid]")[0] + "[grid]\n" + grid).encode())
    assert isinstance(told, StudyError)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", "..", "<script>", ""])
def test_a_name_cannot_lead_out_of_the_folder_of_results(tmp_path, name):
    told = answer(tmp_path, GOOD.replace('"bandwidth"', f'"{name}"', 1).encode())
    assert any('name = "' in line for line in told.problems)
