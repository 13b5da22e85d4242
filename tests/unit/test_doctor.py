"""`mecsim doctor`: what is there, what is missing, and how to get it."""

import json

import pytest

from mecsim.cli import main
from mecsim.testing import doctor


def symptoms():
    return {symptom.what: symptom for symptom in doctor.examine()}


def test_every_dependency_is_looked_for():
    told = symptoms()
    for name in ("Python", "numpy", "simpy", "cvxpy", "clarabel", "scs", "pydantic", "typer"):
        assert told[name].needed
        assert told[name].found[0].isdigit(), name
    assert not told["ecos"].needed
    assert "GPL" in told["ecos"].purpose
    assert told["SIMD"].found
    assert "blas" in told["BLAS threads"].found.lower()


def test_extras_say_how_to_get_them(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda name: "" if name == "duckdb" else "1.0")
    assert symptoms()["duckdb"].remedy == "pip install 'mecsim[sql]'"
    assert symptoms()["dask"].remedy == ""


@pytest.mark.parametrize(("gone", "code"), [("scs", 1), ("ecos", 0), ("duckdb", 0), (None, 0)])
def test_only_what_is_needed_fails(monkeypatch, capsys, gone, code):
    """Mutants: an optional package that fails the command; a missing one that does not."""
    monkeypatch.setattr(doctor, "_version", lambda name: "" if name == gone else "1.0")
    assert main(["doctor", "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] == (code == 0)
    missing = [symptom for symptom in told["findings"] if symptom["what"] == gone]
    assert all(symptom["found"] == "" and symptom["remedy"] for symptom in missing)
    assert len(missing) == (gone is not None)


def test_a_missing_package_is_named(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_version", lambda name: "" if name == "scs" else "1.0")
    assert main(["doctor"]) == 1
    streams = capsys.readouterr()
    assert "MISSING" in streams.out
    assert "pip install 'scs" in streams.out
    assert "missing: scs" in streams.err


def test_a_policy_that_cannot_be_imported_is_named(monkeypatch):
    from mecsim.registry import PolicyEntry

    broken = PolicyEntry("mine", "a.b:C", "", "a 1.0", "ImportError: no b")
    monkeypatch.setattr(doctor, "list_policies", lambda: [broken])
    assert symptoms()["policy mine"].remedy == "ImportError: no b"
