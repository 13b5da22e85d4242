"""One world for the runs that meet in it, one after the other in one process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mecsim.study.plan import Run
    from mecsim.world.world import World

MOST_KEPT_BYTES = 128 << 20
"""What the gains of the windows of a world may take.

With 100 users and blocks of 10 ms, those of one policy over some twenty minutes, of eight over some ten.
"""

WorldKey = tuple[str, int]


def world_key(run: Run) -> WorldKey:
    """Return what the world of a run is a function of."""
    return run.scenario_sha256, run.seed


def met_often(runs: Iterable[Run]) -> frozenset[WorldKey]:
    """Return the worlds that more than one of some runs of built-in code meets."""
    met = Counter(world_key(run) for run in runs if not run.is_foreign)
    return frozenset(key for key, count in met.items() if count > 1)


class SharedWorld:
    """The world of the last run, and what was computed of it: the next run may be in the same.

    No run can change a world, and each number in it is a function of what it is of, so that sharing changes
    no bit of any result.
    """

    def __init__(self) -> None:
        self._key: WorldKey | None = None
        self._world: World | None = None

    def of(self, run: Run) -> World:
        """Return the world of a run of built-in code; that of another run is forgotten."""
        if self._world is None or self._key != world_key(run):
            from mecsim.world.world import World

            self._key, self._world = None, None
            self._world = World(run.scenario, run.seed)
            self._world.windows.keep(MOST_KEPT_BYTES)
            self._key = world_key(run)
        return self._world
