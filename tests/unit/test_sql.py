"""SQL over run folders gives what the frames give."""

from __future__ import annotations

from pathlib import Path

import pytest

from mecsim import load_results, load_scenario, simulate
from mecsim.errors import MecsimError, ResultStoreError
from mecsim.results import sql


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("it's")
    for seed, bandwidth in ((0, 10), (1, 20)):
        changes = {"duration_s": 20, "servers.bandwidth_mhz": bandwidth}
        simulate(load_scenario("smoke").with_changes(changes), "gucaa", seed=seed, out=root / str(seed))
    return root


def test_the_views_are_the_frames(folder: Path) -> None:
    pytest.importorskip("duckdb", reason="the sql extra is not installed")
    frames = load_results(folder)
    with sql.connect(folder) as database:
        for name, frame in frames.tables.items():
            found = database.sql(f"SELECT * FROM {name}").df()  # noqa: S608 - our own names
            assert list(found.columns) == list(frame.columns)
            assert len(found) == len(frame)
        asked = 'SELECT "servers.bandwidth_mhz" AS mhz, avg(delay_s) FROM rounds GROUP BY mhz'
        means = dict(database.sql(asked).fetchall())
        assert database.sql("SELECT count(scr) FROM runs").fetchall() == [(2,)]
    expected = frames.rounds.groupby("servers.bandwidth_mhz").delay_s.mean().to_dict()
    assert means == pytest.approx(expected)


def test_a_damaged_table_is_refused(folder: Path, tmp_path: Path) -> None:
    """Mutant rejected: a database that reads whatever is there."""
    pytest.importorskip("duckdb", reason="the sql extra is not installed")
    simulate("smoke", "gucaa", out=tmp_path / "run")
    table = tmp_path / "run" / "epochs.parquet"
    table.write_bytes(table.read_bytes()[:-1])
    with pytest.raises(ResultStoreError, match="is not the file that was written"):
        sql.connect(tmp_path)


def test_without_duckdb(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(sql, "import_module", missing)
    with pytest.raises(MecsimError, match=r"pip install 'mecsim\[sql\]'"):
        sql.connect(folder)
