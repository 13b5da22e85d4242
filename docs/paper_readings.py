"""Ask which readings of what the paper's text has lost bear out which of its claims.

    python docs/paper_readings.py --seeds 40 --write

decides the snapshots of every reading and of `mecsim paper` (kept in results/paper/decisions: killed, the
same command goes on), prints the two tables and, with --write, puts them into docs/paper.md. Run it again
when `paper`, a claim or `dashf` changes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
from page_tables import written_into

from mecsim.results.files import make_folder
from mecsim.study.paper import reproduce, snapshots
from mecsim.study.paper.claims import CONTRADICTED, OURS, REPRODUCED, UNDECIDED, PaperClaim, all_claims
from mecsim.study.paper.convergence import by_iteration, convergence
from mecsim.study.paper.report import DECISIONS, SETTINGS, decided
from mecsim.study.paper.snapshots import BEST_PHI, Changes, measured, with_best_phi

PAGE = Path(__file__).resolve().parent / "paper.md"
FOLDER = Path("results/paper")
BEGIN, END = "<!-- Made by docs/paper_readings.py -->\n", "<!-- End of docs/paper_readings.py -->\n"
SIGNS = {REPRODUCED: "+", CONTRADICTED: "-", UNDECIDED: "?"}
# A reading is judged at fewer settings than figures 3(b) and 3(c) have.
FEW_MHZ, FEW_WEIGHTS = (10, 50, 100), (snapshots.PAPER_WEIGHTS, snapshots.ENERGY_FIRST)


def cards(kappa: float) -> dict[str, Any]:
    """Return the change that gives the GPUs of users and servers one kappa, in W/(FLOP/s)^3."""
    peaks = {"users": 8.873, "servers": 19.5}
    return {
        f"{who}.gpu": {"peak_tflops": peak, "board_power_w": kappa * (peak * 1e12) ** 3}
        for who, peak in peaks.items()
    }


def tokens(low_mbit: float, high_mbit: float) -> dict[str, Any]:
    """Return the change of the range of token data."""
    return {"workload.token_bits": {"uniform": [low_mbit * 1e6, high_mbit * 1e6]}}


BOARD = {"users.gpu_power": "board", "servers.gpu_power": "board"}
PEAK = {"users.gpu_utilisation": 1, "servers.gpu_utilisation": 1}
FLAT = {"channel.shadowing": {"sigma_db": 0, "decorrelation_m": 50}}
NOISE = {"channel.noise_figure_db": 9}
# The first reconstruction, from which the others differ in what they say.
FIRST = tokens(10, 50)
BEST = "the same, baselines with their best constant phi"
READINGS: Mapping[str, Changes] = {
    name: FIRST | changes
    for name, changes in {
        "tokens 10 to 50 Mbit, kappa from board power at the peak, shadowing 8 dB, noise figure 0": FIRST,
        BEST: FIRST,
        "kappa 1e-38 for users and servers": cards(1e-38),
        "kappa 1e-37 for users and servers": cards(1e-37),
        "kappa from board power at top speed": BOARD,
        "utilisation 1": PEAK,
        "tokens 1 to 5 Mbit": tokens(1, 5),
        "tokens 20 to 100 Mbit": tokens(20, 100),
        "tokens 30 to 150 Mbit": tokens(30, 150),
        "tokens 50 to 250 Mbit": tokens(50, 250),
        "no shadowing": FLAT,
        "noise figure 9 dB": NOISE,
        "score slope 0.1": {"objective.score_slope": 0.1},
        "score slope 3": {"objective.score_slope": 3},
        "kappa 1e-38, no shadowing": cards(1e-38) | FLAT,
        "kappa 1e-38, tokens 50 to 250 Mbit": cards(1e-38) | tokens(50, 250),
        "no shadowing, tokens 30 to 150 Mbit": FLAT | tokens(30, 150),
        "noise figure 9 dB, tokens 50 to 250 Mbit": NOISE | tokens(50, 250),
    }.items()
}


def claims_of(name: str, seeds: Sequence[int], jobs: int) -> list[PaperClaim]:
    """Return what the snapshots of a reading say of every claim."""
    changes, grid = READINGS[name], name == BEST
    with patch.multiple(snapshots, BANDWIDTHS_MHZ=FEW_MHZ, WEIGHTS=FEW_WEIGHTS):
        rows = [
            [row for row in asked(seeds, changes) if _counts(row[0], grid=grid)]
            for asked in (by_iteration, snapshots.by_system, snapshots.by_bandwidth, snapshots.by_weights)
        ]
    decisions = [decision for part in rows for _, decision in part]
    kept, _ = decided(decisions, make_folder(FOLDER / DECISIONS), jobs)
    frames = [measured(part, kept) for part in rows[1:]]
    if grid:
        frames = [_at_best(frame, by) for frame, by in zip(frames, SETTINGS, strict=True)]
    return all_claims(convergence(rows[0], kept), *frames)


def _counts(labels: Mapping[str, Any], *, grid: bool) -> bool:
    """Return whether a claim needs a decision."""
    return labels.get("policy") != OURS and (grid or labels.get("phi") not in set(snapshots.PHI_GRID) - {0.5})


def _at_best(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the table with every baseline at its best constant phi."""
    both = with_best_phi(frame, by)
    own = {best: policy for policy, best in BEST_PHI.items()}
    return both[~both["policy"].isin(BEST_PHI)].replace({"policy": own})


def table_of_claims(claims: Sequence[PaperClaim]) -> str:
    """Return the claims with their numbers, what was found and the verdicts."""
    rows = [
        f"| {k} | {c.figure} | {c.says} | {c.found} | {c.verdict} |\n" for k, c in enumerate(claims, start=1)
    ]
    return "| | Figure | The paper says | Found | Verdict |\n|---|---|---|---|---|\n" + "".join(rows)


def table_of_readings(found: Mapping[str, Sequence[PaperClaim]]) -> str:
    """Return a row for each reading: a sign for each claim, and how many are reproduced."""
    numbers = range(1, 1 + max(map(len, found.values())))
    head = f"| Reading | {' | '.join(map(str, numbers))} | + |\n" + "|---" * (len(numbers) + 2) + "|\n"
    rows = [row_of(name, [claim.verdict for claim in claims]) for name, claims in found.items()]
    return head + "".join(rows)


def row_of(name: str, verdicts: Sequence[str]) -> str:
    """Return the row of a reading."""
    signs = " | ".join(SIGNS[verdict] for verdict in verdicts)
    return f"| {name} | {signs} | {list(verdicts).count(REPRODUCED)} |\n"


def main() -> None:
    """Print the tables; write them into the page if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    found = {}
    for name in READINGS:
        found[name] = claims_of(name, range(given.seeds), given.jobs)
        sys.stdout.write(row_of(name, [claim.verdict for claim in found[name]]))
        sys.stdout.flush()
    shipped = reproduce(FOLDER, given.seeds, jobs=given.jobs)
    made = (
        f"Claims of `paper` in {given.seeds} worlds:\n\n{table_of_claims(shipped.claims)}\n"
        f"Readings, at {', '.join(map(str, FEW_MHZ))} MHz and the paper's two pairs of weights; "
        f"+ reproduced, - contradicted, ? not decided:\n\n{table_of_readings(found)}"
    )
    sys.stdout.write(made)
    if given.write:
        PAGE.write_text(written_into(PAGE.read_text("utf-8"), made, BEGIN, END), "utf-8")


if __name__ == "__main__":
    main()
