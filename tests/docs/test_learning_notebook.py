"""The notebook about learning: its outputs are those of one run from top to bottom, and its cells run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
FILE = DOCS / "learning.ipynb"
CELLS = json.loads(FILE.read_text("utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]
SIZES = "STEPS, DURATION_S, TEST_SEED, REPLICATIONS = "


def test_its_outputs_are_of_one_run_without_complaints():
    """Mutants: a cell that was run alone; a warning with a path of the machine."""
    ran = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in ran] == list(range(1, len(ran) + 1))
    outputs = [output for cell in ran for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"display_data", "execute_result"}
    assert sum("image/png" in output["data"] for output in outputs) == 2
    assert FILE.stat().st_size < 400_000


def test_its_links_exist():
    text = "\n".join("".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "markdown")
    targets = [each for each in re.findall(r"\]\(([^)#]+)", text) if not each.startswith("https:")]
    assert targets
    for target in targets:
        assert (DOCS / target).exists(), target


def test_it_runs(tmp_path):
    """Mutants: a column that has another name now; an agent that cannot be sent."""
    pytest.importorskip("stable_baselines3", reason="the train extra is not installed")
    sizes = next(line for line in CODE[0].splitlines() if line.startswith(SIZES))
    last = "print(len(comparison.failures), *sorted(means.index), sep='; ')"
    code = "\n".join([*CODE, last]).replace(sizes, f"{SIZES}256, 30, 200, 2")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=900,
        env=os.environ | {"MPLBACKEND": "Agg"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "0; PPO, servers; PPO, servers and shares; dashf; gucaa; nearest"
