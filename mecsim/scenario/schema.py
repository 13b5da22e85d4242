"""The scenario: everything a run depends on except the policy and the seed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from mecsim.config.base import Real, Section, key, refusal
from mecsim.config.input_file import InputFile
from mecsim.config.problems import problem_lines
from mecsim.config.toml_text import dump_toml, parse_toml, plain_value
from mecsim.errors import ScenarioError
from mecsim.overview import Overview, Shown
from mecsim.scenario.area import Area, validation_context
from mecsim.scenario.calendar import Calendar
from mecsim.scenario.control import Handover, Objective, Reallocation, Record, Service, costless
from mecsim.scenario.gpu_catalogue import GpuCard
from mecsim.scenario.layout_file import ONE_ORIGIN, files_in_degrees
from mecsim.scenario.learning import Learning
from mecsim.scenario.left_out import effects_left_out
from mecsim.scenario.measured import problems as measured_problems
from mecsim.scenario.memory import problems as memory_problems
from mecsim.scenario.models import Model
from mecsim.scenario.overview import overview_of
from mecsim.scenario.path_loss import path_loss_model
from mecsim.scenario.radio import Channel
from mecsim.scenario.servers import Servers
from mecsim.scenario.size import problems
from mecsim.scenario.users import Users
from mecsim.scenario.workload import Workload


class Scenario(Shown, Section):
    """A validated scenario file; its values are in the units of the file.

    Made by `load_scenario` or `Scenario.from_toml`.
    """

    model_config = ConfigDict(revalidate_instances="never")

    schema_version: Literal[1] = key(
        "Version of the file format", alias="schema", allowed="1, the only version so far", example=1
    )
    name: str = key(
        "Short name, for tables and folders",
        pattern=r"^\w[\w.-]{0,99}$",
        allowed="1 to 100 letters, digits, '_', '-' or '.', not starting with '-' or '.'",
        example="my-scenario",
    )
    description: str = key("What the scenario is about", default="", max_length=10_000)
    duration_s: Annotated[Real, Field(ge=1e-6, le=1e9)] = key("Simulated time", unit="s", example=3600)
    warmup_s: Annotated[Real, Field(ge=0, le=1e9)] = key(
        "Time at the start that averages leave out, less than duration_s", unit="s", default=0.0
    )
    area: Area = key("The map")
    servers: Servers = key("The edge servers")
    users: Users = key("The mobile users")
    workload: Workload = key("The training work")
    calendar: Calendar = key("What happens at certain times", default=Calendar(), validate_default=True)
    channel: Channel = key("The radio channel", default=Channel(), validate_default=True)
    service: Service = key("What happens to unused grants", default=Service())
    handover: Handover = key("Changes of server in mid-round", default=Handover())
    reallocation: Reallocation = key(
        "When the policy is asked, and what it knows", default=Reallocation(), validate_default=True
    )
    objective: Objective = key("What policies are judged by", default=Objective(), validate_default=True)
    learning: Learning | None = key(
        "How the loss falls with the tokens trained; left out: nothing is said of learning",
        default=None,
        allowed="a table with the keys floor, a, b, target",
        example={"floor": 1.7, "a": 400.0, "b": 0.28, "target": 3.0},
    )
    record: Record = key("What is written down besides rounds", default=Record(), validate_default=True)

    _text: str = PrivateAttr(default="")
    _folder: Path = PrivateAttr(default=Path())

    @field_validator("warmup_s")
    @classmethod
    def _shorter_than_run(cls, value: float, info: ValidationInfo) -> float:
        duration = info.data.get("duration_s")
        if duration is not None and value >= duration:
            raise refusal(((), f"must be less than duration_s = {duration:g}"))
        return value

    @field_validator("users", "workload", "calendar", "channel", "reallocation", "objective", "record")
    @classmethod
    def _not_too_large(cls, value: Any, info: ValidationInfo) -> Any:
        found = problems(str(info.field_name), value, info.data)
        found += measured_problems(value, info.data) if info.field_name == "channel" else []
        if info.field_name == "objective" and "users" in info.data:
            found += costless(value, info.data["users"].classes or ())
        if found:
            raise refusal(*found)
        return value

    @field_validator("workload")
    @classmethod
    def _fits_into_memory(cls, value: Workload, info: ValidationInfo) -> Workload:
        if "servers" in info.data and "users" in info.data:
            found = memory_problems(value, info.data["servers"], info.data["users"])
            if found:
                raise refusal(*found)
        return value

    @field_validator("calendar")
    @classmethod
    def _fits_the_run(cls, value: Calendar, info: ValidationInfo) -> Calendar:
        if "servers" in info.data:
            problems = value.problems(info.data["servers"].count, info.data.get("duration_s", 0.0))
            if problems:
                raise refusal(*problems)
        return value

    @field_validator("users")
    @classmethod
    def _one_origin(cls, value: Users, info: ValidationInfo) -> Users:
        servers, area = info.data.get("servers"), info.data.get("area")
        if servers is None or area is None:
            return value
        in_degrees = files_in_degrees(servers.layout, value.layout, area, value.count)
        if len(in_degrees) > 1 and any(in_degrees.values()):
            raise refusal((("layout", "file"), f"is in degrees, as is servers.layout: {ONE_ORIGIN}"))
        return value

    @field_validator("servers", "users", "calendar", mode="wrap")
    @classmethod
    def _in_the_area(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        with validation_context(info.data.get("area")):
            return handler(value)

    @classmethod
    def from_toml(
        cls, text: str, source: str = "<string>", folder: str | Path = "", *, confined: bool = False
    ) -> Self:
        """Return the scenario that a TOML text describes.

        Parameters
        ----------
        text : str
            Content of a scenario file.
        source : str
            What messages call it, usually the name of the file.
        folder : str or Path
            Where the files that the text names are; the present folder if left out.
        confined : bool
            Whether it may name files in that folder and below it only.

        Raises
        ------
        ScenarioError
            Lists every problem of the text.
        """
        scenario = cls._checked(parse_toml(text, source), source, Path(folder), text, confined=confined)
        scenario._text = text
        return scenario

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any], folder: str | Path = "") -> Self:
        """Return the scenario of the tables and values of a file, as :meth:`from_toml`.

        Parameters
        ----------
        tables : mapping
            Key to value or table, such as ``{"schema": 1, "name": "mine", "users": {"count": 5}}``.
        folder : str or Path
        """
        plain = {name: plain_value(value) for name, value in tables.items()}
        return cls._checked(plain, "Scenario.from_dict", Path(folder))

    @classmethod
    def _checked(
        cls,
        tables: Mapping[str, Any],
        source: str,
        folder: Path,
        text: str | None = None,
        *,
        confined: bool = False,
    ) -> Self:
        try:
            calendar = tables.get("calendar")
            crowds = isinstance(calendar, Mapping) and bool(calendar.get("flash_crowds"))
            context = {"folder": folder, "confined": confined, "crowds": crowds}
            scenario = cls.model_validate(tables, context=context)
            scenario._folder = folder
            return scenario
        except ValidationError as error:
            problems = problem_lines(error, cls, tables, source, text)
        raise ScenarioError(source, problems)

    def to_toml(self) -> str:
        """Return a scenario file with every key, defaults included."""
        return dump_toml(self.model_dump(by_alias=True, exclude_none=True))

    @property
    def text(self) -> str:
        """The text this scenario was read from, or `to_toml` for one that was changed since."""
        return self._text or self.to_toml()

    @property
    def sha256(self) -> str:
        """Hash of all values, files and plug-ins, whatever the spelling, the comments and the description."""
        content = self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"description"})
        content["workload"] = self.workload.without_later_keys(content["workload"])
        content["record"] = self.record.without_later_keys(content["record"])
        content |= {"memory_gb": self._memory_gb()} if any(self._memory_gb()) else {}
        content |= {"files": [file.sha256 for file in self.files()]} if self.files() else {}
        content |= {"plugins": self.plugin_versions()} if self.plugin_versions() else {}
        return hashlib.sha256(dump_toml(content).encode()).hexdigest()

    def with_changes(
        self, changes: Mapping[str, Any] | None = None, /, *, confined: bool = False, **keys: Any
    ) -> Self:
        """Return a scenario with other values at some keys, checked like a file.

        Parameters
        ----------
        changes : mapping, optional
            Dotted key to value, such as ``{"servers.bandwidth_mhz": 20}``.
        confined : bool
            Whether they may name files in the folder of the scenario and below it only.
        **keys
            More of them: ``with_changes(duration_s=30, **{"servers.bandwidth_mhz": 20})``.

        Raises
        ------
        ScenarioError
            Lists every problem of the changed scenario.
        """
        source = f"{self.name} with changes"
        tables = self.model_dump(by_alias=True, exclude_none=True)
        for name, value in {**(changes or {}), **keys}.items():
            *outer, last = name.split(".")
            table = tables
            for step in outer:
                table = table.setdefault(step, {})
                if not isinstance(table, dict):
                    raise ScenarioError(source, [f"{source}: {name}: {step} is not a table"])
            table[last] = plain_value(value)
        return self._checked(tables, source, self._folder, confined=confined)

    def files(self) -> list[InputFile]:
        """Return the files that this scenario names."""
        tables = (self.servers.layout, self.users.layout, self.channel.trace, *self._models())
        values = [value for table in tables if table is not None for _, value in table]
        return [value for value in values if isinstance(value, InputFile)]

    def _models(self) -> list[Model]:
        path_loss = path_loss_model(self.channel.path_loss)
        classes = [each.mobility for each in self.users.classes or ()]
        return [model for model in (self.users.mobility, *classes, path_loss) if model is not None]

    def _memory_gb(self) -> list[float]:
        """Return the memory of all cards for the hash; without a base model what the file itself says."""
        classes = [each.gpu for each in self.users.classes or () if each.gpu is not None]
        cards: list[GpuCard] = [*self.servers.gpu_cards(), *self.users.gpu_cards(), *classes]
        counts = self.workload.base_model is not None
        return [(card.memory_gb or 0.0) if counts or not card.is_in_catalogue else 0.0 for card in cards]

    def plugin_versions(self) -> dict[str, str]:
        """Return the version of each model in use that does not ship with mecsim, by kind and name."""
        return {f"{each.group.noun} {each.model}": each.version for each in self._models() if not each.is_own}

    @property
    def users_change(self) -> bool:
        """Whether users arrive or leave during the run."""
        crowds = bool(self.calendar.flash_crowds)
        return self.users.arrivals is not None or crowds or self.users.follows_trace

    def switched_off(self) -> list[str]:
        """Return every physical effect that this scenario leaves out, one line each."""
        return effects_left_out(
            self.channel, self.servers, self.users, self.workload, self.calendar, self.handover,
            self.reallocation, users_change=self.users_change,
        )  # fmt: skip

    def overview(self) -> Overview:
        """Return what the scenario is about: its size, length, channel and movement."""
        return overview_of(self)

    def __eq__(self, other: object) -> bool:
        """Return whether all values are equal; the text they came from does not matter."""
        return isinstance(other, Scenario) and dict(self) == dict(other)

    def __hash__(self) -> int:
        return hash(self.sha256)
