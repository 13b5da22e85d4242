"""mecsim in blocks of 10 ms and of 1 s: what the others are compared with, measured in the same run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from bench import cpu_s, scenario
from mecsim_policies.baselines import Nearest

from mecsim.engine.simulation import Simulation

USERS, DURATION_S = 100, 120.0

if __name__ == "__main__":
    for step_s in (0.01, 1.0):
        case = scenario(USERS, DURATION_S, **{"channel.fading.block_s": step_s})
        used_s = cpu_s(lambda case=case: Simulation(case, Nearest(), 1).run())
        print(json.dumps({"step_s": step_s, "user_s_per_cpu_s": USERS * DURATION_S / used_s}))
