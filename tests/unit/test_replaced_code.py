"""A policy that replaces what computes its results fails; see docs/verification.md J2.

Mutants, each seen to fail here: no look at all, `==` in place of `is`, `__code__` not looked at, nor
defaults, constants, properties, fields and pandas.
"""

import builtins

import numpy as np
import pandas as pd
import pytest

import mecsim
from mecsim import Allocation
from mecsim.engine import guard
from mecsim.errors import PolicyFailed
from mecsim.system import allocation
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


def a_default_of_a_function():
    Allocation.violations.__defaults__ = (1e9,)


def a_constant():
    allocation.GRANTS = ()


def a_property():
    Instance.user_count = property(lambda instance: 1)


def a_field_with_slots():
    Allocation.bandwidth_hz = property(lambda answer: 0.0, lambda answer, value: None)


def the_code_of_a_property():
    Instance.user_count.fget.__code__ = (lambda self: 1).__code__


def a_method_of_a_frame():
    pd.Series.mean = lambda series: 12345.0


TRICKS = {
    numpy_log1p: "numpy.log1p",
    a_method: "mecsim.system.instance.scr",
    the_code_of_a_function: "mecsim.engine.guard._problem",
    a_builtin: "builtins.divmod",
    a_name_that_is_gone: "numpy.log1p",
    a_default_of_a_function: "mecsim.system.allocation.violations",
    a_constant: "mecsim.system.allocation.GRANTS",
    a_property: "mecsim.system.instance.user_count",
    a_field_with_slots: "mecsim.system.allocation.bandwidth_hz",
    the_code_of_a_property: "mecsim.system.instance.user_count",
    a_method_of_a_frame: "pandas.mean",
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
        (Allocation.violations, "__defaults__"),
        (allocation, "GRANTS"),
        (Instance.user_count.fget, "__code__"),
        (Instance, "user_count"),
        (Allocation, "bandwidth_hz"),
        (pd.Series, "mean"),
    ):
        monkeypatch.setattr(holder, name, getattr(holder, name))  # put back afterwards
    with pytest.raises(PolicyFailed, match=rf"policy 'Tricky' has replaced {TRICKS[trick]}, seen") as caught:
        mecsim.simulate(scenario, Tricky(trick, epoch), seed=1)
    monkeypatch.undo()
    assert str(caught.value).endswith(("(epoch 1)", "when the run failed", "at the end of the run"))


def test_an_honest_policy_replaces_nothing(scenario):
    honest = mecsim.simulate(scenario, "nearest", seed=1)
    assert mecsim.simulate(scenario, Tricky(lambda: None, 0), seed=1).digest() == honest.digest()
