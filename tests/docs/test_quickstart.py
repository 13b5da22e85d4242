"""The notebook: short, without stale outputs, and every cell runs after the one before."""

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
NOTEBOOK = json.loads((DOCS / "quickstart.ipynb").read_text("utf-8"))
CELLS = [(cell["cell_type"], "".join(cell["source"])) for cell in NOTEBOOK["cells"]]


def test_it_has_at_most_ten_cells_with_the_outputs_of_one_run():
    """Mutants: a cell changed and not run again; an output of another machine's folders."""
    assert len(CELLS) <= 10
    code = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"execute_result", "display_data"}
    assert sum("image/png" in output["data"] for output in outputs) == 1
    texts = [str(output["data"].get("text/plain")) for output in outputs]
    assert not any(re.search(r"/(home|root|work|tmp|Users)/", text) for text in texts)


def test_its_links_exist():
    targets = [target for _, text in CELLS for target in re.findall(r"\]\(([^)#]+)\)", text)]
    assert targets
    for target in targets:
        assert (DOCS / target).exists(), target


def test_it_runs_in_a_minute_of_computing(tmp_path):
    """Two fifths of its simulated time, in as much of the minute. Mutant: a name that is gone."""
    code = "\n".join(
        [text for kind, text in CELLS if kind == "code"]
        + ["print(own.table['metric'].nunique(), len(own.table))"]
    )
    assert code.count("duration_s=300") == 1
    code = code.replace("duration_s=300", "duration_s=120")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning:__main__", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
        env=os.environ | {"MPLBACKEND": "Agg"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    metrics, rows = map(int, done.stdout.split())
    assert rows == 2 * metrics >= 20
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 0.4 * 60
