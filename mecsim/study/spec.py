"""A study file: which scenarios, policies, swept keys and replications, and the runs they make."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from mecsim.certificate import refuse_to_record
from mecsim.config.base import Real, Section, Whole, key, refusal
from mecsim.config.locate import Lines
from mecsim.config.problems import problem_lines
from mecsim.config.toml_text import parse_toml, plain_value, toml_value
from mecsim.errors import BoundError, PolicyError, ScenarioError, StudyError
from mecsim.messages import shortened
from mecsim.scenario.load import load_scenario, read_scenario_text
from mecsim.scenario.schema import Scenario
from mecsim.scenario.shipped import shipped_files
from mecsim.study.labels import LABEL_RULE, is_label
from mecsim.study.plan import MOST_RUNS, Run
from mecsim.study.policy_choice import PolicyChoice, choose_policies

# What is no scenario at all is not quoted: a study names it, not the user.
_QUOTED_LINE = re.compile(r"(:\d+: ).*(?=not valid TOML: |duplicate key or table$)", re.DOTALL)


_Name = Annotated[str, Field(json_schema_extra={"allowed": "the name of a scenario, or of its file"})]


class StudyTables(Section):
    """The tables of a study file; values are as in the file."""

    schema_version: Literal[1] = key(
        "Version of the file format", alias="schema", allowed="1, the only version so far", example=1
    )
    name: str = key(
        "Short name, for the folder of results",
        pattern=r"^\w[\w.-]{0,99}$",
        allowed="1 to 100 letters, digits, '_', '-' or '.', not starting with '-' or '.'",
        example="bandwidth",
    )
    description: str = key("What the study is about", default="", max_length=10_000)
    scenarios: Annotated[tuple[_Name, ...], Field(min_length=1)] = key(
        "Scenario files, seen from the study file, or names of shipped ones",
        allowed="a list of scenario files or names",
        example=["paper"],
    )
    policies: Annotated[tuple[str | dict[str, Any], ...], Field(min_length=1)] = key(
        "Policies: names with parameters, or tables with name, label and parameters",
        allowed="a list of policies, each a string or a table with the key name",
        example=["gucaa", {"name": "dashf", "max_iterations": 3, "label": "dashf-3"}],
    )
    replications: Annotated[Whole, Field(ge=1, le=100_000)] = key(
        "Worlds for each setting: the same for every policy", default=10
    )
    seed: Annotated[Whole, Field(ge=0)] = key("Seed of the first world; the others follow", default=0)
    limit_s: Annotated[Real, Field(gt=0)] | None = key(
        "Wall-clock time after which a run is ended and marked as failed", unit="s", default=None
    )
    grid: dict[str, Any] = key(
        "Scenario keys and the values they take; the product of them is run",
        default={},
        allowed="a table of scenario keys, each with a list of values",
    )

    @field_validator("policies", mode="before")
    @classmethod
    def _are_strings_or_tables(cls, value: Any) -> Any:
        items = value if isinstance(value, list) else []
        problems: list[tuple[tuple[str | int, ...], str]] = [
            ((k,), "must be a string, or a table with the key name")
            for k, item in enumerate(items)
            if not isinstance(item, str | dict)
        ]
        problems += [
            ((k, "label"), LABEL_RULE)
            for k, item in enumerate(items)
            if isinstance(item, dict) and "label" in item and not is_label(item["label"])
        ]
        if problems:
            raise refusal(*problems)
        return value

    @field_validator("grid")
    @classmethod
    def _are_lists(cls, value: dict[str, Any]) -> dict[str, Any]:
        problems = [((name,), fault) for name, given in value.items() if (fault := _list_fault(given))]
        problems += [((name,), "belongs above [grid]") for name in ("name", "schema") if name in value]
        if problems:
            raise refusal(*problems)
        return value


def _list_fault(given: Any) -> str:
    if not isinstance(given, list) or not given:
        return "must be a list of at least one value"
    if len({toml_value(each) for each in given}) < len(given):
        return "must be a list of values, each only once"
    return ""


@dataclass(frozen=True)
class Study:
    """A study that can be run: every scenario exists and every policy can be made.

    Parameters
    ----------
    name : str
        Its name, and that of its folder.
    text : str
        The study file.
    runs : tuple of Run
        All of them, by replication, then scenario, grid point and policy.
    limit_s : float or None
        Wall-clock limit of a run.
    changes : mapping
        Scenario keys that were changed in every scenario, before the grid.
    """

    name: str
    text: str
    runs: tuple[Run, ...]
    limit_s: float | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any], folder: str | Path = "") -> Study:
        """Return the study of tables and values as a study file has them; ``schema`` may be left out.

        Parameters
        ----------
        tables : mapping
            Such as ``{"name": "bandwidth", "scenarios": ["paper"], "policies": ["gucaa", "dashf"], "grid":
            {"servers.bandwidth_mhz": [10, 20]}}``.
        folder : str or Path
            Where the scenario files that it names are; the present folder if left out.

        Raises
        ------
        StudyError
            Lists every problem.
        """
        plain = {"schema": 1} | {name: plain_value(value) for name, value in tables.items()}
        grid = plain.pop("grid", {})
        text = "".join(f"{name} = {toml_value(value)}\n" for name, value in plain.items()) + "[grid]\n"
        text += "".join(f"{toml_value(name)} = {toml_value(value)}\n" for name, value in grid.items())
        return _read(text, str(Path(folder, "Study.from_dict")), {}, None, allow_local_policies=True)

    @property
    def swept(self) -> tuple[str, ...]:
        """The scenario keys that vary, in the order of the file."""
        return tuple(dict.fromkeys(key for run in self.runs for key in run.swept))


def load_study(
    study: str | Path,
    changes: Mapping[str, Any] | None = None,
    limit_s: float | None = None,
    *,
    allow_local_policies: bool = False,
) -> Study:
    """Return the study of a file.

    Parameters
    ----------
    study : str or Path
        A TOML file as in docs/studies.md.
    changes : mapping, optional
        Scenario keys to change in every scenario, before the grid.
    limit_s : float, optional
        In place of that of the file; it holds for making each policy, too.
    allow_local_policies : bool
        Whether a policy of the file may be ``file.py:Class``, and so bring code of its own.

    Raises
    ------
    StudyError
        Lists every problem of the file, its scenarios at every point of the grid, and its policies.
    """
    source = str(study)
    try:
        text = read_scenario_text(study)
    except ScenarioError as error:
        raise StudyError(source, error.problems) from None
    return _read(text, source, dict(changes or {}), limit_s, allow_local_policies=allow_local_policies)


def _read(
    text: str, source: str, changes: dict[str, Any], limit_s: float | None, *, allow_local_policies: bool
) -> Study:
    try:
        tables = parse_toml(text, source)
    except ScenarioError as error:
        raise StudyError(source, error.problems) from None
    try:
        given = StudyTables.model_validate(tables)
    except ValidationError as error:
        raise StudyError(source, problem_lines(error, StudyTables, tables, source, text)) from None
    if limit_s is not None:
        given = given.model_copy(update={"limit_s": limit_s})
    return _checked(given, source, text, changes, allow_local_policies)


def _checked(
    given: StudyTables, source: str, text: str, changes: dict[str, Any], allow_local_policies: bool
) -> Study:
    lines, problems = Lines(text), list[str]()
    points, policies = list[tuple[Scenario, dict[str, Any]]](), list[PolicyChoice]()
    for name in given.grid:
        if name in changes:
            problems.append(
                f"{source}:{lines.of(('grid', name))}: grid.{name}: is swept, so --set cannot set it"
            )
    size = _size(given)
    if size > MOST_RUNS:
        problems.append(f"{source}: {size} runs, must be at most {MOST_RUNS}")
    else:
        for index, name in enumerate(given.scenarios):
            try:
                base = _scenario(name, Path(source).parent, changes)
                points += list(_points(base, given.grid, f"{source}:{lines.of(('grid',))}", problems))
            except ScenarioError as error:
                where = f"{source}:{lines.of(('scenarios', index))}"
                problems += [f"{where}: {problem}" for problem in error.problems]
    try:
        policies = choose_policies(
            given.policies, Path(source).parent, local_code=allow_local_policies, limit_s=given.limit_s
        )
    except PolicyError as error:
        where = f"{source}:{lines.of(('policies',))}"
        problems += [f"{where}: {problem}" for problem in error.args]
    runs = tuple(
        Run(scenario, policy, given.seed + k, swept)
        for k in range(given.replications if not problems else 0)
        for scenario, swept in points
        for policy in policies
    )
    problems += _twins(runs, source)
    if problems:
        raise StudyError(source, dict.fromkeys(problems))
    return Study(given.name, text, runs, given.limit_s, changes)


def _scenario(name: str, folder: Path, changes: dict[str, Any]) -> Scenario:
    """Return a scenario in the folder of the study or below, or else the shipped one of that name."""
    place = folder / name
    try:
        inside = place.resolve().is_relative_to(folder.resolve())
        is_there = inside and (place.exists() or place.is_symlink())
    except (OSError, ValueError, RuntimeError) as error:  # a NUL in the name, a loop of symbolic links
        why = getattr(error, "strerror", None) or str(error)
        raise ScenarioError(name, [f"{shortened(name)}: cannot be read: {why}"]) from None
    if not inside:
        allowed = "must be in the study's folder or below it, or the name of a shipped scenario"
        raise ScenarioError(name, [f"{shortened(name)}: {allowed}"])
    source = place if is_there else shipped_files().get(name.removesuffix(".toml"), place)
    try:
        scenario = load_scenario(source)
    except ScenarioError as error:
        raise ScenarioError(name, [_QUOTED_LINE.sub(r"\1", problem) for problem in error.problems]) from None
    return scenario.with_changes(changes) if changes else scenario


def _points(
    base: Scenario, grid: Mapping[str, list[Any]], where: str, problems: list[str]
) -> Iterator[tuple[Scenario, dict[str, Any]]]:
    """Yield a scenario and its swept values for each point of the grid, and add what is wrong with others."""
    for values in itertools.product(*grid.values()):
        swept = dict(zip(grid, values, strict=True))
        try:
            scenario = base.with_changes(swept, confined=True) if swept else base
            refuse_to_record(scenario)
            yield scenario, swept
        except ScenarioError as error:
            problems += [f"{where}: {problem}" for problem in error.problems]
        except BoundError as error:
            problems.append(f"{where}: {error}")


def _size(given: StudyTables) -> int:
    size = len(given.scenarios) * len(given.policies) * given.replications
    for values in given.grid.values():
        size *= len(values)
    return size


def _twins(runs: tuple[Run, ...], source: str) -> list[str]:
    """Return a line for each run that would be computed twice, such as of a scenario that is listed twice."""
    seen, twice = set[str](), dict[str, None]()
    for run in runs:
        if run.run_id in seen:
            twice[f"{source}: {run.scenario.name} under {run.policy.label} is asked for twice"] = None
        seen.add(run.run_id)
    return list(twice)
