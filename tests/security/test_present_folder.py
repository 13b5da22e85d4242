"""Whoever works in a folder that others wrote runs nothing of it, and draws as everywhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mecsim.study.import_path import SAFE_PATH, import_path, safe_path

COMMANDS = (
    ["compare", "smoke", "-p", "gucaa,nearest", "-r", "2", "-j", "2", "--set", "duration_s=12", "-q"],
    ["verify", "--only", "O5,C10", "-j", "2", "-q"],
)
NAMES = ("numpy", "simpy", "pickle", "struct", "mecsim", "multiprocessing", "pandas", "hooks")
CLI = "import sys\nfrom mecsim.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with modules that leave a trace when they are imported, and a style that imports one."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'a').write('{name} ')\n")
    (tmp_path / "matplotlibrc").write_text("figure.hooks: antigravity:fly\nfont.size: 40\n")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_no_process_imports_what_lies_there(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, command: list[str]
) -> None:
    """Mutants rejected: a worker started by `python -c` without -P; spawn without a safe path."""
    # A script, as the installed command is; multiprocessing would hand a -P on, and hide what is missing.
    script = tmp_path_factory.mktemp("installed") / "mecsim-command.py"
    script.write_text(CLI)
    place = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, str(script), *command], cwd=folder, env=place, capture_output=True, check=False
    )
    assert not (folder / "imported").exists(), (folder / "imported").read_text()
    assert (done.returncode, b"antigravity" in done.stderr) == (0, False), done.stderr


def test_a_style_that_lies_there_changes_no_figure(tmp_path: Path) -> None:
    """Mutants rejected: `rc_context(STYLE)` alone, which keeps every other setting of a matplotlibrc."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from mecsim.analysis.style import STYLE, in_style, save_figure

    @in_style
    def drawn() -> Figure:
        assert mpl.rcParams["figure.hooks"] == []
        assert (mpl.rcParams["lines.marker"], mpl.rcParams["font.size"]) == ("None", STYLE["font.size"])
        figure = Figure()
        figure.subplots().plot([1, 2])
        return figure

    with mpl.rc_context({"figure.hooks": ["antigravity:fly"], "lines.marker": "o", "savefig.bbox": "tight"}):
        first = [file.read_bytes() for file in save_figure(drawn(), tmp_path / "a")]
        assert mpl.rcParams["lines.marker"] == "o"
    assert [file.read_bytes() for file in save_figure(drawn(), tmp_path / "b")] == first


def test_a_figure_replaces_a_link_and_does_not_wait_for_a_pipe(tmp_path: Path) -> None:
    """Mutants rejected: savefig of the final name, which writes where a link leads, or into a pipe."""
    from matplotlib.figure import Figure

    from mecsim.analysis.style import save_figure

    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "a.png").symlink_to(tmp_path / "mine.txt")
    os.mkfifo(tmp_path / "a.pdf")
    # Whoever writes to a pipe waits for a reader.
    reader = os.open(tmp_path / "a.pdf", os.O_RDONLY | os.O_NONBLOCK)
    try:
        png, pdf = save_figure(Figure(), tmp_path / "a")
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert pdf.is_file()
    assert png.read_bytes()[:4] == b"\x89PNG"
    assert pdf.read_bytes()[:4] == b"%PDF"


def test_the_import_path_is_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Mutants rejected: the present folder left out of an interactive session's path, or always in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", "/somewhere"])
    assert import_path() == os.pathsep.join([str(tmp_path), "/somewhere"])
    monkeypatch.setattr(sys, "path", ["/somewhere"])
    assert import_path() == "/somewhere"
    monkeypatch.delenv(SAFE_PATH, raising=False)
    with safe_path():
        assert os.environ[SAFE_PATH] == "1"
    assert SAFE_PATH not in os.environ
