"""What docs/comparison.md says of runs of other simulators: run it where they are installed.

``pip install handoverlab==2.8.0 mobile-env==2.1.0`` into an environment of their own, then
``python docs/comparison_runs.py``. It needs nothing of mecsim.
"""

from __future__ import annotations

from importlib.metadata import version


def handoverlab_lines() -> list[str]:
    """Return whether a seed gives one event log, the same world for both rules, and what is recorded."""
    import handoverlab

    def logs(seed: int) -> list[str]:
        rules = [{"rule": "a3"}, {"rule": "cho"}]
        runs = handoverlab.simulate(handoverlab.builtin_scenario("smoke"), rules, [seed], log_events=True)
        return [handoverlab.eventlog.fingerprint(run.events) for run in runs]

    first, again, other = logs(1), logs(1), logs(2)
    return [
        f"handoverlab {version('handoverlab')}, card smoke, rules a3 and cho",
        f"  the same seed gives the same event logs: {first == again}",
        f"  another seed gives others: {not set(first) & set(other)}",
    ]


def mobile_env_lines() -> list[str]:
    """Return whether users start elsewhere with another seed: of ``reset``, and of the configuration."""
    import gymnasium
    import mobile_env  # noqa: F401 - registers the environments

    def starts(seed_of_reset: int, seed_of_config: int) -> list[tuple[float, float]]:
        config = {"seed": seed_of_config}
        env = gymnasium.make("mobile-small-central-v0", config=config)
        env.reset(seed=seed_of_reset)
        return [(user.x, user.y) for user in env.unwrapped.users.values()]

    return [
        f"mobile-env {version('mobile-env')}, mobile-small-central-v0",
        f"  another seed of the configuration moves the users: {starts(1, 1) != starts(1, 2)}",
        f"  another seed of reset() moves the users: {starts(1, 1) != starts(2, 1)}",
    ]


if __name__ == "__main__":
    for line in [*handoverlab_lines(), *mobile_env_lines()]:
        print(line)  # noqa: T201 - its only output
