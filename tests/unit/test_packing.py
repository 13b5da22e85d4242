"""Calls as bytes: which modules travel along."""

import abc
import sys

from mecsim.study.isolation.packing import _unknown_elsewhere


class Abstract(abc.ABC):  # noqa: B024 - only where it comes from matters
    """Stands for a policy of stable-baselines3."""


def test_modules_that_python_has_frozen_are_found_elsewhere():
    """Mutant: no finder says their file, so abc travelled along, and its classes were strangers there."""
    assert sys.modules["abc"] not in set(_unknown_elsewhere([Abstract()]))
