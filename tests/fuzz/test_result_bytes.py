"""P1 for run folders: any bytes of a manifest or a table give a run or a ResultStoreError, and nothing else.

Mutants: an exception of the JSON parser, of pydantic or of Arrow let through; a hash that is not compared.
"""

import hashlib
import json
import runpy
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mecsim.errors import ResultStoreError
from mecsim.results.manifest import MANIFEST, read_manifest
from mecsim.results.parquet_file import read_table
from mecsim.results.table_values import value_problems

CORPUS = Path(__file__).with_name("corpus")
signed = runpy.run_path(str(Path(__file__).with_name("result_variants.py")))["signed"]
GOOD = signed(json.loads((CORPUS / "manifests" / "wrong-hash.json").read_text(encoding="utf-8")))
TABLE = (CORPUS / "tables" / "negative-user.parquet").read_bytes()
# The files of one example are gone before the next: sharing the folder does no harm.
many = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def answer(folder, content):
    """Return the manifest, or None if it is refused in lines fit for a terminal."""
    (folder / MANIFEST).write_bytes(content)
    try:
        return read_manifest(folder)
    except ResultStoreError as error:
        lines = str(error).splitlines()
        assert lines
        assert all(MANIFEST in line and line.isprintable() and len(line) < 2000 for line in lines)
        return None


def test_the_good_one_is_taken(tmp_path):
    assert answer(tmp_path, json.dumps(GOOD).encode()) == GOOD


@many
@given(content=st.binary(max_size=300))
def test_any_bytes_as_a_manifest(tmp_path, content):
    assert answer(tmp_path, content) is None


@many
@given(data=st.data(), value=json_values)
def test_any_value_at_any_key(tmp_path, data, value):
    key = data.draw(st.sampled_from(sorted(GOOD)))
    changed = GOOD | {key: value}
    found = answer(tmp_path, json.dumps(changed if key == "sha256" else signed(changed)).encode())
    assert found is None or found.keys() == changed.keys()


@many
@given(data=st.data())
def test_pieces_cut_out_and_put_in(tmp_path, data):
    """Whatever is changed, the hash is another one."""
    text = json.dumps(GOOD, indent=1)
    start = data.draw(st.integers(0, len(text)))
    piece = data.draw(st.sampled_from(["", "1", "[", '"', "null", "\x00", "1e999", "{}", ","]))
    changed = text[:start] + piece + text[start + data.draw(st.integers(0, 30)) :]
    found = answer(tmp_path, changed.encode())
    assert found is None or found == GOOD


@many
@given(data=st.data())
def test_any_bytes_in_a_table(tmp_path, data):
    content = bytearray(TABLE)
    for _ in range(data.draw(st.integers(0, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        content[start : start + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    (tmp_path / "positions.parquet").write_bytes(content)
    entry = {"rows": 24, "sha256": hashlib.sha256(content).hexdigest()}
    told = "positions.parquet"
    try:
        value_problems("positions", read_table(tmp_path, "positions", entry).to_pandas())
    except ResultStoreError as error:
        told = str(error)
    assert "positions.parquet" in told


def test_a_hash_that_is_missing_is_an_error(tmp_path):
    without = {key: value for key, value in GOOD.items() if key != "sha256"}
    assert answer(tmp_path, json.dumps(without).encode()) is None
    with pytest.raises(ResultStoreError, match="sha256: missing"):
        read_manifest(tmp_path)
