"""Whatever the code of a policy does while it is imported or made, the user gets one line about it."""

from __future__ import annotations

import pytest

from mecsim.errors import PluginError, PolicyNotFound
from mecsim.registry import list_policies, make_policy, policy_version
from mecsim.scenario.models import load_plugin

CODE = """
import sys

class Base:
    def allocate(self, observation):
        return None

class Silent(Exception):
    def __str__(self):
        raise SystemExit(0)

def raising(error):
    class Made(Base):
        def __init__(self):
            raise error
    return Made

Exits = raising(SystemExit(0))
Status = raising(SystemExit("a\\x1b[31m\\nforged"))
Base_ = raising(BaseException("not an Exception"))
Generator = raising(GeneratorExit())
Interrupt = raising(KeyboardInterrupt())
Wordless = raising(Silent())
Surrogate = raising(ValueError("bad \\ud800"))

class Property:
    @property
    def allocate(self):
        raise SystemExit(0)

class Meta(type):
    def __call__(cls, *arguments, **parameters):
        sys.exit(0)

class Called(Base, metaclass=Meta):
    pass
"""
NAMES = ["Exits", "Status", "Base_", "Generator", "Interrupt", "Wordless", "Surrogate", "Property", "Called"]


@pytest.fixture
def code(tmp_path):
    path = tmp_path / "code.py"
    path.write_text(CODE)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_that_cannot_be_made_is_named(code, name):
    """Mutants: ``except Exception``; the text of an error taken as it is."""
    with pytest.raises(
        PolicyNotFound, match=r"policy '.*' (cannot be made|refused its parameters)"
    ) as caught:
        make_policy(f"{code}:{name}")
    assert isinstance(caught.value.__cause__, BaseException)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "line", ["raise SystemExit(0)", "raise BaseException", "raise KeyboardInterrupt", "exit()"]
)
def test_a_file_that_ends_the_process_does_not(tmp_path, line):
    path = tmp_path / "ends.py"
    path.write_text(f"{line}\nclass P:\n    def allocate(self, observation): ...\n")
    for ask in (make_policy, policy_version):
        with pytest.raises(PolicyNotFound, match="cannot be imported: "):
            ask(f"{path}:P")
    with pytest.raises(PluginError, match="cannot be imported: "):
        load_plugin(path)


def test_a_module_that_ends_the_process_does_not(tmp_path, monkeypatch):
    (tmp_path / "ends_here.py").write_text("import sys\nsys.exit(0)\n")
    info = tmp_path / "somebody-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebody\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[mecsim.policies]\nending = ends_here:P\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for spec in ("ends_here:P", "ending"):
        with pytest.raises(PolicyNotFound, match="cannot be imported: SystemExit: 0"):
            make_policy(spec)
    (entry,) = [entry for entry in list_policies() if entry.name == "ending"]
    assert entry.error.startswith("SystemExit: 0")


def test_the_user_may_interrupt(tmp_path):
    """Mutant: Ctrl-C while a policy is made counts as a failure of it, and the next one is made."""
    path = tmp_path / "slow.py"
    path.write_text(
        "import os, signal, time\nclass Slow:\n    def __init__(self):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n        time.sleep(0.3)\n"
        "    def allocate(self, observation): ...\n"
    )
    with pytest.raises(KeyboardInterrupt):
        make_policy(f"{path}:Slow")
