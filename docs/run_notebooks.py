"""Run the notebooks of this folder, and write each with the outputs that it had.

``python docs/run_notebooks.py`` takes all of them, ``python docs/run_notebooks.py quickstart.ipynb`` one. It
needs the extra ``docs``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent


def run(notebook: Path) -> None:
    """Run a notebook in an empty folder and write it; no times, and no number of a session, are kept."""
    content = nbformat.read(notebook, as_version=4)
    with TemporaryDirectory() as folder:
        client = NotebookClient(content, timeout=3600, kernel_name="python3", record_timing=False)
        client.execute(cwd=folder)
    for cell in content.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not is_passing(output)]
    content.metadata = {"language_info": {"name": "python"}}
    nbformat.write(content, notebook)


def is_passing(output: nbformat.NotebookNode) -> bool:
    """Return whether an output is what is left of a progress bar, or goes to standard error."""
    is_bar = output.output_type == "display_data" and output.data.get("text/html") == ""
    return is_bar or output.get("name") == "stderr"


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(path.name for path in HERE.glob("*.ipynb")):
        run(HERE / name)
