"""What the manifest of a run holds: every key with its type and bounds."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field, create_model, field_validator
from pydantic.types import Strict

from mecsim.config.base import Real, Section, Whole, key, refusal
from mecsim.scenario.control import WINDOW_S
from mecsim.scenario.layout import MOST_SERVERS
from mecsim.scenario.population import MOST_USERS
from mecsim.tables import ALL_TABLES, BOUND, SCHEMA, TABLES

MOST_ROWS = 2**40
MOST_SCENARIO_BYTES = 4 << 20
"""With every default a scenario is longer than its file."""

_KEY = re.compile(r"[A-Za-z_][\w-]{0,99}(\.[\w-]{1,100}){0,15}")
_LINE = r"^[^\p{C}\p{Zl}\p{Zp}]*$"
_TOLD = {"allowed": "one line of text, at most 2000 characters"}
_Line: TypeAlias = Annotated[str, Strict(), Field(pattern=_LINE, max_length=2000, json_schema_extra=_TOLD)]
_Hash: TypeAlias = Annotated[str, Strict(), Field(pattern="^[0-9a-f]{64}$")]
_Text: TypeAlias = Annotated[str, Strict(), Field(max_length=MOST_SCENARIO_BYTES)]
_Flag: TypeAlias = Annotated[bool, Strict()]
_Seconds: TypeAlias = Annotated[Real, Field(ge=0, le=1e12)]
_Weight: TypeAlias = Annotated[Real, Field(ge=0, le=1e100)]
_Weights: TypeAlias = Annotated[tuple[_Weight, ...], Field(max_length=MOST_USERS)]
_WEIGHTS = "a list of numbers >= 0, one for each user"
_HASH, _LINE_TOLD, _LINES = "64 hexadecimal digits", "one line of text", "a list of lines of text"
_ARRIVALS = ("left", "done", "refused", "out_of_energy")


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 2000 and value.isprintable()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e308


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool) or _is_number(value) or _is_line(value)


def _is_count(value: Any) -> bool:
    return _is_number(value) and 0 <= value < 1e18


def _is_number_or_null(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_measure(value: Any) -> bool:
    # Decisions keep NaN and infinity, as Python's JSON writes them.
    return isinstance(value, int | float) and not isinstance(value, bool)


def _every(fits: Callable[[Any], bool], allowed: str) -> AfterValidator:
    """Return the check that every value of a table fits."""

    def checked(values: dict[str, Any]) -> dict[str, Any]:
        wrong = [((name,), allowed) for name, value in values.items() if not fits(value)]
        if wrong:
            raise refusal(*wrong)
        return values

    return AfterValidator(checked)


_Table: TypeAlias = dict[str, Any]
_LinesByName: TypeAlias = Annotated[_Table, _every(_is_line, "must be one line of text")]
_Versions: TypeAlias = Annotated[
    _Table, _every(lambda one: one is None or _is_line(one), "must be one line of text or null")
]
_PlainByName: TypeAlias = Annotated[
    _Table, _every(_is_plain, "must be one line of text, a number, true, false or null")
]
_Counts: TypeAlias = Annotated[_Table, _every(_is_count, "must be a finite number >= 0")]
_Metrics: TypeAlias = Annotated[_Table, _every(_is_number_or_null, "must be a number or null")]
_Measures: TypeAlias = Annotated[_Table, _every(_is_measure, "must be a number")]


class _Part(Section):
    """A table of the manifest: keys that this version does not know are passed over."""

    model_config = ConfigDict(extra="allow")


class _Objective(_Part):
    delay_weight_per_s: _Weight = key("Weight of a second")
    energy_weight_per_j: _Weight = key("Weight of a joule")
    delay: Literal["max", "mean"] = key("Which delay counts", default="max")
    delay_weight: _Weights = key("Weights of delays", allowed=_WEIGHTS, default=())
    energy_weight: _Weights = key("Weights of energies", allowed=_WEIGHTS, default=())


class _Environment(_Part):
    mecsim: _Line | None = key("Version of mecsim", allowed=_LINE_TOLD, default=None)
    code_sha256: _Hash = key("Hash of the code", allowed=_HASH)
    git_commit: _Line | None = key("Commit of a checkout", allowed=_LINE_TOLD, default=None)
    python: _Line | None = key("Version of Python", allowed=_LINE_TOLD, default=None)
    packages: _Versions = key("Versions of packages", allowed="a table of versions", default={})
    platform: _Line | None = key("Operating system", allowed=_LINE_TOLD, default=None)
    simd: tuple[_Line, ...] | None = key("Processor features", allowed=_LINES, default=None)
    kernels: _PlainByName = key("Kernels in use", allowed="a table", default={})
    threads: _PlainByName = key("BLAS threads", allowed="a table", default={})


class _Entry(_Part):
    file: _Line = key("Name of the file", allowed="the name of the table's file", default="")
    rows: Annotated[Whole, Field(ge=0, le=MOST_ROWS)] = key("Number of rows")
    sha256: _Hash = key("Hash of the file", allowed=_HASH)


_Tables = create_model(
    "_Tables",
    __base__=_Part,
    **{name: (_Entry, key(f"The table {name}")) for name in TABLES},  # type: ignore[call-overload]
    **{
        name: (_Entry | None, key(f"The table {name}", default=None))
        for name in ALL_TABLES
        if name not in TABLES
    },
)


_Tokens = Annotated[tuple[Annotated[Real, Field(gt=0)], ...], Field(min_length=1)]


class Manifest(_Part):
    """What a manifest of the present schema holds; keys of other versions beside these do no harm."""

    schema_version: Any = key("Version of the format", alias="schema", allowed=str(SCHEMA))
    run_id: Annotated[str, Strict(), Field(pattern=r"^[\w.=+-]+$", max_length=2000)] = key(
        "Name of the run", allowed="letters, digits and . = + - _"
    )
    identity: _Hash = key("Hash of inputs and code", allowed=_HASH)
    scenario: Annotated[str, Strict(), Field(pattern=r"^\w[\w.-]{0,99}$")] = key(
        "Name of the scenario", allowed="1 to 100 letters, digits, '_', '-' or '.'"
    )
    policy: Annotated[_Line, Field(min_length=1)] = key("Label of the policy", allowed=_LINE_TOLD)
    seed: Annotated[Whole, Field(ge=0, le=2**128)] = key("Seed of the world")
    swept: dict[str, Any] = key("Swept keys", allowed="a table of scenario keys", default={})
    duration_s: Annotated[Real, Field(gt=0, le=1e9)] = key("Simulated time")
    warmup_s: Annotated[Real, Field(ge=0, le=1e9)] = key("Warm-up")
    window_s: Annotated[Real, Field(ge=1e-3, le=1e9)] = key("Window of scr_window", default=WINDOW_S)
    users: Annotated[Whole, Field(ge=0, le=MOST_USERS)] = key("Number of users at the start")
    servers: Annotated[Whole, Field(ge=1, le=MOST_SERVERS)] = key("Number of servers")
    objective: _Objective = key("Weights of the objective")
    switched_off: tuple[_Line, ...] = key("Effects that are left out", allowed=_LINES)
    reproducible: _Flag = key("Whether another run has the same bits", default=True)
    not_reproducible_because: tuple[_Line, ...] = key("Why it may not", allowed=_LINES, default=())
    remarks: tuple[_Line, ...] = key("Remarks on the policy", allowed=_LINES, default=())
    policy_target: Annotated[_Line, Field(min_length=1)] = key("What made the policy", allowed=_LINE_TOLD)
    policy_parameters: dict[str, Any] = key("Its parameters", allowed="a table of parameters")
    policy_version: _Line = key("Its version", allowed=_LINE_TOLD)
    policy_is_own: _Flag = key("Whether it ships with mecsim")
    policy_in_process: _Flag = key("Whether it ran in the process that asked for it", default=False)
    round_tokens: tuple[_Tokens, ...] = key(
        "Tokens of each user's rounds", allowed="a list of lists of numbers > 0", default=()
    )
    solvers: _Counts = key("Problems that solvers solved", allowed="a table of numbers", default={})
    scenario_sha256: _Hash = key("Hash of the scenario", allowed=_HASH)
    plugins: _LinesByName = key("Versions of plug-ins", allowed="a table of versions", default={})
    scenario_toml: _Text = key("The scenario with every key", allowed="the text of a scenario")
    scenario_text: _Text = key("The scenario as it was given", allowed="the text of a scenario")
    counts: _Counts = key("Counts of events", allowed="a table of numbers")
    environment: _Environment = key("What it was computed with")
    started_utc: Annotated[_Line, Field(max_length=40)] = key("When", allowed="a date and time", default="")
    wall_s: _Seconds = key("Time it took")
    cpu_s: _Seconds = key("CPU time it took")
    digest: _Hash = key("Digest of the tables", allowed=_HASH)
    tables: _Tables = key("Rows and hashes of the tables")  # type: ignore[valid-type]
    metrics: _Metrics = key("Metrics", allowed="a table of numbers", default={})
    notes: tuple[_Line, ...] = key("Remarks on the metrics", allowed=_LINES, default=())
    sha256: _Hash = key("Hash of all the rest", allowed=_HASH)

    @field_validator("swept")
    @classmethod
    def _are_keys(cls, values: dict[str, Any]) -> dict[str, Any]:
        wrong = [((name,), "must be a key of a scenario") for name in values if not is_scenario_key(name)]
        if wrong:
            raise refusal(*wrong)
        return values

    @field_validator("counts")
    @classmethod
    def _are_enough(cls, values: dict[str, Any]) -> dict[str, Any]:
        needed = ("handovers", *(_ARRIVALS if "arrived" in values else ()))
        missing = [((name,), "missing, must be a number >= 0") for name in needed if name not in values]
        if missing:
            raise refusal(*missing)
        return values

    @field_validator("tables", mode="before")
    @classmethod
    def _are_all(cls, values: Any) -> Any:
        missing = [name for name in TABLES if isinstance(values, dict) and name not in values]
        if missing:
            raise refusal(((), f"no entry for {', '.join(missing)}"))
        return values


class Decision(_Part):
    """What the file of a decision holds."""

    run_id: Annotated[str, Strict(), Field(pattern=r"^[\w.=+-]+$", max_length=2000)] = key(
        "Name of the decision", allowed="letters, digits and . = + - _"
    )
    identity: _Hash = key("Hash of inputs and code", allowed=_HASH)
    metrics: _Measures = key("Measures of the decision", allowed="a table of numbers")
    trace: tuple[dict[str, Any], ...] = key("Rows that the policy left", allowed="a list of tables")
    wall_s: _Seconds = key("Time it took")
    notes: tuple[_Line, ...] = key("Remarks", allowed=_LINES)
    sha256: _Hash = key("Hash of all the rest", allowed=_HASH)

    @field_validator("trace")
    @classmethod
    def _are_rows(cls, rows: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        for i, row in enumerate(rows):
            wrong = [name for name, value in row.items() if not (_is_measure(value) or _is_plain(value))]
            if wrong:
                raise refusal(*(((i, name), "must be a number or one line of text") for name in wrong))
        return rows


def is_scenario_key(name: str) -> bool:
    """Return whether a name can be a dotted key of a scenario and the name of a column beside the others."""
    return _KEY.fullmatch(name) is not None and name not in _reserved()


@cache
def _reserved() -> frozenset[str]:
    columns = (column.name for columns in (*TABLES.values(), *BOUND.values()) for column in columns)
    return frozenset(("scenario", "policy", *columns))
