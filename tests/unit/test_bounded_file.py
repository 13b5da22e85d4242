"""The one reader of files from elsewhere refuses at once what is no regular file, also through a link."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mecsim import load_instance, load_scenario
from mecsim.config.bounded_file import read_bounded, read_text_bounded
from mecsim.errors import MecsimError, UnreadableFile
from mecsim.results.manifest import read_manifest
from mecsim.study.decision_run import read_decision
from mecsim.study.spec import load_study
from mecsim.world.traces.read import load_trace

MOST = 1000
PROC = [
    name
    for name in ("/proc/self/environ", "/proc/kmsg", "/proc/self/mem", "/proc/self/pagemap")
    if Path(name).exists()
]


def pipe(place: Path) -> None:
    os.mkfifo(place)


def unix_socket(place: Path) -> None:
    folder = os.open(place.parent, os.O_RDONLY)
    try:  # the path of a socket is short: it is bound by its name in the present folder
        before = Path.cwd()
        os.fchdir(folder)
        socket.socket(socket.AF_UNIX).bind(place.name)
        os.chdir(before)
    finally:
        os.close(folder)


def endless(place: Path) -> None:
    place.symlink_to("/dev/zero")


def loop(place: Path) -> None:
    place.symlink_to(place.name)


def huge(place: Path) -> None:
    with place.open("wb") as file:
        file.truncate(1 << 40)  # takes no room on the disk


def folder(place: Path) -> None:
    place.mkdir()


def linked_pipe(place: Path) -> None:
    os.mkfifo(place.with_name("pipe"))
    place.symlink_to("pipe")


def system_file(place: Path) -> None:
    place.symlink_to(PROC[0] if PROC else "/dev/null")


KINDS = (pipe, unix_socket, endless, loop, huge, folder, linked_pipe, system_file)
READERS: dict[str, Callable[[Path], object]] = {
    "scenario.toml": load_scenario,
    "study.toml": load_study,
    "instance.json": load_instance,
    "trace.csv": load_trace,
    "trace.gpx": load_trace,
    "decision.json": read_decision,
    "manifest.json": lambda path: read_manifest(path.parent),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_every_reader_refuses_what_is_no_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Mutants: `read_bytes`, which waits for pipes and fills the memory from /dev/zero; only a size limit."""
    began = time.process_time()
    for name, read in READERS.items():
        place = tmp_path / name / name
        place.parent.mkdir()
        make(place)
        with pytest.raises(MecsimError) as caught:
            read(place)
        assert name in str(caught.value)
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize("name", PROC)
def test_files_of_the_system_are_refused(name: str) -> None:
    """They have no size, or no end, and some wait for what comes. Mutant: a size limit alone."""
    with pytest.raises(UnreadableFile):
        read_bounded(name, MOST)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 5000, "no/such/file", ""])
def test_names_that_no_file_has(name: str) -> None:
    with pytest.raises(UnreadableFile):
        read_bounded(name, MOST)


def test_a_regular_file_is_read_up_to_the_limit(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"x" * MOST)
    (tmp_path / "link").symlink_to("file")
    assert read_bounded(place, MOST) == read_bounded(tmp_path / "link", MOST) == b"x" * MOST
    with pytest.raises(UnreadableFile, match="is larger than"):
        read_bounded(place, MOST - 1)
    with pytest.raises(UnreadableFile, match="is a symbolic link"):
        read_bounded(tmp_path / "link", MOST, follow_links=False)


def test_text_is_utf_8_with_or_without_a_mark(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"\xef\xbb\xbfa")
    assert read_text_bounded(place, MOST) == "a"
    place.write_bytes(b"a\xff")
    with pytest.raises(UnreadableFile, match=r"not UTF-8 text \(byte 1\)"):
        read_text_bounded(place, MOST)


def test_a_file_that_grows_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutant: reading to the end, wherever that is by then."""
    place = tmp_path / "file"
    place.write_bytes(b"x")
    state = os.fstat

    def grown(descriptor: int) -> os.stat_result:
        found = state(descriptor)
        with place.open("ab") as file:
            file.write(b"more")
        return found

    monkeypatch.setattr(os, "fstat", grown)
    with pytest.raises(UnreadableFile, match="not as long as its size says"):
        read_bounded(place, MOST)
