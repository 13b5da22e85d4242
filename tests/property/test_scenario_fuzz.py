"""P1, P2: any text is a Scenario or a ScenarioError, soon; and a Scenario survives being written and read."""

import math
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mecsim.config.keys import keys_of
from mecsim.errors import ScenarioError
from mecsim.scenario.load import load_scenario
from mecsim.scenario.schema import Scenario
from mecsim.scenario.shipped import shipped, shipped_files

many = settings(max_examples=150, deadline=None)

TEXTS = [scenario.path.read_text("utf-8") for scenario in shipped()]
KEYS = [name for name, key in keys_of(Scenario).by_name.items()]
TOKENS = [
    *("[", "]", "{", "}", "=", ",", ".", '"', "'", '"""', "'''", "#", "\n", "\r", "\\", "\x00", "\ufeff"),
    *("nan", "-inf", "true", "1e400", "9" * 400, "0x", "1979-05-27", "[[servers]]", "[users]", "é"),
    *("[" * 2000, "{a=" * 2000, "a." * 40, "gpu", "positions_m", "= 1", '= "x"', "-1", "0", "e6"),
]


def check_problems(problems, source):
    assert problems
    for problem in problems:
        assert re.match(rf"{source}(:\d+)?: \S", problem), problem
        assert "\n" not in problem
        assert len(problem) < 1000


def told(text):
    """Return the scenario of a text, or None where the answer is a well-formed list of problems."""
    start = time.process_time()
    try:
        scenario = Scenario.from_toml(text, "f.toml")
    except ScenarioError as error:
        check_problems(error.problems, "f.toml")
        return None
    finally:
        assert time.process_time() - start < 1
    again = Scenario.from_toml(scenario.to_toml())
    assert again == scenario
    assert again.sha256 == scenario.sha256
    return scenario


@many
@given(content=st.binary(max_size=2000))
def test_any_bytes(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "f.toml"
    path.write_bytes(content)
    with pytest.raises(ScenarioError):
        load_scenario(path)


@many
@given(st.text(max_size=500))
def test_any_text(text):
    assert told(text) is None


@many
@given(st.lists(st.sampled_from([*TOKENS, *KEYS]), max_size=60).map(" ".join))
def test_any_words_of_the_format(text):
    assert told(text) is None


@many
@given(st.data())
def test_shipped_files_with_pieces_cut_out_doubled_and_put_in(data):
    text = data.draw(st.sampled_from(TEXTS))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 40)))
        piece = data.draw(st.sampled_from(["", text[start:end] * 2, *TOKENS]))
        text = text[:start] + piece + text[end:]
    told(text)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.sampled_from(["static", "poisson", "A100-fp32", "llama-adapter-v1", "none", "", "x" * 200]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([name.split(".")[-1] for name in KEYS]), inner, max_size=4)
    ),
    max_leaves=8,
)


@many
@given(changes=st.dictionaries(st.sampled_from(KEYS), anything, min_size=1, max_size=4))
def test_any_values_at_any_keys(changes):
    campus = load_scenario("campus")
    try:
        changed = campus.with_changes(changes)
    except ScenarioError as error:
        check_problems(error.problems, "campus with changes")
    else:
        assert told(changed.to_toml()) == changed


positive = st.floats(min_value=1e-3, max_value=1e4)
amounts = (
    positive
    | st.fixed_dictionaries({"constant": positive}, optional={"per": st.sampled_from(["user", "round"])})
    | st.fixed_dictionaries({"exponential": positive}, optional={"per": st.sampled_from(["user", "round"])})
    | st.fixed_dictionaries({"choice": st.lists(positive, min_size=1, max_size=5)})
    | st.tuples(positive, positive).map(lambda pair: {"uniform": sorted(pair)})
)
PARK = str(shipped_files()["gpx-walk"].parent / "traces" / "park.gpx")
speeds = st.tuples(positive, positive).map(lambda pair: [min(value, 400) for value in sorted(pair)])
good = st.fixed_dictionaries(
    {},
    optional={
        "duration_s": st.floats(min_value=1e3, max_value=4e5),
        "description": st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
        "servers.bandwidth_mhz": positive | st.lists(positive, min_size=2, max_size=2),
        "servers.gpu": st.sampled_from(["H100-bf16", {"peak_tflops": 1, "board_power_w": 2, "name": "mine"}]),
        "users.count": st.integers(1, 1000),
        "users.gpu_utilisation": st.floats(0.01, 1),
        "users.mobility": st.one_of(
            speeds.map(lambda pair: {"model": "random_waypoint", "speed_mps": pair}),
            speeds.map(lambda pair: {"model": "manhattan", "street_spacing_m": 90, "speed_mps": pair}),
            speeds.map(
                lambda pair: {
                    "model": "gauss_markov",
                    "memory": 0.5,
                    "mean_speed_mps": pair[0],
                    "sigma_mps": 1,
                }
            ),
            speeds.map(
                lambda pair: {
                    "model": "group",
                    "groups": 3,
                    "radius_m": 9,
                    "speed_mps": pair,
                    "member_speed_mps": [1, 2],
                }
            ),
            st.floats(0, 1000).map(lambda s: {"model": "trace", "file": PARK, "start_s": s}),
        ),
        "workload.adapter_params": amounts,
        "workload.token_bits": amounts,
        "workload.rounds": st.sampled_from([{"mode": "poisson", "rate_per_s": 0.5}, {"mode": "synchronous"}]),
        "channel.noise_dbm_per_hz": st.floats(-250, 0),
        "channel.rate": st.sampled_from(["shannon", "nr-256qam", "lte-36942"])
        | st.fixed_dictionaries({"down": st.fixed_dictionaries({"cap_bps_hz": st.floats(0.1, 40)})})
        | st.fixed_dictionaries({"gap_db": st.floats(0, 30), "overhead": st.floats(0, 0.9)}),
        "channel.shadowing": st.floats(0, 40).map(lambda sigma: {"sigma_db": sigma}),
    },
)


@settings(max_examples=50, deadline=None)
@given(changes=good)
def test_good_values_are_accepted_kept_and_survive(changes):
    """Mutants: a number rounded when written; a hash that differs after reading; an unescaped description."""
    changed = load_scenario("campus").with_changes(changes)
    assert told(changed.to_toml()) == changed
    for name in {"duration_s", "description", "users.count", "channel.noise_dbm_per_hz"} & set(changes):
        value = changed
        for step in name.split("."):
            value = getattr(value, step)
        assert value == changes[name]


@many
@given(form=amounts, u=st.lists(st.floats(0, 1, exclude_max=True), min_size=2, max_size=20).map(sorted))
def test_inverse_distribution_functions_rise_and_stay_in_range(form, u):
    import numpy as np

    changed = load_scenario("campus").with_changes({"workload.token_bits": form})
    amount = changed.workload.token_bits
    if amount.kind == "choice":
        amount = changed.with_changes(
            {"workload.token_bits": {"choice": sorted(amount.values)}}
        ).workload.token_bits
    values = amount.ppf(np.array(u))
    assert values.shape == (len(u),)
    assert np.all(np.diff(values) >= 0)
    assert np.all(np.isfinite(values))
    low, high = (0, math.inf) if amount.kind == "exponential" else (min(amount.values), max(amount.values))
    assert np.all((values >= low) & (values <= high * (1 + 1e-12)))
