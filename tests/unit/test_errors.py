"""Every error of mecsim survives being rebuilt from its arguments and being pickled (verification F17)."""

import copy
import pickle
import re
from pathlib import Path

import pytest

import mecsim.errors
from mecsim.errors import InstanceError, MecsimError, ScenarioError
from mecsim.messages import nearest


def every_error(root=MecsimError):
    found = {root}
    for kind in root.__subclasses__():
        found |= every_error(kind)
    return found


ERRORS = sorted((e for e in every_error() if e.__module__ == "mecsim.errors"), key=lambda e: e.__name__)


def made(kind):
    """Return an error as the code makes it."""
    if kind.__init__ is ScenarioError.__init__:
        return kind("a file.toml", ["first problem", "second problem"])
    return kind("what happened, and what to do")


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_can_be_rebuilt(kind):
    error = made(kind)
    for again in (type(error)(*error.args), pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is kind
        assert str(again) == str(error)
        assert again.args == error.args
        assert vars(again) == vars(error)


def test_a_class_that_cannot_be_rebuilt_would_be_noticed():
    class KeywordOnly(MecsimError):
        def __init__(self, message, *, code):
            super().__init__(message)
            self.code = code

    error = KeywordOnly("no", code=3)
    with pytest.raises(TypeError):
        type(error)(*error.args)


def test_every_error_class_of_mecsim_is_among_them():
    package = Path(mecsim.errors.__file__).parent
    kinds = r"\w+\([^)]*(Error|Exception|NotFound|Failed|InvalidAllocation|Schema)\b"
    every = re.compile(rf"^\s*class {kinds}", re.MULTILINE)
    # A private one is caught in the file that has it, and meets nobody.
    elsewhere = re.compile(rf"^\s*class (?!_){kinds}", re.MULTILINE)
    assert len(every.findall(Path(mecsim.errors.__file__).read_text("utf-8"))) == len(ERRORS)
    # Those between two processes of mecsim are caught at its other end.
    between = ("wire.py", "cluster_worker.py")
    files = [path for path in package.rglob("*.py") if path.name not in ("errors.py", *between)]
    assert [path for path in files if elsewhere.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize("kind", [ScenarioError, InstanceError])
def test_all_problems_are_listed(kind):
    error = kind("a file", (line for line in ("first", "second")))
    assert (error.source, error.problems) == ("a file", ("first", "second"))
    assert str(error) == "first\nsecond"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("gucca", "; did you mean 'gucaa'?"), ("nearst", "; did you mean 'nearest'?"), ("xyz", "")],
)
def test_nearest_name(name, hint):
    assert nearest(name, {"gucaa", "nearest", "rucaa"}) == hint
