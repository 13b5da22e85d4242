"""mobile-env: 100 users and 5 stations at its steps of 1 s, with actions drawn at random.

It has no fading, and neither users nor stations compute; a step gives rates, utilities, observations and a
reward.
"""

from __future__ import annotations

import json
import time

REQUIREMENTS = ("mobile-env==2.1.0",)
USERS, STEPS = 100, 100
STATIONS_M = ((40, 40), (160, 40), (100, 100), (40, 160), (160, 160))


def cost_s() -> float:
    """Return the CPU time in s of an episode, set-up included."""
    from mobile_env.core.base import MComCore
    from mobile_env.core.entities import BaseStation, UserEquipment

    began, config = time.process_time(), MComCore.default_config()
    stations = [BaseStation(number, place, **config["bs"]) for number, place in enumerate(STATIONS_M)]
    users = [UserEquipment(number, **config["ue"]) for number in range(USERS)]
    env = MComCore(stations, users)
    env.reset(seed=1)
    env.action_space.seed(1)
    for _ in range(STEPS):
        env.step(env.action_space.sample())
    return time.process_time() - began


if __name__ == "__main__":
    print(json.dumps({"step_s": 1.0, "user_s_per_cpu_s": USERS * STEPS / min(cost_s() for _ in range(3))}))
