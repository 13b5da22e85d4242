"""F10: run folders that earlier commits of mecsim wrote, kept as they were, and the sets of columns since."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from mecsim import load_results
from mecsim.cli import main
from mecsim.errors import OtherSchema
from mecsim.results.store import MANIFEST, claim, read_manifest
from mecsim.study.spec import load_study
from mecsim.study.sweep import sweep
from mecsim.tables import SCHEMA, TABLES

ASSETS = Path(__file__).parent / "assets"
OLD = {
    "results-46-columns": (1, "806eaf67499ff7356a736355625fe836c85682f1"),
    "results-48-columns": (1, "dcc1daa1dc9effaa343b5450f6eb12ebd15beebe"),
    "results-63-columns": (2, "4f5321d6ca2a2114fff9622083e6bb676400cd8d"),
}
COLUMNS = {4: "6287b4617fc6c8b9"}
STUDY = 'schema = 1\nname = "old"\nscenarios = ["smoke"]\npolicies = ["gucaa"]\nreplications = 2\n'


@pytest.mark.parametrize("name", OLD)
def test_a_run_of_an_earlier_version_is_refused_with_the_one_that_reads_it(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mutant rejected: a schema that was not raised with the columns, told as tables that lack some."""
    with pytest.raises(OtherSchema) as caught:
        load_results(ASSETS / name)
    message, (schema, commit) = str(caught.value), OLD[name]
    reader = f"mecsim 0.1.0 of commit {commit}"
    assert (
        f"schema = {schema}: this version of mecsim reads {SCHEMA}; read it with {reader}, or run" in message
    )
    for command in (["table"], ["plot", "--kind", "pareto"], ["export", "--csv"]):
        assert main([command[0], str(ASSETS / name), *command[1:]]) == 2
        assert f"this version of mecsim reads {SCHEMA}" in " ".join(capsys.readouterr().err.split())


def test_the_schema_is_raised_with_the_columns() -> None:
    """Three sets of columns went by under schema 1. After a change: raise SCHEMA, add a line to COLUMNS."""
    here = [(name, c.name, c.dtype, c.unit) for name, columns in TABLES.items() for c in columns]
    assert {SCHEMA: sha256(repr(here).encode()).hexdigest()[:16]} == COLUMNS
    assert sha256(repr(here[1:]).encode()).hexdigest()[:16] != COLUMNS[SCHEMA]


@pytest.mark.usefixtures("in_one_process")
def test_a_sweep_replaces_its_runs_of_an_earlier_version(tmp_path: Path, monkeypatch) -> None:
    """They count as outdated, and go when the new ones are whole; another run's folder is left alone."""
    monkeypatch.chdir(tmp_path)
    Path("old.toml").write_text(STUDY)
    study = load_study("old.toml", {"duration_s": 12})
    whole = sweep(study, out="out", jobs=1)
    first = Path("out", whole.outcomes[0].run_id)
    manifest = json.loads((first / MANIFEST).read_text()) | {"schema": 1}
    (first / MANIFEST).write_text(json.dumps(manifest))
    shutil.copytree(ASSETS / "results-48-columns", "out/stranger")
    again = sweep(study, out="out", jobs=1)
    assert again.origins == {"reused": 1, "replaced": 1}
    assert again.damaged == ()
    assert read_manifest(first)["digest"] == manifest["digest"]
    with pytest.raises(OtherSchema):
        read_manifest("out/stranger")
    with pytest.raises(Exception, match="holds another run"):
        claim("out/stranger", whole.outcomes[0].run_id)
