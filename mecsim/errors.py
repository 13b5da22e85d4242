"""The exceptions a user can meet.

Every class takes positional arguments only, so that ``type(e)(*e.args)`` and pickling give the
same error back: SimPy and process pools rebuild exceptions that way and would otherwise lose them.
"""

from __future__ import annotations

from collections.abc import Iterable

from mecsim.escapes import printable, printable_lines


class MecsimError(Exception):
    """Root of every error that mecsim raises on purpose; its text controls no terminal."""

    def __str__(self) -> str:
        return printable_lines(super().__str__())


class _ProblemsError(MecsimError):
    """An input with one or more problems, all of them listed.

    Parameters
    ----------
    source : str
        What was read: a file, or a word for where the text came from.
    problems : iterable of str
        One complete line for each problem.
    """

    def __init__(self, source: str, problems: Iterable[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(source, self.problems)

    def __str__(self) -> str:
        return "\n".join(map(printable, self.problems))


class UnreadableFile(MecsimError):
    """A file that is missing, is no regular file, or is larger than allowed; the message does not name it."""


class ScenarioError(_ProblemsError):
    """A scenario file that cannot be used."""


class InstanceError(_ProblemsError):
    """An instance file or instance arrays that cannot be used."""


class TraceError(_ProblemsError):
    """A trace file that cannot be used."""


class StudyError(_ProblemsError):
    """A study file that cannot be used."""


class PolicyError(MecsimError):
    """Something is wrong with policies or with what they returned; each argument is one such problem.

    It quotes code of others, whose text may not begin a line of its own.
    """

    def __str__(self) -> str:
        return "\n".join(printable(str(problem)) for problem in self.args)


class BoundError(MecsimError):
    """No upper bound of the SCR is proved for an instance."""


class PluginError(MecsimError):
    """A plug-in that is unknown, cannot be imported or is not what its group expects."""


class ContractViolation(MecsimError, AssertionError):
    """A model fails a check of the contract kit."""


class PolicyNotFound(PolicyError):
    """No policy answers to a given name, or it cannot be imported."""


class InvalidAllocation(PolicyError):
    """A policy returned something that is not a feasible allocation."""


class PolicyFailed(PolicyError):
    """A policy raised an exception; it is chained as the cause."""


class RunFailed(MecsimError):
    """One or more runs of a comparison failed."""


class ResultStoreError(MecsimError):
    """A result folder cannot be written, or what it holds is not what was written."""


class OtherSchema(ResultStoreError):
    """A run folder is in another version of the format than this mecsim reads."""
