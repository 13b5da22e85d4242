"""Measure every simulator of this folder, each in an environment of its own, and write ``measured.csv``.

``python tests/bench/peers/measure.py``, with the Python of mecsim. A peer that cannot be installed or run is
named with the reason, and its old lines stay. mecsim is measured before and after the peers, because only
ratios within one run count: times belong to a machine, and this one may be busy.
"""

from __future__ import annotations

import csv
import json
import os
import runpy
import subprocess
import sys
import venv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MEASURED = HERE / "measured.csv"
ENVIRONMENTS = Path("build") / "peers"
COLUMNS = ("peer", "version", "step_s", "what", "user_s_per_cpu_s", "of_mecsim", "date")
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
LIMIT_S = 900


def read() -> list[dict[str, str]]:
    """Return the lines of ``measured.csv``; none if it is not there."""
    if not MEASURED.exists():
        return []
    with MEASURED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def python_of(script: Path) -> str:
    """Return an interpreter that has what a script requires; make its environment if it is not there."""
    requirements = runpy.run_path(str(script), run_name="peer").get("REQUIREMENTS")
    if requirements is None:
        return sys.executable
    home = ENVIRONMENTS / script.stem
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", *requirements]
    subprocess.run(install, check=True, capture_output=True, text=True, timeout=LIMIT_S)
    return str(python)


def lines_of(script: Path) -> list[dict[str, Any]]:
    """Return what a script prints, an object a line."""
    command, surroundings = [python_of(script), str(script)], os.environ | ONE_THREAD
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=LIMIT_S, env=surroundings
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def ours() -> dict[float, float]:
    """Return the user-seconds a CPU second of mecsim by step."""
    return {line["step_s"]: line["user_s_per_cpu_s"] for line in lines_of(HERE / "peer_mecsim.py")}


def run() -> None:
    today, kept, found = datetime.now(UTC).date().isoformat(), read(), list[dict[str, Any]]()
    before = ours()
    for script in sorted(set(HERE.glob("peer_*.py")) - {HERE / "peer_mecsim.py"}):
        try:
            lines = lines_of(script)
        except subprocess.SubprocessError as error:
            print(f"{script.stem}: skipped: {getattr(error, 'stderr', None) or error}")
            continue
        name, _, version = runpy.run_path(str(script), run_name="peer")["REQUIREMENTS"][0].partition("==")
        found += [{"peer": name, "version": version, "date": today} | line for line in lines]
    after = ours()
    mean = {step_s: (before[step_s] + after[step_s]) / 2 for step_s in before}
    for line in found:
        line["of_mecsim"] = f"{line['user_s_per_cpu_s'] / mean[line['step_s']]:.2g}"
        line["user_s_per_cpu_s"] = f"{line['user_s_per_cpu_s']:.3g}"
    own = [
        {"peer": "mecsim", "step_s": step_s, "user_s_per_cpu_s": f"{rate:.3g}", "of_mecsim": 1, "date": today}
        for step_s, rate in mean.items()
    ]
    measured = {line["peer"] for line in found}
    old = [line for line in kept if line["peer"] not in measured | {"mecsim"}]
    with MEASURED.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows([*own, *found, *old])
    print(MEASURED.read_text(encoding="utf-8"))


if __name__ == "__main__":
    run()
