"""A new scenario file, with every key explained where it stands."""

from __future__ import annotations

from mecsim.config.template import template_text
from mecsim.scenario.schema import Scenario

_HEAD = (
    "A scenario of mecsim. Lines without '#' must be there; the others show defaults and further forms. "
    "`mecsim explain KEY` says more about a key, `mecsim validate FILE` checks the file."
)


def new_scenario_text(name: str) -> str:
    """Return the text of a new scenario file with comments, ready to run.

    Parameters
    ----------
    name : str
        Name of the scenario.

    Raises
    ------
    ScenarioError
        If the name cannot be one.
    """
    text = template_text(Scenario, _HEAD, {"name": name})
    Scenario.from_toml(text, f"new scenario {name!r}")
    return text
