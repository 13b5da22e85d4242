"""Disks that fill up, processes that die, files that rot: a run folder is whole or it says what is wrong."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mecsim import load_results, simulate
from mecsim.cli import main
from mecsim.errors import ResultStoreError
from mecsim.results.leftovers import remove_parts
from mecsim.results.manifest import manifest_sha256
from mecsim.results.result import Results
from mecsim.results.store import load_run, write_run
from mecsim.tables import SCHEMA

PARTS = tuple(f"{n}.parquet" for n in ("rounds", "epochs", "generations", "positions", "allocations"))


@pytest.fixture(scope="module")
def run() -> Results:
    return simulate("smoke", "nearest", seed=1)


@pytest.fixture
def folder(run: Results, tmp_path: Path) -> Path:
    write_run(run, tmp_path / "run")
    return tmp_path / "run"


def fail_at(monkeypatch: pytest.MonkeyPatch, step: int) -> list[str]:
    """Let the ``step``-th operation on the disk fail as on a full one; return the list of operations."""
    done: list[str] = []
    patched = {(os, "fsync"): os.fsync, (Path, "replace"): Path.replace, (Path, "mkdir"): Path.mkdir}
    for (owner, name), original in patched.items():

        def operation(*arguments, name=name, original=original, **more):
            done.append(name)
            if len(done) == step:
                raise OSError(errno.ENOSPC, "No space left on device")
            return original(*arguments, **more)

        monkeypatch.setattr(owner, name, operation)
    return done


def test_a_disk_that_fills_up_at_any_step_leaves_nothing(
    run: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F8, in SQLite's way: fail at the 1st, 2nd, ... operation until the write succeeds."""
    for step in range(1, 50):
        with monkeypatch.context() as patch:
            done = fail_at(patch, step)
            try:
                write_run(run, tmp_path / "run")
                break
            except ResultStoreError as error:
                failed = error
        assert "No space left on device" in str(failed)
        assert isinstance(failed.__cause__, OSError)
        # The last flush comes after the rename: by then the run is there, and whole.
        if "replace" in done[:-1]:
            assert load_run(tmp_path / "run").digest() == run.digest()
            shutil.rmtree(tmp_path / "run")
        assert list(tmp_path.iterdir()) == []
    assert step > 8
    assert load_run(tmp_path / "run").digest() == run.digest()


def test_a_replacement_that_fails_at_any_step_keeps_the_old_run(
    run: Results, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(1, 50):
        with monkeypatch.context() as patch:
            fail_at(patch, step)
            try:
                write_run(run, folder)
            except ResultStoreError:
                pass
            else:
                break
        assert load_run(folder).digest() == run.digest()
        assert [path.name for path in folder.parent.iterdir()] == ["run"]
    assert step > 9


@pytest.mark.skipif(os.name != "posix", reason="signals, fork")
def test_a_process_that_dies_at_any_step_leaves_a_whole_run_or_none(
    run: Results, tmp_path: Path, killed_after: Callable[..., bool]
) -> None:
    """F7. Mutant rejected: tables written under the final name, the manifest first."""
    seen, target = set(), tmp_path / "study" / "run"
    for step in range(1, 50):
        ended = killed_after(step, lambda: bool(write_run(run, target)))
        seen.add(target.exists())
        if target.exists():
            assert load_run(target).digest() == run.digest()
            assert len(load_results(tmp_path).manifest["tables"]) == len(PARTS)
        else:
            with pytest.raises(ResultStoreError, match="no run in it"):
                load_results(tmp_path)
        if ended:
            break
        shutil.rmtree(tmp_path / "study")
    assert seen == {True, False}
    assert ended


def test_leftovers_of_a_killed_writer_are_no_runs(run: Results, folder: Path) -> None:
    part = folder.with_name(".run.12345678.part")
    shutil.copytree(folder, part)
    assert load_results(folder.parent).manifest["run_id"] == run.manifest["run_id"]
    remove_parts(folder.parent, ["another"])
    assert part.exists()
    remove_parts(folder.parent)
    assert not part.exists()


def test_a_run_that_was_moved_aside_and_never_replaced_comes_back(run: Results, folder: Path) -> None:
    """Mutant rejected: deleted with the rest, a finished run would be lost."""
    aside = folder.rename(folder.with_name(".run.12345678.old"))
    remove_parts(folder.parent)
    assert load_run(folder).digest() == run.digest()
    shutil.copytree(folder, aside)
    remove_parts(folder.parent)
    assert [path.name for path in folder.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("name", PARTS)
def test_a_flipped_bit_is_noticed(folder: Path, name: str) -> None:
    """F9. Mutant rejected: trust in parquet, which has no checksum on its pages by default."""
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 3] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ResultStoreError, match=f"{name}: is not the file that was written.*run again"):
        load_results(folder)


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_a_truncated_table_is_noticed(folder: Path, name: str, keep: float) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ResultStoreError, match="is not the file that was written"):
        load_results(folder)


@pytest.mark.parametrize("name", PARTS)
def test_a_missing_table_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ResultStoreError, match=f"{name}: cannot be read: No such file"):
        load_results(folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "damaged"),
        ('{"schema": 4, "tab', "damaged"),
        ("[1, 2]", "not the manifest of a mecsim run"),
        ('{"name": "something else"}', "not the manifest of a mecsim run"),
        ('{"schema": 4, "tables": {}}', "no entry for rounds, epochs, generations, positions"),
        (b"\xff\xfe\x00", "damaged"),
    ],
)
def test_a_damaged_manifest_is_named(folder: Path, text: str | bytes, words: str) -> None:
    (folder / "manifest.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ResultStoreError, match=words) as caught:
        load_results(folder)
    assert "manifest.json" in str(caught.value)


@pytest.mark.parametrize("schema", [0, 1, SCHEMA + 1, str(SCHEMA), None])
def test_another_version_of_the_format_is_refused_and_named(folder: Path, schema: object) -> None:
    """F10."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8")) | {"schema": schema}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ResultStoreError, match=rf"schema = .*: this version of mecsim reads {SCHEMA}"):
        load_results(folder)


def test_a_number_that_changed_in_a_manifest_is_noticed(folder: Path) -> None:
    """Mutant rejected: hashes of the tables only, while warm-up and seed are in the manifest."""
    path = folder / "manifest.json"
    text = path.read_text(encoding="utf-8")
    assert '"warmup_s": 10.0' in text
    path.write_text(text.replace('"warmup_s": 10.0', '"warmup_s": 11.0'), encoding="utf-8")
    with pytest.raises(ResultStoreError, match=r"manifest.json: damaged \(its SHA-256 differs\)"):
        load_results(folder)


def test_a_table_of_another_shape_is_refused_even_if_its_hash_is_right(folder: Path) -> None:
    import hashlib

    import pandas as pd

    frame = pd.read_parquet(folder / "generations.parquet").rename(columns={"scr": "ratio"})
    frame.to_parquet(folder / "generations.parquet")
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    content = (folder / "generations.parquet").read_bytes()
    manifest["tables"]["generations"]["sha256"] = hashlib.sha256(content).hexdigest()
    manifest["sha256"] = manifest_sha256(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ResultStoreError, match=r"generations\.scr: missing"):
        load_results(folder)


@pytest.mark.parametrize("hash_", ["", None, "0" * 64])
def test_a_missing_or_wrong_hash_is_an_error(folder: Path, hash_: str | None) -> None:
    """Mutant rejected: a manifest without a hash is believed."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8")) | {"sha256": hash_}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ResultStoreError, match=r"manifest.json.*(sha256|SHA-256)"):
        load_results(folder)
    del manifest["sha256"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ResultStoreError, match=r"manifest\.json:1: sha256: missing"):
        load_results(folder)


def test_nothing_to_load(tmp_path: Path) -> None:
    with pytest.raises(ResultStoreError, match="no run in it"):
        load_results(tmp_path)
    with pytest.raises(ResultStoreError, match="no run in it"):
        load_results(tmp_path / "gone")


def test_a_damaged_run_is_named_by_the_command_that_meets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "smoke", "-q", "--out", "here"]) == 0
    (tmp_path / "here" / "rounds.parquet").write_bytes(b"PAR1")
    capsys.readouterr()
    assert main(["run", "smoke", "-q", "--out", "here"]) == 2
    assert "delete the folder and run again" in capsys.readouterr().err


def test_a_full_disk_is_a_failed_run_and_no_wrong_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        fail_at(patch, 3)
        assert main(["run", "smoke", "-q"]) == 1
    assert "No space left on device" in capsys.readouterr().err


def test_errors_survive_the_way_between_processes() -> None:
    """F17."""
    error = ResultStoreError("a/b: cannot be written")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is ResultStoreError
    assert again.args == type(error)(*error.args).args
