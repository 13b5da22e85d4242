"""``mecsim solve``: one static snapshot, one policy or several."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecsim.cli.console import print_json, print_table, print_text, say, writing
from mecsim.cli.options import JsonOption, QuietOption
from mecsim.errors import InvalidAllocation, MecsimError
from mecsim.escapes import csv_cell
from mecsim.foreign_code import one_line
from mecsim.results.plain_values import through_json

if TYPE_CHECKING:
    from mecsim.cli.solutions import Solution
    from mecsim.policy import Policy
    from mecsim.study.policy_choice import PolicyChoice
    from mecsim.system.allocation import Allocation
    from mecsim.system.bound import Bound
    from mecsim.system.instance import Instance

InstanceArgument = Annotated[
    Path, typer.Argument(metavar="INSTANCE.json", help="One static snapshot.", show_default=False)
]
PoliciesOption = Annotated[
    str,
    typer.Option(
        "--policy",
        "-p",
        metavar="A,B,C",
        help="One policy or several: NAME, module:Class or file.py:Class, then :key=value,...",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(epilog="Example: mecsim solve snapshot.json --policy rucaa,gucaa,dashf")(solve)


def solve(
    instance: InstanceArgument,
    policy: PoliciesOption,
    trace: Annotated[
        Path | None,
        typer.Option(
            "--trace", metavar="FILE.csv", help="Write every iterate of the policy.", show_default=False
        ),
    ] = None,
    with_bound: Annotated[
        bool, typer.Option("--bound", help="Prove how far each SCR can be from the best.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show by the bound what each resource is worth, too.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Allocate one static snapshot and show the allocation, its costs and its SCR.

    Several policies get a row each. With --json, one policy prints an object, several a list of
    them. --trace writes the attribute `trace` that a policy leaves behind, such as dashf's: a row
    an iterate. --bound and --explain start from the best allocation of the policies.
    """
    from mecsim.study.policy_choice import choose_policies, split_policies
    from mecsim.system.instance_file import load_instance

    snapshot = load_instance(instance)
    choices = choose_policies(split_policies(policy))
    solutions = [_solution(choice, snapshot) for choice in choices]
    if trace is not None:
        _write_traces(trace, solutions)
    proved = _bound(snapshot, solutions) if with_bound or explain else None
    if as_json:
        found: list[dict[str, Any]] = [_object(solution, proved, explain) for solution in solutions]
        print_json(found[0] if len(found) == 1 else found)
        return
    _print(solutions)
    if proved is not None:
        _print_bound(snapshot, solutions, proved, explain)
    for solution in solutions:
        prefix = "" if len(solutions) == 1 else f"{solution.label}: "
        for violation in solution.violations:
            say(f"{prefix}violated: {violation}", quiet=quiet)
    if trace is not None:
        say(f"trace: {trace}", quiet=quiet)


def _print(solutions: Sequence[Solution]) -> None:
    from mecsim.cli.solutions import allocation_table, cost_table, policies_table, totals

    if len(solutions) > 1:
        print_table(policies_table(solutions))
        return
    print_table(allocation_table(solutions[0]))
    print_table(cost_table(solutions[0]))
    print_text(*totals(solutions[0]).split("\n"))


def _bound(instance: Instance, solutions: Sequence[Solution]) -> Bound:
    """Return the upper bound, from the best solution that breaks no constraint if there is one."""
    from mecsim.certificate import bound

    valid = [solution for solution in solutions if not solution.violations and solution.scr > 0.0]
    best = max(valid, key=lambda solution: solution.scr, default=None)
    return bound(instance, incumbent=None if best is None else best.allocation)


def _gap(solution: Solution, proved: Bound) -> float:
    """Return how far a solution can be from the best; NaN for one that breaks constraints."""
    from mecsim.system.bound import gap_to

    return float("nan") if solution.violations else gap_to(proved.upper_bound, solution.scr)


def _object(solution: Solution, proved: Bound | None, explain: bool) -> dict[str, Any]:
    found = solution.as_object()
    if proved is None:
        return found
    found |= {"upper_bound": proved.upper_bound, "gap": _gap(solution, proved)}
    if explain and proved.prices is not None:
        from mecsim.cli.bounds import prices_object

        found["prices"] = prices_object(proved.prices)
    return found


def _print_bound(instance: Instance, solutions: Sequence[Solution], proved: Bound, explain: bool) -> None:
    from mecsim.cli.bounds import explanation, gap_text, prices_table, shown_upper

    since = f", since {proved.reason}" if proved.reason else ""
    print_text(f"no allocation has an SCR above {shown_upper(proved.upper_bound)} (proved){since}")
    for solution in solutions:
        gap = "violates constraints" if solution.violations else gap_text(_gap(solution, proved))
        print_text(f"{solution.label}: {gap}")
    if explain and proved.prices is not None:
        print_table(prices_table(instance, proved.prices))
        print_text(*explanation(instance, proved.upper_bound, proved.prices))


def _solution(choice: PolicyChoice, instance: Instance) -> Solution:
    """Return the solution of a policy, from a process of its own if it is not built in."""
    from mecsim.study.apart import computed_apart

    if not choice.is_foreign:
        return _decide(choice.make(), choice.label, instance)
    found = computed_apart(choice, _plain, choice.label, instance)
    try:
        return _received(found, choice.label, instance)
    except (KeyError, TypeError, ValueError, OverflowError, InvalidAllocation) as error:
        problem = "was answered for by something that is no solution"
        raise InvalidAllocation(f"policy '{choice.label}' {problem}: {one_line(str(error))}") from error


def _received(found: dict[str, Any], label: str, instance: Instance) -> Solution:
    """Return a solution from what another process has sent, which may be anything."""
    from mecsim.cli.solutions import Solution
    from mecsim.engine.answer import plain_number
    from mecsim.system.allocation import Allocation

    allocation, rows = Allocation(**found["allocation"]), found["trace"]
    _refuse_unusable(allocation, label, instance)
    is_trace = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
    trace = [_Row(row) for row in rows] if is_trace else None
    return Solution(
        label, instance, allocation, float(found["cpu_s"]), plain_number(found["iterations"]), trace
    )


def _plain(policy: Policy, label: str, instance: Instance) -> dict[str, Any]:
    """Return a solution as JSON knows it."""
    solution = _decide(policy, label, instance)
    columns = {
        each.name: getattr(solution.allocation, each.name).tolist() for each in fields(solution.allocation)
    }
    trace = [row._asdict() for row in solution.trace] if _is_trace(solution.trace) else None
    found = {"cpu_s": solution.cpu_s, "iterations": solution.iterations, "trace": trace}
    plain: dict[str, Any] = through_json(found)
    return plain | {"allocation": columns}


class _Row:
    """One iterate from another process."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def _asdict(self) -> dict[str, Any]:
        return self._values


def _decide(policy: Policy, label: str, instance: Instance) -> Solution:
    from mecsim.cli.solutions import Solution
    from mecsim.engine.answer import plain_number
    from mecsim.engine.policy_caller import PolicyCaller
    from mecsim.policy import Observation

    caller = PolicyCaller(policy, label)
    answer = caller.ask(Observation.of(instance))
    allocation = answer.allocation
    if allocation is None:
        problem = answer.problem or "returned None, must be an Allocation"
        raise InvalidAllocation(f"policy '{label}' {problem}") from answer.cause
    _refuse_unusable(allocation, label, instance)
    iterations = plain_number(caller.attribute("iterations"))
    return Solution(label, instance, allocation, answer.cpu_s, iterations, caller.attribute("trace"))


def _refuse_unusable(allocation: Allocation, label: str, instance: Instance) -> None:
    """Refuse what has not a server and a number for each user: there is nothing to show."""
    unusable = [v for v in allocation.violations(instance) if v.field == "server" or v.where == "all users"]
    if unusable:
        raise InvalidAllocation(f"policy '{label}': {'; '.join(map(str, unusable))}")


def _write_traces(path: Path, solutions: Sequence[Solution]) -> None:
    """Write all iterates as CSV: the policy, then the fields of the iterates, in order of appearance."""
    without = [s.label for s in solutions if not _is_trace(s.trace)]
    if without:
        raise MecsimError(
            f"--trace: no trace is stored by {', '.join(without)}; it takes a policy whose attribute 'trace' "
            "holds named tuples, as dashf's does"
        )
    found = [row._asdict() | {"policy": s.label} for s in solutions for row in s.trace]
    rows = [{csv_cell(name): csv_cell(value) for name, value in row.items()} for row in found]
    columns = list(dict.fromkeys(["policy", *(name for row in rows for name in row)]))
    with writing(path), path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _is_trace(trace: Any) -> bool:
    return isinstance(trace, Sequence) and all(hasattr(row, "_asdict") for row in trace)
