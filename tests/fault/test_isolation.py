"""Calls in processes of their own: whatever one does, it ends, is described, and leaves nobody behind."""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mecsim.study.isolation import client
from mecsim.study.isolation.child import Child
from mecsim.study.isolation.client import Call
from mecsim.study.isolation.fresh import call_in_fresh_process
from mecsim.study.isolation.place import where

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
LIMIT_S = 1.0


@pytest.fixture(scope="module", autouse=True)
def _functions_travel() -> Iterator[None]:
    """Let functions of this module be called elsewhere, where it cannot be imported."""
    import cloudpickle

    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    yield
    cloudpickle.unregister_pickle_by_value(module)


def exits(child: Child) -> None:
    child.note(5.0)
    os._exit(0)


def leaves(child: Child) -> None:
    sys.exit(0)


def interrupts(child: Child) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)


def is_killed(child: Child) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def rings(child: Child) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    time.sleep(5)


def crashes(child: Child) -> None:
    ctypes.string_at(0)


def stops(child: Child) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def hangs_in_compiled_code(child: Child) -> None:
    child.note(5.0)
    child.note(10.0)
    ctypes.PyDLL(None).sleep(1000)


def closes_all(child: Child) -> str:
    os.closerange(0, 4096)
    return "done"


def writes_everywhere(child: Child) -> str:
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"run finished\n" * 9)
        except OSError:
            continue
    return "done"


def forges(child: Child) -> str:
    """Well-formed messages: the request to write, and an answer without the key."""
    forged = [b"R", b"A" + b"0" * 32 + json.dumps({"value": "forged"}).encode()]
    for descriptor in range(3, 64):
        try:
            kind = socket.socket(fileno=os.dup(descriptor))
            kind.sendall(b"".join(struct.pack("<Q", len(each)) + each for each in forged))
        except OSError:
            continue
    os._exit(0)


def forks(child: Child) -> str:
    """Returns twice."""
    os.fork()
    return "done"


def kills_its_keeper(child: Child) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(5)


def goes_on(child: Child) -> str:
    threading.Thread(target=time.sleep, args=(1000,)).start()
    atexit.register(time.sleep, 1000)
    return "done"


ENDS = {
    exits: ("exit", "ended its own process (exit code 0) at t = 5 s (epoch 0)"),
    leaves: ("raised", "raised SystemExit: 0"),
    interrupts: ("raised", "raised KeyboardInterrupt"),
    is_killed: ("signal", "was killed by signal 9 (SIGKILL), by itself or for lack of memory"),
    rings: ("signal", "was killed by signal 14 (SIGALRM)"),
    crashes: ("signal", "crashed: Fatal Python error: Segmentation fault (signal 11, SIGSEGV)"),
    stops: ("limit", "limit of 1 s and was ended, before its first decision"),
    hangs_in_compiled_code: ("limit", "at t = 10 s (epoch 1)"),
    closes_all: ("silent", "descriptors were closed"),
    writes_everywhere: ("garbled", "wrote to the descriptor of its answer"),
    forges: ("garbled", "wrote to the descriptor of its answer"),
    forks: ("answered", "answered"),
    kills_its_keeper: ("lost", "ended the process that watches over it"),
    goes_on: ("answered", "answered"),
}
PLACED = (stops, hangs_in_compiled_code, crashes)


@pytest.mark.parametrize("function", ENDS, ids=lambda function: function.__name__)
def test_every_end_is_described(function) -> None:
    """Mutants rejected: exit code 0 taken for success; the first bytes that come taken for the answer."""
    ending = Call(function, limit_s=LIMIT_S).wait()
    how, told = ENDS[function]
    assert (ending.how, ending.value) == (how, "done" if how == "answered" else None)
    assert told in where(ending, LIMIT_S)
    if function in PLACED:
        assert where(ending, LIMIT_S).endswith(f" in {function.__name__}")


def leaves_processes(place: str, child: Child) -> str:
    """One in a session of its own, one that nobody is the parent of any more."""
    own = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    orphan = subprocess.run(
        ["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!"],
        capture_output=True,
        text=True,
        check=True,
    )
    Path(place).write_text(f"{own.pid} {int(orphan.stdout)}")
    return "done"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere what calls setsid lives on")
def test_nothing_that_a_call_started_outlives_it(tmp_path: Path) -> None:
    """Item 10. Mutant rejected: only the process group is ended."""
    assert Call(leaves_processes, str(tmp_path / "pids")).wait().value == "done"
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 2
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def hangs_somewhere(place: str, child: Child) -> None:
    Path(place).write_text(f"{os.getpid()} {os.getppid()}")
    child.note(0.0)
    while True:
        time.sleep(0.01)


def wait_for(what) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_call_that_is_stopped_says_where_it_was_and_whose_deed_it_is(tmp_path: Path) -> None:
    """Mutant rejected: a child that was ended from here described as killed for lack of memory."""
    call, found = Call(hangs_somewhere, str(tmp_path / "pids")), []
    thread = threading.Thread(target=lambda: found.append(call.wait()))
    thread.start()
    wait_for((tmp_path / "pids").exists)
    time.sleep(0.1)
    call.stop()
    thread.join(20)
    assert found[0].how == "stopped"
    assert "was ended because mecsim was interrupted at t = 0 s (epoch 0)" in where(found[0])
    assert where(found[0]).endswith(" in hangs_somewhere")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_whoever_asked_is_killed_and_nobody_is_left(tmp_path: Path) -> None:
    """Mutant rejected: a keeper that does not look whether anybody still waits."""
    place = tmp_path / "pids"
    code = (
        "import sys; sys.path[:0] = sys.argv[1:2]; import test_isolation as t; "
        "t.Call(t.hangs_somewhere, sys.argv[2]).wait()"
    )
    asker = subprocess.Popen([sys.executable, "-c", code, str(Path(__file__).parent), str(place)])
    wait_for(lambda: place.exists() and len(place.read_text().split()) == 2)
    asker.kill()
    asker.wait()
    for pid in place.read_text().split():
        wait_for(lambda pid=pid: not Path(f"/proc/{pid}").exists())


def surroundings(child: Child) -> dict[str, object]:
    mask = os.umask(0)
    os.umask(mask)
    return {
        "folder": str(Path.cwd()),
        "variable": os.environ.get("OF_THE_TEST"),
        "blas": os.environ["OPENBLAS_NUM_THREADS"],
        "path": sys.path[0],
        "mask": mask,
        "blocked": sorted(int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "input": sys.stdin.read() if sys.stdin else "",
        "descriptors": sorted(int(path.name) for path in Path("/proc/self/fd").iterdir())[:3]
        if sys.platform == "linux"
        else [],
        "modules": "pytest" in sys.modules,
    }


def test_a_call_begins_in_the_surroundings_of_who_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Item 4. Mutant rejected: what the server was started with, or what an earlier call left."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        monkeypatch.setenv("OF_THE_TEST", name)
        monkeypatch.syspath_prepend(str(tmp_path / name))
        found = Call(surroundings).wait().value
        assert found["folder"] == found["path"] == str(tmp_path / name)
        assert (found["variable"], found["blas"], found["blocked"]) == (name, "1", [])
        assert (found["input"], found["descriptors"]) == ("", [0, 1, 2] if sys.platform == "linux" else [])


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_server_that_is_stopped_is_replaced() -> None:
    """A policy can stop it. Mutant rejected: the next call waits for minutes, whatever its limit."""
    assert Call(forks).wait().value == "done"
    server = client._server
    for way in server._free:
        way.close()
    server._free.clear()
    assert server._process is not None
    stopped = server._process.pid
    os.kill(stopped, signal.SIGSTOP)
    patience = threading.Timer(60.0, os.kill, (stopped, signal.SIGKILL))
    patience.start()
    assert Call(forks, limit_s=60.0).wait().value == "done"
    assert patience.is_alive(), "the call went on only when the server was killed"
    patience.cancel()
    assert not Path(f"/proc/{stopped}").exists()


@pytest.mark.parametrize("limit_s", [1e10, 1e300, float("inf")])
def test_a_limit_that_is_longer_than_any_clock_counts(limit_s: float) -> None:
    """Mutant rejected: the OverflowError of a wait for so long."""
    assert Call(forks, limit_s=limit_s).wait().value == "done"


def blocks_nothing(child: Child) -> None:
    os.set_blocking(2, False)


def test_the_state_of_our_descriptors_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant rejected: a terminal that the policy has made non-blocking for the command, which then fails."""
    before = os.get_blocking(2)
    Call(blocks_nothing).wait()
    assert os.get_blocking(2) == before


def test_without_fork_a_call_has_a_fresh_process() -> None:
    import cloudpickle

    for function in (forks, leaves, exits):
        ending = call_in_fresh_process(cloudpickle.dumps((function, ())), 60.0)
        assert ending.how == ENDS[function][0]
    assert call_in_fresh_process(cloudpickle.dumps((hangs_somewhere, (os.devnull,))), 0.5).how == "limit"
