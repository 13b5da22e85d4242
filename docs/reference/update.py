"""Write the pages of this folder anew, from the schema, the tables and the commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

from mecsim.cli import app
from mecsim.config.keys import Key, Keys, keys_of
from mecsim.config.toml_text import toml_value
from mecsim.results.manifest_schema import Manifest
from mecsim.results.metrics import ALL_METRICS
from mecsim.scenario.schema import Scenario
from mecsim.tables import ALL_TABLES, BOUND, TABLES

HERE = Path(__file__).resolve().parent
_MADE = "<!-- Made by docs/reference/update.py; do not edit. -->"


def scenario_page() -> str:
    """Return the page of all keys of a scenario file."""
    keys = keys_of(Scenario)
    parts = [_MADE, "# Keys of a scenario file", _KEYS_TEXT]
    tables = ["", *keys.by_name]
    for table in tables:
        inside = [key for key in keys.directly_in(table) if not key.is_table]
        if inside:
            about = keys.by_name[table].fragment["description"] if table else "At the top of the file"
            parts += _section(f"`{table}`" if table else "Top", str(about), inside, keys)
        for key in inside:
            if each := keys.of_each(key):
                parts += _section(
                    f"`{key.name}`", f"Each of the list: {key.fragment['description']}", each, keys
                )
    return _page(parts)


_KEYS_TEXT = """\
This page has every key with its unit, its default and the allowed values. `mecsim explain KEY` shows the
same with an example, `mecsim validate` checks a file, and `mecsim new` writes one to begin with. *Required*
keys have no default. *Left out* means that a file need not have the key, and that no value is assumed."""


def _section(title: str, about: str, inside: list[Key], keys: Keys) -> list[str]:
    heads = ("key", "unit", "default", "allowed", "meaning")
    return [f"## {title}", f"{about}.", _table(heads, [_key_row(key, keys) for key in inside])]


def _key_row(key: Key, keys: Keys) -> tuple[str, ...]:
    name = key.name.split(".")[-1]
    default = key.fragment.get("default")
    shown = f"`{toml_value(default)}`" if default is not None else "required" if key.required else "left out"
    about = str(key.fragment["description"])
    about += f"; only with `{key.only_with}`" if key.only_with else ""
    catalogue = ", ".join(f"`{one}`" for one in keys.catalogue(key.fragment))
    about += f"; in the catalogue: {catalogue}" if catalogue else ""
    return f"`{name}`", str(key.fragment.get("unit", "")), shown, keys.allowed(key.fragment), about


def tables_page() -> str:
    """Return the page of the tables that a run leaves."""
    parts = [_MADE, "# Tables of a run", _TABLES_TEXT]
    for name in ALL_TABLES:
        columns = (*TABLES.get(name, ()), *BOUND.get(name, ()))
        rows = [(f"`{c.name}`", c.dtype, c.unit, c.meaning) for c in columns]
        parts += [f"## `{name}.parquet`", _when(name), _table(("column", "type", "unit", "meaning"), rows)]
    return _page([*parts, "## `manifest.json`", _MANIFEST_TEXT, *_manifest_tables()])


def _when(table: str) -> str:
    """Return when what is not always there is there; empty for a table that is always the same."""
    if table not in TABLES:
        return "Only with `record.bound = true`."
    more = " and ".join(f"`{column.name}`" for column in BOUND.get(table, ()))
    return f"{more} are there only with `record.bound = true`." if more else ""


def _manifest_tables() -> Iterator[str]:
    """Yield a table of the keys at the top of a manifest, and one for each table of keys in it."""
    keys = keys_of(Manifest)
    heads = ("key", "allowed", "meaning")
    for name in ("", "objective", "environment"):
        inside = keys.directly_in(name)
        rows = [(f"`{key.name}`", keys.allowed(key.fragment), key.about) for key in inside]
        yield _table(heads, rows)


_MANIFEST_TEXT = """\
Keys of a manifest, checked whenever one is read, whoever wrote it: a missing key, another type or a
value out of bounds is an error that names file, line and key; further keys are passed over if they hold
plain JSON, at most 32 deep. `sha256` is the hash of all the rest, and of `tables` each entry has `rows`
and the `sha256` of its file. Only regular files are read: a manifest has at most 16 MiB, a table 2 GiB,
and it may unpack to 1000 times its size (or 64 MiB). Values that no run records are errors too, such as
a negative user. What the manifest says of the tables is checked by `mecsim verify RESULTS`."""


_TABLES_TEXT = """\
The folder of a run has five Parquet tables (six with `record.bound = true`) and `manifest.json` with the
scenario, the seed, versions and a SHA-256 of each table. `mecsim.load_results(folder)` returns them as pandas
frames for one run or many, with `scenario`, `policy`, `seed` and the swept keys in front; `mecsim export`
writes CSV or MATLAB files with the same columns. A unit of `1` is a pure number."""


def metrics_page() -> str:
    """Return the page of the metrics of a run."""
    rows = [(f"`{m.name}`", m.unit, m.better, m.label, m.meaning) for m in ALL_METRICS]
    heads = ("metric", "unit", "better is", "label", "meaning")
    return _page([_MADE, "# Metrics of a run", _METRICS_TEXT, _table(heads, rows)])


_METRICS_TEXT = """\
All of them are computed after the warm-up. The manifest of a run, comparisons, `--until`, `mecsim tune`,
`mecsim table` and `mecsim plot` know them by these names; `deadline_misses` needs `--deadline` and is for
`table` and `plot` only. A new metric is one more entry of the table in `mecsim/results/metrics.py`."""


def commands_page() -> str:
    """Return the page of all commands."""
    parts = [_MADE, "# Commands", _COMMANDS_TEXT]
    for path, command in _commands(typer.main.get_command(app), ()):
        name = " ".join(("mecsim", *path))
        parts += [f"## `{name}`", re.sub(r"[ \t]*\n[ \t]*", "\n", (command.help or "").strip())]
        rows = [_parameter_row(one) for one in command.params if "--help" not in one.opts]
        if rows:
            parts.append(_table(("argument", "default", "meaning"), rows))
        example = (command.epilog or "").removeprefix("Example: ").strip()
        if example:
            parts.append(f"```console\n$ {example}\n```")
    return _page(parts)


_COMMANDS_TEXT = """\
`mecsim COMMAND --help` shows the same. Exit codes: 0 done, 1 a run failed, 2 wrong input, 130
interrupted. Progress goes to standard error, results to standard output."""


def _commands(group: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        elif not command.hidden:
            yield (*path, name), command


def _parameter_row(parameter: Any) -> tuple[str, ...]:
    if parameter.param_type_name == "argument":
        name = str(parameter.metavar or parameter.name.upper())
    else:
        metavar = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
        name = f"{', '.join([*parameter.opts, *parameter.secondary_opts])}{metavar}"
    default = parameter.default
    given = default not in (None, False, (), "")
    shown = "required" if parameter.required else f"`{default}`" if given else ""
    return f"`{name}`", shown, str(getattr(parameter, "help", "") or "")


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _page(parts: list[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "scenario.md": scenario_page,
    "tables.md": tables_page,
    "metrics.md": metrics_page,
    "commands.md": commands_page,
}

if __name__ == "__main__":
    for file, page in PAGES.items():
        (HERE / file).write_text(page(), encoding="utf-8")
