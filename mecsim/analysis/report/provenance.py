"""The origin of the numbers: scenario, versions, hashes, and the command that repeats them."""

from __future__ import annotations

import shlex
from typing import Any, NamedTuple

from mecsim.analysis.report.collect import Collected, ScenarioRuns
from mecsim.policy_spec import PolicySpec


class Provenance(NamedTuple):
    """What is needed to repeat the runs of a setting.

    Parameters
    ----------
    scenario_text : str
        The scenario file.
    command : str
        With the file saved as ``scenario.toml``.
    facts : tuple of (str, str)
        Versions, hashes, processor.
    switched_off : tuple of str
        Physical effects that are left out.
    runs : tuple of tuple of str
        Run, policy, seed, computing time, digest.
    """

    scenario_text: str
    command: str
    facts: tuple[tuple[str, str], ...]
    switched_off: tuple[str, ...]
    runs: tuple[tuple[str, ...], ...]


def provenance(collected: Collected) -> Provenance | None:
    """Return the provenance of the setting shown; None without any run."""
    setting = collected.setting
    if setting is None:
        return None
    first = setting.runs[0].manifest
    runs = tuple(
        (m["run_id"], m["policy"], str(m["seed"]), f"{m['cpu_s']:.2f} s", str(m["digest"])[:16])
        for m in (run.manifest for run in setting.runs)
    )
    return Provenance(
        first["scenario_text"], _command(setting), _facts(setting), tuple(first["switched_off"]), runs
    )


def _command(setting: ScenarioRuns) -> str:
    by_policy = {run.policy: spec_of(run.manifest) for run in setting.runs}
    seeds = setting.seeds
    if len(by_policy) == 1 and len(seeds) == 1:
        spec = next(iter(by_policy.values()))
        return f"mecsim run scenario.toml --policy {shlex.quote(spec)} --seed {seeds[0]}"
    span = seeds[-1] - seeds[0] + 1
    policies = shlex.quote(",".join(by_policy.values()))
    return f"mecsim compare scenario.toml --policies {policies} --replications {span} --seed {seeds[0]}"


def spec_of(manifest: dict[str, Any]) -> str:
    """Return the policy of a run as a command-line spec, with its parameters."""
    return str(PolicySpec(manifest["policy_target"], manifest["policy_parameters"]))


def _facts(setting: ScenarioRuns) -> tuple[tuple[str, str], ...]:
    manifests = [run.manifest for run in setting.runs]
    first, environments = manifests[0], [manifest["environment"] for manifest in manifests]
    packages = ", ".join(
        f"{name} {version}" for name, version in environments[0]["packages"].items() if version
    )
    versions = sorted({f"{m['policy']}: {m['policy_version']}" for m in manifests})
    simd = ", ".join(map(str, environments[0]["simd"] or ()))
    return (
        ("scenario", f"{first['scenario']}, SHA-256 {first['scenario_sha256']}"),
        ("simulated", f"{first['duration_s']:g} s, warm-up {first['warmup_s']:g} s"),
        ("size", f"{first['users']} users, {first['servers']} servers"),
        ("seeds", ", ".join(map(str, setting.seeds))),
        ("policies", "; ".join(versions)),
        *((f"plug-in, {name}", version) for name, version in first.get("plugins", {}).items()),
        ("mecsim", _each(environments, "mecsim")),
        ("commit", _each(environments, "git_commit")),
        ("code, SHA-256", _each(environments, "code_sha256")),
        ("Python", f"{_each(environments, 'python')}; {packages}"),
        ("processor", f"{_each(environments, 'platform')}; {simd}"),
        ("first run", min(str(m.get("started_utc", "")) for m in manifests)),
    )  # fmt: skip


def _each(environments: list[dict[str, Any]], key: str) -> str:
    return ", ".join(dict.fromkeys(str(one.get(key)) for one in environments))
