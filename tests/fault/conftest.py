"""Ways to kill what is at work on a folder of results."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def plain_cli() -> str:
    """Return a program that is the command line without pictures, whose libraries take seconds to load."""
    return (
        "import sys; from mecsim.analysis.report import page; "
        "from mecsim.study.comparison import Comparison; Comparison.figure = lambda *_: []; "
        "page.write_report = lambda folder, *_: folder / page.REPORT; "
        "from mecsim.cli import main; sys.exit(main(sys.argv[1:]))"
    )


@pytest.fixture
def killed_after() -> Callable[[int, Callable[[], bool]], bool]:
    """Do something in a fork that kills itself after its so-manieth write; say if it came to its end."""
    return _killed_after


def _killed_after(step: int, act: Callable[[], bool]) -> bool:
    process = os.fork()
    if process == 0:
        left = step

        def counted(original):
            def operation(*arguments, **more):
                nonlocal left
                answer = original(*arguments, **more)
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return answer

            return operation

        os.fsync, Path.replace = counted(os.fsync), counted(Path.replace)  # type: ignore[method-assign]
        code = 3
        try:
            code = 0 if act() else 4
        finally:
            os._exit(code)
    status = os.waitpid(process, 0)[1]
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
    return os.WIFEXITED(status)
