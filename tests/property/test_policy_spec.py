"""Policy specs: what is written parses to what was meant."""

from contextlib import suppress
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mecsim.errors import PolicyNotFound
from mecsim.policy_spec import PolicySpec, split_specs

# Letters of every script, as Python itself takes them.
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True) | st.from_regex(
    r"[^\W\d]\w{0,4}", fullmatch=True
).filter(lambda name: normalize("NFKC", name) == name)
TARGETS = NAMES | st.sampled_from(
    ["a.b:C", "my dir/f.py:C", "c:/x/mine.py:Mine", "copy (2).py:Mine", "dashf_reference"]
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
    | st.text(alphabet="ab,=:'\"()[]{} \\\n.0", max_size=12)
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
SPECS = st.builds(PolicySpec, TARGETS, st.dictionaries(NAMES, VALUES, max_size=4))


@given(SPECS)
def test_a_spec_parses_to_itself(spec):
    """Mutants: strings without quotes, infinity as inf, a tuple of one without its comma."""
    again = PolicySpec.parse(str(spec))
    assert again == spec
    assert repr(again) == repr(spec)  # 1 is not True, 1.0 is not 1


@given(st.lists(SPECS, min_size=1, max_size=4))
def test_a_list_of_specs_is_split_into_them(specs):
    assert [PolicySpec.parse(text) for text in split_specs(",".join(map(str, specs)))] == specs


@pytest.mark.parametrize("key", ["λ", "größe", "重み", "φ", "_é", "ϕ"])
def test_splitting_and_parsing_know_the_same_keys(key):
    """Mutant: a comma before λ= ends a spec, while the same spec alone has the parameter λ."""
    text = f"a:x=1,{key}=2,b"
    assert split_specs(text) == [f"a:x=1,{key}=2", "b"]
    assert PolicySpec.parse(f"a:{key}=2,x=1") == PolicySpec("a", {normalize("NFKC", key): 2, "x": 1})


@given(SPECS)
def test_a_spec_within_a_spec(inner):
    for text in (f"switch:policy=({inner}),x=1", str(PolicySpec("switch", {"policy": str(inner), "x": 1}))):
        outer = PolicySpec.parse(text)
        found = outer.parameters["policy"]
        assert isinstance(found, str) or not inner.parameters
        if isinstance(found, str):  # (none) or (1) is a literal
            assert PolicySpec.parse(found) == inner
        assert outer.parameters["x"] == 1


@given(st.text(alphabet="ab,=:'\"()[]{} \\1", max_size=30))
def test_any_text_is_parsed_or_refused(text):
    with suppress(PolicyNotFound):
        PolicySpec.parse(text)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("hysteresis:policy='a,b',margin=0.1", {"policy": "a,b", "margin": 0.1}),
        ("p:xs=[1,2]", {"xs": [1, 2]}),
        (
            "switch:policy=(dashf:max_iterations=4),then=gucaa,at_s=600",
            {"policy": "dashf:max_iterations=4", "then": "gucaa", "at_s": 600},
        ),
        ("a:policy=(b:policy=(c:x=1,y=2),z=3),w=4", {"policy": "b:policy=(c:x=1,y=2),z=3", "w": 4}),
        ("p:a={'x': [1, (2, 3)]},b=true", {"a": {"x": [1, (2, 3)]}, "b": True}),
        ("p:a=(1,2),b=(3)", {"a": (1, 2), "b": 3}),
        ("p:name=it's,b=2", {"name": "it's", "b": 2}),
    ],
)
def test_quotes_brackets_and_nesting(text, parameters):
    assert PolicySpec.parse(text).parameters == parameters


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("p:x='a,b", "policy 'p:x='a,b', position 5: the quote ' is not closed"),
        ("p:xs=[1,2", "position 6: the bracket [ is not closed"),
        ("p:xs=(1,2]", "position 10: ']' closes no bracket of its kind"),
        ("p:x=1, x=2", "position 8: duplicate key 'x'"),
        ("p:x=1,oops", "position 7: parameter 'oops' must read key=value"),
        ("p:x=1,", "position 7: parameter '' must read key=value"),
    ],
)
def test_what_is_wrong_is_said_with_its_position(text, told):
    with pytest.raises(PolicyNotFound) as caught:
        PolicySpec.parse(text)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "specs"),
    [
        ("hysteresis:policy='a,b',margin=0.1,gucaa", ["hysteresis:policy='a,b',margin=0.1", "gucaa"]),
        ("p:xs=[1,2],q", ["p:xs=[1,2]", "q"]),
        ("switch:policy=(dashf:a=1,b=2),then=x,nearest", ["switch:policy=(dashf:a=1,b=2),then=x", "nearest"]),
        ("copy (2).py:Mine:x=1,q", ["copy (2).py:Mine:x=1", "q"]),
    ],
)
def test_a_comma_in_quotes_or_brackets_separates_nothing(text, specs):
    assert split_specs(text) == specs
