"""``mecsim solve`` and ``policies``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecsim.cli.console import print_json, print_table, say
from mecsim.cli.options import JsonOption, QuietOption
from mecsim.errors import InvalidAllocation, MecsimError, PolicyFailed

if TYPE_CHECKING:
    from rich.table import Table

    from mecsim.policy import Policy
    from mecsim.system.allocation import Allocation
    from mecsim.system.instance import Instance


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(epilog="Example: mecsim solve snapshot.json --policy gucaa --json")(solve)
    app.command(epilog="Example: mecsim policies --json")(policies)


def solve(
    instance: Annotated[
        Path, typer.Argument(metavar="INSTANCE.json", help="One static snapshot.", show_default=False)
    ],
    policy: Annotated[
        str,
        typer.Option(
            "--policy", "-p", metavar="P", help="NAME, module:Class or file.py:Class, then :key=value,..."
        ),
    ],
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Allocate one static snapshot and show the allocation, its costs and its SCR."""
    from mecsim.registry import make_policy
    from mecsim.study.plan import PolicyChoice
    from mecsim.system.instance_file import load_instance

    snapshot = load_instance(instance)
    label = PolicyChoice.of(policy).label
    allocation, cpu_s = _decide(make_policy(policy), label, snapshot)
    if as_json:
        print_json(_solution(label, snapshot, allocation, cpu_s))
    else:
        print_table(_solution_table(label, snapshot, allocation, cpu_s))
        for violation in allocation.violations(snapshot):
            say(f"violated: {violation}", quiet=quiet)


def policies(quiet: QuietOption = False, as_json: JsonOption = False) -> None:
    """List every registered policy; one that cannot be imported is listed with the reason."""
    from rich.table import Table

    from mecsim.registry import list_policies

    entries = list_policies()
    if as_json:
        print_json([entry._asdict() for entry in entries])
        return
    table = Table("policy", "what it does", "from")
    for entry in entries:
        what = f"cannot be used: {entry.error}" if entry.error else entry.summary
        table.add_row(entry.name, what, entry.origin)
    print_table(table)
    say("your own: --policy package.module:Class or --policy file.py:Class, then :key=value,...", quiet=quiet)


def _decide(policy: Policy, label: str, instance: Instance) -> tuple[Allocation, float]:
    from mecsim.policy import Observation
    from mecsim.system.allocation import Allocation

    began = time.process_time()
    try:
        answer: object = policy.allocate(Observation.of(instance))
    except MecsimError:
        raise
    except Exception as error:
        raise PolicyFailed(f"policy '{label}' raised {type(error).__name__}: {error}") from error
    cpu_s = time.process_time() - began
    if not isinstance(answer, Allocation):
        raise InvalidAllocation(f"policy '{label}' returned {type(answer).__name__}, must be an Allocation")
    if len(answer.server) != instance.user_count:
        raise InvalidAllocation(
            f"policy '{label}': server has {len(answer.server)} entries, must have one for each of the "
            f"{instance.user_count} users"
        )
    return answer, cpu_s


def _solution(label: str, instance: Instance, allocation: Allocation, cpu_s: float) -> dict[str, Any]:
    """Return the object of DESIGN.md 4; totals over users, the delay is the largest."""
    return {
        "policy": label,
        "scr": instance.scr(allocation),
        "score": float(instance.score(allocation).sum()),
        "delay_s": float(instance.delay(allocation).max()),
        "energy_j": float(instance.energy(allocation).sum()),
        "server": allocation.server,
        "local_fraction": allocation.local_fraction,
        "bandwidth_hz": allocation.bandwidth_hz,
        "user_power_w": allocation.user_power_w,
        "server_power_w": allocation.server_power_w,
        "user_gpu_flops": allocation.user_gpu_flops,
        "server_gpu_flops": allocation.server_gpu_flops,
        "violations": [str(violation) for violation in allocation.violations(instance)],
        "decision_cpu_s": cpu_s,
    }


def _solution_table(label: str, instance: Instance, allocation: Allocation, cpu_s: float) -> Table:
    from rich.table import Table

    solution = _solution(label, instance, allocation, cpu_s)
    table = Table(
        title=f"{instance.name}, {label}: SCR {solution['scr']:.6g}",
        caption=f"score {solution['score']:.6g}, largest delay {solution['delay_s']:.6g} s, "
        f"energy {solution['energy_j']:.6g} J, decided in {1e3 * cpu_s:.3g} ms",
    )
    columns: dict[str, Any] = {
        "user": range(instance.user_count),
        "server": allocation.server,
        "local\nfraction": allocation.local_fraction,
        "bandwidth\n(MHz)": allocation.bandwidth_hz / 1e6,
        "user power\n(W)": allocation.user_power_w,
        "server power\n(W)": allocation.server_power_w,
        "user GPU\n(TFLOP/s)": allocation.user_gpu_flops / 1e12,
        "server GPU\n(TFLOP/s)": allocation.server_gpu_flops / 1e12,
        "score": instance.score(allocation),
        "delay\n(s)": instance.delay(allocation),
        "energy\n(J)": instance.energy(allocation),
    }
    for name in columns:
        table.add_column(name, justify="right")
    for row in zip(*columns.values(), strict=True):
        table.add_row(*(f"{value:.4g}" for value in row))
    return table
