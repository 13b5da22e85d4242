"""The process that forks keepers: it has imported mecsim, and never anything foreign.

It is a program of its own, with one thread, so that a fork of it is a clean start. It ends with the
process that started it.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import time
from contextlib import suppress
from importlib import import_module
from tempfile import TemporaryDirectory

from mecsim.study.isolation.descendants import adopt_orphans, end_children
from mecsim.study.isolation.keeper import keep

_TICK_S, _LAST_S = 0.5, 3.0
# By name: what is called here calls this room.
_PRELOADED = ("cloudpickle", "pyarrow.parquet", "mecsim.study.isolated_run")
_WARM_UP = "smoke"


def serve() -> None:
    """Fork a keeper for each descriptor that comes, the socket of who asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    control = socket.socket(fileno=os.dup(0))
    _prepare()
    adopt_orphans()
    os.chdir("/")
    keepers = set[int]()
    while True:
        if select.select([control], [], [], _TICK_S if keepers else None)[0]:
            _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
            if not descriptors:
                break
            keepers.add(_fork(control, *descriptors))
        _reap(keepers)
    # Each keeper learns by itself that nobody waits for it, unless a call has stopped it.
    deadline_s = time.monotonic() + _LAST_S
    while keepers and time.monotonic() < deadline_s:
        _reap(keepers)
        time.sleep(0.02)
    end_children()


def _fork(control: socket.socket, asker: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            control.close()
            keep(socket.socket(fileno=asker))
        finally:
            os._exit(0)
    os.close(asker)
    return pid


def _reap(keepers: set[int]) -> None:
    """Forget keepers that have ended; end what one has left that was killed."""
    for pid in list(keepers):
        with suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0]:
                keepers.discard(pid)
    end_children(spared=keepers)


def _prepare() -> None:
    """Load and warm up what every run needs, once; it stays shared with the children."""
    from mecsim.registry import make_policy, policy_version

    for name in _PRELOADED:
        import_module(name)
    for name in ("nearest", "gucaa"):  # what policies of others build on
        make_policy(name)
        policy_version(name)
    with TemporaryDirectory() as folder:
        import_module("mecsim.study.runner").simulate(_WARM_UP, out=f"{folder}/run")
    import_module("mecsim.study.replaced_code").look_ahead()
    gc.collect()
    gc.freeze()
