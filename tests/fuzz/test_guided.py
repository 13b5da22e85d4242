"""The coverage-guided fuzzer still runs: a few hundred inputs of each kind, the same each time.

Longer runs are by hand, without a seed.
"""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="pip install atheris (Linux, macOS) to fuzz with coverage as a guide")


@pytest.mark.parametrize("kind", ["scenarios", "instances", "studies", "traces", "manifests", "tables"])
def test_a_few_hundred_inputs(tmp_path, kind):
    fuzzer = Path(__file__).with_name("guided.py")
    command = [sys.executable, fuzzer, kind, "-runs=300", "-seed=1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
