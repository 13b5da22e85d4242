"""The page that compares simulators has the ratios that were measured."""

import csv
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
NAMES = {"CRRM": "CRRM", "handoverlab": "HandoverLab", "leafsim": "LEAF", "mobile-env": "mobile-env"}
with (REPOSITORY / "tests" / "bench" / "peers" / "measured.csv").open(encoding="utf-8", newline="") as file:
    MEASURED = [line for line in csv.DictReader(file) if line["peer"] != "mecsim"]


@pytest.mark.parametrize("line", MEASURED, ids=lambda line: f"{line['peer']}-{line['step_s']}{line['what']}")
def test_its_ratios_are_those_measured(line):
    """Mutants: a peer measured again and not on the page; a version of another day."""
    page = (REPOSITORY / "docs" / "comparison.md").read_text("utf-8")
    what = f", {line['what']}" if line["what"] else ""
    step = {"0.01": "10 ms", "1.0": "1 s"}[line["step_s"]]
    head = re.escape(f"| {NAMES[line['peer']]} {line['version']}{what} | {step} |")
    (ratio,) = re.findall(rf"^{head}.*\| ([\d.]+) \|$", page, flags=re.MULTILINE)
    assert float(ratio) == float(line["of_mecsim"])


def test_every_script_has_been_measured():
    scripts = {path.stem for path in (REPOSITORY / "tests" / "bench" / "peers").glob("peer_*.py")}
    measured = {f"peer_{line['peer'].lower().replace('-', '_')}" for line in MEASURED}
    assert scripts - {"peer_mecsim"} == {name.replace("leafsim", "leaf") for name in measured}
