"""Tables for other programs: the same numbers, whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mecsim import load_results, load_scenario, simulate
from mecsim.cli import main
from mecsim.errors import ResultStoreError
from mecsim.results.export import write_csv, write_mat
from mecsim.results.result import Results
from mecsim.tables import TABLES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    scenario = load_scenario("smoke").with_changes({"duration_s": 20})
    for seed, bandwidth in ((0, 10), (1, 20)):
        changed = scenario.with_changes({"servers.bandwidth_mhz": bandwidth})
        simulate(changed, "gucaa", seed=seed, out=root / str(seed))
    return root


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Results:
    return load_results(folder)


def test_csv_has_every_digit(loaded: Results, tmp_path: Path) -> None:
    """Mutant rejected: numbers rounded for people."""
    files = write_csv(loaded, tmp_path)
    assert [file.stem for file in files] == list(TABLES)
    for file in files:
        # Python reads every digit, whatever pandas does by default.
        read, expected = pd.read_csv(file, dtype=str), loaded.tables[file.stem]
        for name in expected.columns:
            values = expected[name].to_numpy()
            as_text = values.dtype.kind in "OUT" or expected[name].dtype == "str"
            found = read[name] if as_text else [float(text) for text in read[name].fillna("nan")]
            np.testing.assert_array_equal(np.asarray(found, dtype=values.dtype), values)


def test_mat_has_every_bit(loaded: Results, tmp_path: Path) -> None:
    from scipy.io import loadmat

    read = loadmat(write_mat(loaded, tmp_path), simplify_cells=True)
    for name, frame in loaded.tables.items():
        assert len(read[name]) == frame.shape[1]
        np.testing.assert_array_equal(read[name]["servers_bandwidth_mhz"], frame["servers.bandwidth_mhz"])
    np.testing.assert_array_equal(read["rounds"]["delay_s"], loaded.rounds["delay_s"])
    np.testing.assert_array_equal(read["allocations"]["bandwidth_hz"], loaded.allocations["bandwidth_hz"])
    assert list(read["rounds"]["outcome"]) == list(loaded.rounds["outcome"])
    assert read["units"]["delay_s"] == "s"


@pytest.mark.parametrize("write", [write_csv, write_mat])
def test_a_full_disk_leaves_nothing(
    write, loaded: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ResultStoreError, match="No space left"):
        write(loaded, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(folder), "--csv", "--mat", "--out", str(tmp_path / "x")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(TABLES) + 1
    assert len(list((tmp_path / "x").iterdir())) == len(TABLES) + 1
    assert main(["export", str(folder)]) == 2
    assert "--csv or --mat" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "gone"), "--csv"]) == 2


def test_the_matlab_file_is_no_larger_than_the_csv_files(tmp_path: Path) -> None:
    """Mutant: savemat's default, which does not compress."""
    results = simulate("smoke", "gucaa")
    csv_bytes = sum(path.stat().st_size for path in write_csv(results, tmp_path))
    assert write_mat(results, tmp_path).stat().st_size < 0.5 * csv_bytes
