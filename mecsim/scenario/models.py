"""Models that a scenario names and plug-ins provide: how users move, how a signal is lost.

A model is one class: its keys in a scenario file are the fields of the class, its equations are methods.
A scenario holds an instance of it and never the name of a file or module.
"""

from __future__ import annotations

import inspect
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, SchemaValidator, core_schema

from mecsim import plugin_files, plugins
from mecsim.config.base import Section, key, refusal
from mecsim.config.keys import Keys
from mecsim.errors import PluginError
from mecsim.plugin_files import Group, Shipment
from mecsim.plugins import PluginEntry

_NAME = re.compile(r"[a-z][a-z0-9_]*")

MOBILITY = Group("mecsim.mobility", "mobility model")
PATH_LOSS = Group("mecsim.path_loss", "path loss")


class Model(Section):
    """Base of all models; a subclass gives `model` its name: ``model: Literal["mine"] = "mine"``."""

    group: ClassVar[Group]

    model: str = key("Name of the model")

    @classmethod
    def name(cls) -> str:
        """Return the name by which scenarios choose the model."""
        return str(cls.model_fields["model"].default)

    @property
    def version(self) -> str:
        """What pins the code of the model: a distribution's version, or a hash of a file."""
        if plugins.is_installed(self.group, self.model):
            return plugins.version(self.group, self.model)
        return plugin_files.version_of_object(type(self))

    @property
    def is_own(self) -> bool:
        """Whether the model ships with mecsim."""
        return ships_with_mecsim(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # A plug-in file travels with its models: a worker process has not imported it.
        return _restored, (plugin_files.packed(type(self)), self.group, self.__getstate__())


def ships_with_mecsim(model: Model) -> bool:
    """Return whether the class of a model is one of mecsim's own, whatever it says of itself."""
    return _ships(type(model))


@lru_cache(maxsize=256)
def _ships(cls: type[Model]) -> bool:
    group, name = cls.group, str(cls.model_fields["model"].default)
    return plugins.is_own(group, name) and plugins.find(group, name) is cls


def _restored(shipment: Shipment, group: Group, state: dict[Any, Any]) -> Model:
    cls: type[Model] = plugin_files.unpacked(shipment, group)
    if not plugins.is_installed(group, cls.name()):
        plugins.register(group, cls.name(), cls)
    model = cls.__new__(cls)
    model.__setstate__(state)
    return model


def register_model(group: Group, name: str, model: type[Any]) -> None:
    """Make a model known to scenarios of this process and its workers.

    Raises
    ------
    PluginError
        If it is not a model of this group and name, or an installed model has the name.
    """
    fault = fault_of(group, name, model)
    if fault:
        raise PluginError(f"{group.noun} '{name}': {fault}")
    plugins.register(group, name, model)


def register_mobility(name: str, model: type[Any]) -> None:
    """Make a subclass of `MobilityModel` known by its name; raises `PluginError` if it cannot be used."""
    register_model(MOBILITY, name, model)


def register_path_loss(name: str, model: type[Any]) -> None:
    """Make a subclass of `PathLossModel` known by its name; raises `PluginError` if it cannot be used."""
    register_model(PATH_LOSS, name, model)


def load_plugin(path: str | Path) -> list[str]:
    """Import a file of code, register every model class that it defines, and return their names.

    Raises
    ------
    PluginError
        If the file cannot be imported, defines no model, or one that cannot be used.
    """
    module = plugin_files.import_file(Path(path), Group("", "plug-in"))
    found = [
        cls
        for cls in plugin_files.classes_of(module)
        if issubclass(cls, Model) and not inspect.isabstract(cls)
    ]
    if not found:
        raise PluginError(
            f"plug-in file '{path}' defines no model: a subclass of mecsim.MobilityModel or "
            "mecsim.PathLossModel with all its methods"
        )
    names = [(cls.group.name, cls.name()) for cls in found]
    for cls in found:
        fault = fault_of(cls.group, cls.name(), cls)
        if not fault and names.count((cls.group.name, cls.name())) > 1:
            fault = "another class of the file has this name too"
        if fault:
            raise PluginError(f"{cls.group.noun} {cls.__name__} of '{path}': {fault}")
    for cls in found:
        plugins.register(cls.group, cls.name(), cls)
    return [name for _, name in names]


def fault_of(group: Group, name: str, model: Any) -> str:
    """Return why a class cannot be a model of a group and name, or an empty string."""
    if not (inspect.isclass(model) and issubclass(model, Model)) or getattr(model, "group", None) != group:
        return f"must be a class derived from the base class of every {group.noun}"
    missing = sorted(getattr(model, "__abstractmethods__", ()))
    if missing:
        return f"the method {missing[0]} is missing"
    if get_args(model.model_fields["model"].annotation) != (model.name(),) or not _NAME.fullmatch(
        model.name()
    ):
        return 'the class must say its name, like model: Literal["mine"] = "mine"'
    if model.name() != name:
        return f'the class must say its name: model: Literal["{name}"] = "{name}"'
    return _undescribed(model)


def _undescribed(model: type[Model]) -> str:
    keys = Keys(model)
    for each, found in keys.by_name.items():
        if each == "model":
            continue
        try:
            keys.allowed(found.fragment)
            _ = found.about, found.fragment["unit"]
        except (AssertionError, KeyError):
            return (
                f"parameter '{each}' must be made with key(description, unit=...), and with allowed=... "
                "unless its type says what is allowed"
            )
    return ""


def models(group: Group) -> dict[str, type[Model]]:
    """Return the models of a group that can be used, by name."""
    return _loaded(group, plugins.state())[0]


def unusable(group: Group) -> dict[str, str]:
    """Return why the other models of a group cannot be used, by name."""
    return _loaded(group, plugins.state())[1]


def list_models(group: Group) -> list[PluginEntry]:
    """Return every model of a group by name; one that cannot be used is listed with its reason."""
    faults = unusable(group)
    return [each._replace(error=faults.get(each.name, "")) for each in plugins.entries(group)]


@lru_cache(maxsize=16)
def _loaded(group: Group, state: object) -> tuple[dict[str, type[Model]], dict[str, str]]:
    usable, faults = dict[str, type[Model]](), dict[str, str]()
    for name in plugins.names(group):
        try:
            found = plugins.find(group, name)
        except PluginError as error:
            faults[name] = str(error)
            continue
        fault = fault_of(group, name, found)
        if fault:
            faults[name] = fault
        else:
            usable[name] = found
    return usable, faults


class OneOf:
    """The type of a table whose key `model` names any model of a group.

    Which models there are is looked up at each validation, so that a plug-in may come later.
    """

    def __init__(self, group: Group) -> None:
        self._group = group

    def offered(self) -> dict[str, type[Model]]:
        """Return the models that the table may be."""
        return models(self._group)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validated)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(_tagged(self.offered()))

    def _validated(self, value: Any, info: ValidationInfo) -> Any:
        name = value.get("model") if isinstance(value, dict) else getattr(value, "model", None)
        fault = unusable(self._group).get(name) if isinstance(name, str) else None
        if fault:
            raise refusal((("model",), f"is registered, but cannot be used: {fault}"))
        offered = self.offered()
        return _validator(tuple(offered.values())).validate_python(value, context=info.context)


@lru_cache(maxsize=64)
def _validator(offered: tuple[type[Model], ...]) -> SchemaValidator:
    return SchemaValidator(_tagged({cls.name(): cls for cls in offered}))


def _tagged(offered: dict[str, type[Model]]) -> CoreSchema:
    choices, shared = dict[str, CoreSchema](), dict[str, CoreSchema]()
    for name, cls in offered.items():
        schema = TypeAdapter(cls).core_schema
        if schema["type"] == "definitions":
            shared |= {str(each.get("ref")): each for each in schema["definitions"]}
            schema = schema["schema"]
        choices[name] = schema
    union = core_schema.tagged_union_schema(choices, discriminator="model")
    return core_schema.definitions_schema(union, list(shared.values())) if shared else union
