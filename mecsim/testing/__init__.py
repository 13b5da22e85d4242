"""Tools that test policies and mecsim itself.

:func:`check_policy` runs the contract checks that every policy must pass. The tests of mecsim compare the
engine with a slow, independent implementation (:mod:`~mecsim.testing.reference_engine`) and with digests of
short runs (:mod:`~mecsim.testing.golden`). :mod:`~mecsim.testing.verification` holds the checks of
``mecsim verify``.
"""

from __future__ import annotations

from mecsim.testing.contract import (
    CONTRACT_CHECKS,
    ContractReport,
    check_policy,
    examine_policy,
    parametrize_with_checks,
)
from mecsim.testing.contract_checks.subject import SYSTEMS, Traits

__all__ = [
    "CONTRACT_CHECKS",
    "SYSTEMS",
    "ContractReport",
    "Traits",
    "check_policy",
    "examine_policy",
    "parametrize_with_checks",
]
