"""CRRM: 100 users among 5 cells, all of whom move at each step, and the rates that follow.

Of what mecsim has in its bench it leaves out servers, rounds, energy and the uplink; users make independent
random steps, and Rayleigh fading is drawn anew at each step, whatever the way between them.
"""

from __future__ import annotations

import json
import time

REQUIREMENTS = ("CRRM==2.0.2", "scipy")  # it imports scipy, and its metadata do not say so
USERS, SERVERS, SPEED_MPS = 100, 5, 8.0


def cost_s(step_s: float, steps: int) -> float:
    """Return the CPU time in s of a run of so many steps, set-up included."""
    import numpy as np
    from CRRM import Parameters, Simulator

    random = np.random.default_rng(1)

    def places(count: int, height_m: float) -> object:
        return np.column_stack([random.uniform(0, 1000, (count, 2)), np.full(count, height_m)])

    began = time.process_time()
    system = Simulator(
        Parameters(
            cell_locations=places(SERVERS, 25.0),
            ue_initial_locations=places(USERS, 1.5),
            pathloss_model_name="UMa",
            fc_GHz=2.0,
            rayleigh_fading=True,
        )
    )
    everybody, moved_m = list(range(USERS)), np.zeros((USERS, 3))
    for _ in range(steps):
        moved_m[:, :2] = random.normal(0.0, SPEED_MPS * step_s / np.sqrt(2), (USERS, 2))
        system.move_ue_locations(everybody, moved_m)
        system.get_UE_throughputs()
    return time.process_time() - began


if __name__ == "__main__":
    for step_s in (0.01, 1.0):
        cpu_s = min(cost_s(step_s, steps=1000) for _ in range(3))
        rate = USERS * 1000 * step_s / cpu_s
        print(json.dumps({"step_s": step_s, "user_s_per_cpu_s": rate}))
