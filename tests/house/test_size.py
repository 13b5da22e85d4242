"""Files of at most 300 lines, functions of at most 40 without their docstring."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "mecsim", ROOT / "policies")
MOST_FILE_LINES, MOST_FUNCTION_LINES = 300, 40

# Each with the reason why it stays.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS = {
    "mecsim/engine/simulation.py::__init__": "builds the parts of a run, one line a part and what it is given"
}


def long_files(folders: tuple[Path, ...], root: Path) -> dict[str, int]:
    """Return the lines of each file that has too many."""
    lines = {file: len(file.read_text().splitlines()) for folder in folders for file in folder.rglob("*.py")}
    return {
        file.relative_to(root).as_posix(): count for file, count in lines.items() if count > MOST_FILE_LINES
    }


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function without decorators and docstring."""
    lines = (node.end_lineno or 0) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None:
        lines -= (first.end_lineno or 0) - first.lineno + 1
    return lines


def long_functions(folders: tuple[Path, ...], root: Path) -> dict[str, int]:
    """Return the lines of each function that has too many, by ``path::name``."""
    found = {}
    for folder in folders:
        for file in sorted(folder.rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines = function_lines(node)
                    if lines > MOST_FUNCTION_LINES:
                        found[f"{file.relative_to(root).as_posix()}::{node.name}"] = lines
    return found


def test_files_are_short() -> None:
    found = long_files(FOLDERS, ROOT)
    assert {file: count for file, count in found.items() if file not in LONG_FILES} == {}
    assert [file for file in LONG_FILES if file not in found] == [], "mended: delete the exception"


def test_functions_are_short() -> None:
    found = long_functions(FOLDERS, ROOT)
    assert {name: count for name, count in found.items() if name not in LONG_FUNCTIONS} == {}
    assert [name for name in LONG_FUNCTIONS if name not in found] == [], "mended: delete the exception"


def test_the_source_is_read() -> None:
    assert len([file for folder in FOLDERS for file in folder.rglob("*.py")]) > 150


@pytest.mark.parametrize(("count", "is_long"), [(300, False), (301, True)])
def test_a_long_file_is_found(tmp_path: Path, count: int, is_long: bool) -> None:
    (tmp_path / "a.py").write_text("x = 1\n" * count)
    assert long_files((tmp_path,), tmp_path) == ({"a.py": count} if is_long else {})


@pytest.mark.parametrize(("count", "is_long"), [(39, False), (40, True)])
@pytest.mark.parametrize("head", ["def f(self):", "async def f(self):"])
def test_a_long_function_is_found_wherever_it_stands(
    tmp_path: Path, head: str, count: int, is_long: bool
) -> None:
    docstring = '        """Do it.\n\n        At length.\n        """\n'
    body = "        x = 1\n" * count
    (tmp_path / "a.py").write_text(f"class A:\n    @decorated\n    {head}\n{docstring}{body}")
    assert long_functions((tmp_path,), tmp_path) == ({"a.py::f": 41} if is_long else {})
