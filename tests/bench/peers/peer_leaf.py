"""LEAF: 100 moving nodes that send to the nearest of 5 servers at steps of 1 s, and a power meter of all.

It has no radio: a link has a bandwidth and an energy a bit, so its cost is that of placing tasks and flows
anew and of adding up powers. Where the nodes are and which server is nearest is this script's.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from typing import Any

REQUIREMENTS = ("leafsim==0.4.2",)
USERS, SERVERS, DURATION_S, SPEED_MPS = 100, 5, 300, 8.0


def built(drawn: random.Random) -> tuple[Any, list[Any], list[Any], dict[tuple[str, str], Any]]:
    """Return the infrastructure, its users, its servers and the links between them by names."""
    from leaf.infrastructure import Infrastructure, Link, Node
    from leaf.mobility import Location
    from leaf.power import PowerModelLink, PowerModelNode

    def nodes(name: str, count: int) -> list[Any]:
        return [
            Node(
                f"{name} {i}",
                cu=1000,
                power_model=PowerModelNode(max_power=300, static_power=30),
                location=Location(drawn.uniform(0, 1000), drawn.uniform(0, 1000)),
            )
            for i in range(count)
        ]

    users, servers, whole = nodes("user", USERS), nodes("server", SERVERS), Infrastructure()
    links = {
        (user.name, server.name): Link(user, server, bandwidth=1e9, power_model=PowerModelLink(1e-8))
        for user in users
        for server in servers
    }
    for link in links.values():
        whole.add_link(link)
    return whole, users, servers, links


def cost_s() -> float:
    """Return the CPU time in s of a run, set-up included."""
    import simpy
    from leaf.application import DataFlow, Task
    from leaf.power import PowerMeter

    began, drawn = time.process_time(), random.Random(1)  # noqa: S311 - no secret
    env, (whole, users, servers, links) = simpy.Environment(), built(drawn)

    def walk(user: Any) -> Iterator[Any]:
        while True:
            near = min(servers, key=lambda server: user.location.distance(server.location))
            task, flow = Task(cu=1), DataFlow(bit_rate=1e6)
            task.allocate(near)
            flow.allocate([links[user.name, near.name]])
            yield env.timeout(1)
            task.deallocate()
            flow.deallocate()
            user.location.x += drawn.gauss(0, SPEED_MPS)
            user.location.y += drawn.gauss(0, SPEED_MPS)

    for user in users:
        env.process(walk(user))
    env.process(PowerMeter(whole, measurement_interval=1).run(env))
    env.run(until=DURATION_S)
    return time.process_time() - began


if __name__ == "__main__":
    cpu_s = min(cost_s() for _ in range(3))
    print(json.dumps({"step_s": 1.0, "user_s_per_cpu_s": USERS * DURATION_S / cpu_s}))
