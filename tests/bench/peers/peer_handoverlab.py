"""HandoverLab: 100 users among 5 sites of an open area, at its steps of 10 ms, under the A3 rule.

Of what mecsim has in its bench it leaves out computing and the energy of devices; it has the messages and
timers of handovers, which mecsim does not have. Users move at 30 to 60 km/h, the profile of its own cards.
"""

from __future__ import annotations

import json
import time

REQUIREMENTS = ("handoverlab==2.8.0",)
USERS, DURATION_S = 100, 30.0
SITES_M = ((200.0, 200.0), (800.0, 200.0), (500.0, 500.0), (200.0, 800.0), (800.0, 800.0))


def cost_s(fading: str | None) -> float:
    """Return the CPU time in s of a run with or without fast fading, set-up included."""
    import handoverlab

    began = time.process_time()
    scenario = handoverlab.Scenario(
        layout=handoverlab.LayoutConfig(kind="open_area", area_m=(1000.0, 1000.0), sites=SITES_M),
        mobility=handoverlab.MobilityConfig(users=USERS),
        radio=handoverlab.RadioConfig(carrier_ghz=2.0, pathloss="uma", bs_height_m=25.0, fast_fading=fading),
        run=handoverlab.RunConfig(duration_s=DURATION_S, warmup_s=5.0),
    )
    handoverlab.simulate(scenario, [{"rule": "a3"}], seeds=[1])
    return time.process_time() - began


if __name__ == "__main__":
    for fading in ("tdl-a", None):
        cpu_s = min(cost_s(fading) for _ in range(2))
        what = "with fast fading" if fading else "without fast fading"
        rate = USERS * DURATION_S / cpu_s
        print(json.dumps({"step_s": 0.01, "user_s_per_cpu_s": rate, "what": what}))
