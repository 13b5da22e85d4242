"""The threads that a policy starts while it is made, which may fail long after."""

from __future__ import annotations

from collections.abc import Callable

from mecsim.engine.policy_threads import PolicyThreads
from mecsim.errors import PolicyFailed
from mecsim.foreign_code import described
from mecsim.policy import Policy


class ThreadsOfMaking(PolicyThreads):
    """The threads that a policy has started when it was made: if one fails, now or later, the run does."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self._label = label

    def of_making(self, make: Callable[[], Policy]) -> Policy:
        """Return a policy made by a function."""
        self.call_begins()
        try:
            return make()
        finally:
            self.call_ends()

    def __enter__(self) -> ThreadsOfMaking:
        super().__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        super().__exit__()
        if raised[0] is None and self.failures:
            error = self.failures[0]
            reason = f"raised in a thread that it started when it was made: {described(error)}"
            raise PolicyFailed(f"policy '{self._label}' {reason}") from error
