"""All hostile policies of the folder, each with what must come of it.

Every one behaves as ``nearest`` until some epoch and then plays its trick. ``expect`` says what must happen
in ``run``, ``compare`` with one job or two, ``sweep``, and in ``simulate`` for those that are :data:`SAFE` in
the process of a test:

``fails``: the run fails with PolicyFailed or InvalidAllocation that names policy, time and epoch; exit code
1; all other runs go on. ``unmakeable``: it cannot be made; an error names it. ``harmless``: the tables are
those of ``nearest``. ``marked``: the same, and counts and a warning say that observations were changed.
``irreproducible``: the manifest has ``reproducible = false`` with the reason, and the generators are as
before. ``ends``: it ends its process, which is a failure of this run alone. ``hangs``: a limit ends it and
says in which epoch and line. ``contained``: whatever its own run is, runs of other policies have the bits
they have alone, and the command ends. ``unsendable``: as an object made in Python it is refused by name.
"""

import runpy
from pathlib import Path
from typing import NamedTuple

FILES = ("hostile_failures.py", "hostile_answers.py", "hostile_processes.py", "hostile_hooks.py")
SAFE = ("fails", "unmakeable", "harmless", "marked", "irreproducible")
_KINDS = {"Hostile", "Fails", "Harmless", "Marked", "Ends", "Hangs", "Irreproducible"}


class Case(NamedTuple):
    """A policy: how it is named on the command line, the name of its class, and what must happen."""

    spec: str
    name: str
    expect: str


def of(*kinds: str) -> list[Case]:
    """Return the cases of some kinds."""
    return [case for case in CASES if case.expect in kinds]


def _cases(file: Path) -> list[Case]:
    classes = runpy.run_path(str(file), run_name="hostile").items()
    found = [(name, cls) for name, cls in classes if hasattr(cls, "expect") and name not in _KINDS]
    return [Case(f"{file}:{name}", name, cls.expect) for name, cls in found]


CASES = [case for name in FILES for case in _cases(Path(__file__).with_name(name))]
