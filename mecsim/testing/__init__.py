"""What tests compare with, and what authors of policies test with.

Slow, obvious implementations of the hard parts (:mod:`~mecsim.testing.reference_engine`), the contract
that every policy keeps (:func:`check_policy`), digests of short runs (:mod:`~mecsim.testing.golden`),
and the checks of ``mecsim verify`` (:mod:`~mecsim.testing.verification`).
"""

from __future__ import annotations

from mecsim.testing.contract import ContractReport, check_policy, examine_policy, parametrize_with_promises
from mecsim.testing.promises import PROMISES, SYSTEMS, Traits

__all__ = [
    "PROMISES",
    "SYSTEMS",
    "ContractReport",
    "Traits",
    "check_policy",
    "examine_policy",
    "parametrize_with_promises",
]
