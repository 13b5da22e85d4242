"""Does `dashf` decide as the letter does?  `python tests/bench/letter.py --snapshots 200`

Both run the same loops on snapshots of `paper` with 10 to 50 Mbit of token data, like and unlike servers
in turn. The letter's general solvers reach a stationary point of part 2 only nearly, and what is left
decides near ties of the next relaxation: `--exact` iterates its nu a hundred times as closely.
"""

import argparse

import numpy as np
from decisions import decide, snapshot
from mecsim_policies.dashf_reference import policy as reference

LETTER, FAST = "dashf_reference:solver=CLARABEL", "dashf"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snapshots", type=int, default=200)
    parser.add_argument("--exact", action="store_true")
    given = parser.parse_args()
    if given.exact:
        reference._NU_TOLERANCE, reference._MOST_NU = 1e-7, 300
    rows = []
    for seed in range(given.snapshots):
        instance = snapshot(seed // 2, 10, 2, unlike=seed % 2 == 1)
        (letter, letter_s), (fast, fast_s) = (decide(policy, instance) for policy in (LETTER, FAST))
        same = np.array_equal(letter.server, fast.server)
        rows.append((same, instance.scr(fast) / instance.scr(letter), letter_s, fast_s))
        if not same:
            print(f"snapshot {seed}: another association, SCR x {rows[-1][1]:.4f}")
    same, ratio, letter_s, fast_s = np.array(rows).T
    print(f"{given.snapshots} snapshots of 10 users and 2 servers: the same association in {same.mean():.1%}")
    print(f"SCR of {FAST} over the letter's: mean {ratio.mean():.4f}, {ratio.min():.3f} to {ratio.max():.3f}")
    print(
        f"CPU of a decision, median: {np.median(letter_s) * 1e3:.0f} ms and {np.median(fast_s) * 1e3:.0f} ms"
    )


if __name__ == "__main__":
    main()
