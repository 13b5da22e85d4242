"""A policy that replaces what computes its results fails; see docs/verification.md J2.

Mutants, each seen to fail here: no look at all, `==` in place of `is`, `__code__` not looked at.
"""

import builtins

import numpy as np
import pytest

import mecsim
from mecsim.engine import guard
from mecsim.errors import PolicyFailed
from mecsim.system.instance import Instance


class EqualToAll:
    """A function in disguise: it says that it is whatever it is compared with."""

    def __call__(self, *arguments):
        raise FloatingPointError

    def __eq__(self, other):
        return True

    __hash__ = None


def numpy_log1p():
    np.log1p = EqualToAll()


def a_method():
    Instance.scr = lambda instance, allocation: 1e9


def the_code_of_a_function():
    guard._problem.__code__ = (lambda answer, observation: "").__code__


def a_builtin():
    builtins.divmod = pow


def a_name_that_is_gone():
    del np.log1p


TRICKS = {
    numpy_log1p: "numpy.log1p",
    a_method: "mecsim.system.instance.scr",
    the_code_of_a_function: "mecsim.engine.guard._problem",
    a_builtin: "builtins.divmod",
    a_name_that_is_gone: "numpy.log1p",
}


class Tricky:
    """Allocates as ``nearest``, and plays a trick at the last epoch."""

    def __init__(self, trick, epoch):
        self.trick, self.epoch, self.inner = trick, epoch, mecsim.make_policy("nearest")

    def allocate(self, observation):
        answer = self.inner.allocate(observation)
        if observation.epoch == self.epoch:
            self.trick()
        return answer

    def __deepcopy__(self, memo):
        return Tricky(self.trick, self.epoch)


@pytest.fixture(scope="module")
def scenario(make_scenario):
    return make_scenario({"duration_s": 20, "reallocation.period_s": 5, "warmup_s": 0})


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
@pytest.mark.parametrize("epoch", [0, 3])
def test_what_is_replaced_is_named(monkeypatch, scenario, trick, epoch):
    for holder, name in (
        (np, "log1p"),
        (Instance, "scr"),
        (builtins, "divmod"),
        (guard._problem, "__code__"),
    ):
        monkeypatch.setattr(holder, name, getattr(holder, name))  # put back afterwards
    with pytest.raises(PolicyFailed, match=rf"policy 'Tricky' has replaced {TRICKS[trick]}, seen") as caught:
        mecsim.simulate(scenario, Tricky(trick, epoch), seed=1)
    monkeypatch.undo()
    assert str(caught.value).endswith(("(epoch 1)", "when the run failed", "at the end of the run"))


def test_an_honest_policy_replaces_nothing(scenario):
    honest = mecsim.simulate(scenario, "nearest", seed=1)
    assert mecsim.simulate(scenario, Tricky(lambda: None, 0), seed=1).digest() == honest.digest()
