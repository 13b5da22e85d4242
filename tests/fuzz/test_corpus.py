"""Files that once broke a parser, or are of the kind that does: the right error within 1 s and 200 MB (P6).

Add a file that broke something to `corpus/` of its kind; that is all.
"""

import hashlib
import pickle
import shutil
import tempfile
import time
import tracemalloc
from pathlib import Path

import pytest

from mecsim import load_instance, load_scenario
from mecsim.errors import (
    InstanceError,
    MecsimError,
    ResultStoreError,
    ScenarioError,
    StudyError,
    TraceError,
)
from mecsim.results.manifest import MANIFEST, read_manifest
from mecsim.results.parquet_file import read_table
from mecsim.results.table_values import value_problems
from mecsim.study.spec import load_study
from mecsim.world.traces.read import load_trace

CORPUS = Path(__file__).with_name("corpus")


def load_manifest(path):
    """Read a file as the manifest of a run folder."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, path.name)
        folder.mkdir()
        shutil.copy(path, folder / MANIFEST)
        return read_manifest(folder)


def load_table(path):
    """Read a file as a table of a manifest that has its hash."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, path.name)
        folder.mkdir()
        content = Path(shutil.copy(path, folder / "positions.parquet")).read_bytes()
        entry = {"rows": 24, "sha256": hashlib.sha256(content).hexdigest()}
        frame = read_table(folder, "positions", entry).to_pandas()
        if problems := value_problems("positions", frame):
            raise ResultStoreError("\n".join(f"{path.name}: {problem}" for problem in problems))


KINDS = {
    "scenarios": (load_scenario, ScenarioError),
    "instances": (load_instance, InstanceError),
    "studies": (load_study, StudyError),
    "traces": (load_trace, TraceError),
    "manifests": (load_manifest, ResultStoreError),
    "tables": (load_table, ResultStoreError),
}
FILES = sorted(path for kind in KINDS for path in (CORPUS / kind).iterdir())


def assert_refused(load, error, path, most_s=1.0, most_bytes=200e6):
    """Any other exception fails the test that asks, and so do time and memory above the bounds."""
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(error) as caught:
            load(path)
        spent_s, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Watching the memory makes Python several times slower.
    assert spent_s < 4 * most_s
    assert peak < most_bytes
    problems = getattr(caught.value, "problems", None) or str(caught.value).splitlines()
    assert problems
    assert all(path.name in line and len(line) < 2000 and "\n" not in line for line in problems)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_file_of_the_corpus_is_refused(path):
    assert_refused(*KINDS[path.parent.name], path)


def test_every_kind_has_files():
    assert {path.parent.name for path in FILES} == set(KINDS)


def good(path):
    return None


def breaks(path):
    raise ValueError("inside")


def slow(path):
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    raise ScenarioError("s", [f"{path.name}: no"])


def large(path):
    content = bytearray(10_000_000)
    raise ScenarioError("s", [f"{path.name}: no {len(content)}"])


@pytest.mark.parametrize("load", [good, breaks, slow, large])
def test_a_parser_that_accepts_breaks_or_takes_too_much_is_noticed(load):
    with pytest.raises((AssertionError, ValueError, pytest.fail.Exception)):
        assert_refused(load, ScenarioError, Path("f.toml"), most_s=0.05, most_bytes=5e6)


def test_errors_of_files_are_errors_of_mecsim():
    assert all(issubclass(error, MecsimError) for _, error in KINDS.values())
