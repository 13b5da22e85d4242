"""A PettingZoo environment: an agent for each slot of a user, and one for each server.

A user chooses its server, what it trains itself, its transmit power and its GPU speed. A server shares its
bandwidth, power and GPU speed among the slots; the shares of users who have not chosen it do not count, and
if the others add up to more than 1 they are divided by their sum. All agents have the same reward.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from mecsim.errors import InvalidAllocation, MecsimError
from mecsim.rl.actions import GRANT_PARTS
from mecsim.rl.env import AllocationEnv
from mecsim.rl.observations import PARTS, shapes
from mecsim.rl.rewards import REALISED_SCR, RewardFunction
from mecsim.scenario.schema import Scenario

OWN_SHARES = (
    "local_fraction",
    *(name for name, grant in GRANT_PARTS.items() if grant.owner == "user"),
)
SERVER_SHARES = tuple(name for name, grant in GRANT_PARTS.items() if grant.owner == "server")

_Actions = dict[str, Any]


class MultiAgentEnv(ParallelEnv):  # type: ignore[misc]  # PettingZoo ships no types
    """One agent for each user and server of a scenario; an episode is a replication.

    Users come and go, agents do not: the agent of an empty slot sees zeros, ``mask`` among them, and its
    action does not matter.

    Parameters
    ----------
    scenario : Scenario, str or Path
    reward : str or callable
    slots : int, optional
    render_mode : {"rgb_array"}, optional
        All as for :class:`~mecsim.rl.env.AllocationEnv`.
    """

    metadata = {"render_modes": ["rgb_array"], "name": "mecsim_v0", "is_parallelizable": True}  # noqa: RUF012

    def __init__(
        self,
        scenario: Scenario | str | Path = "campus",
        *,
        reward: str | RewardFunction = REALISED_SCR,
        slots: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        self._env = AllocationEnv(
            scenario, form="full", observation="dict", reward=reward, slots=slots, render_mode=render_mode
        )
        self.render_mode = render_mode
        self._slots, self._servers = self._env.slots, self._env.code.servers
        self._users = [f"user_{n}" for n in range(self._slots)]
        self._stations = [f"server_{m}" for m in range(self._servers)]
        self.possible_agents = [*self._users, *self._stations]
        self.agents: list[str] = []
        self.observation_spaces = self._observation_spaces()
        self.action_spaces = self._action_spaces()

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Return what an agent sees: one array of numbers from -1 to 1."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Return what an agent decides."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, dict[str, Any]]]:
        """Begin an episode in the world of replication ``seed``."""
        parts, info = self._env.reset(seed=seed)
        self.agents = list(self.possible_agents)
        return self._shown(parts), {agent: dict(info) for agent in self.agents}

    def step(
        self, actions: _Actions
    ) -> tuple[
        dict[str, NDArray[np.float32]],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Decide by the actions of all agents and go on to the next decision.

        Raises
        ------
        InvalidAllocation
            If an agent has no action, or one that is not in its space.
        MecsimError
            Before the first reset, and after the end of an episode.
        """
        if not self.agents:
            raise MecsimError("the environment has no agents before a reset and after the end: call reset()")
        parts, reward, _, is_over, info = self._env.step(self._joined(actions))
        agents = self.agents
        if is_over:
            self.agents = []
        return (
            self._shown(parts),
            dict.fromkeys(agents, reward),
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, is_over),
            {agent: dict(info) for agent in agents},
        )

    def render(self) -> Any:
        """Return the map of this moment as an array."""
        return self._env.render()

    def close(self) -> None:
        """Let the episode go."""
        self._env.close()

    def _joined(self, actions: _Actions) -> _Actions:
        """Return the action of the one agent that decides for everybody."""
        missing = [agent for agent in self.possible_agents if agent not in actions]
        if missing:
            raise InvalidAllocation(f"actions: {missing[0]} has none")
        for agent in self.possible_agents:
            given = actions[agent]
            if not isinstance(given, dict) or set(given) != set(self.action_spaces[agent].spaces):
                expected = ", ".join(self.action_spaces[agent].spaces)
                raise InvalidAllocation(f"action of {agent}: must be a mapping with {expected}")
        try:
            joined = {
                name: np.array([np.asarray(actions[agent][name]).item() for agent in self._users])
                for name in ("server", *OWN_SHARES)
            }
            # Servers that are none are refused where everything is checked.
            chosen = np.nan_to_num(np.clip(joined["server"], 0, self._servers - 1)).astype(np.int64)
            for name in SERVER_SHARES:
                of_server = np.array([actions[agent][name] for agent in self._stations])
                joined[name] = of_server[chosen, np.arange(self._slots)]
        except (TypeError, ValueError, IndexError) as error:
            raise InvalidAllocation(f"actions: {error}") from error
        return joined

    def _shown(self, parts: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Return what each agent sees: what concerns it, and the load of all servers."""
        common = np.concatenate([parts[name] for name in _COMMON])
        found = {
            agent: np.concatenate([common, *(parts[name][n].ravel() for name in _OF_SLOT)])
            for n, agent in enumerate(self._users)
        }
        of_users = np.concatenate([parts[name].ravel() for name in _OF_SLOT if name not in _BY_SERVER])
        for m, agent in enumerate(self._stations):
            own = [parts[name][:, m] for name in _BY_SERVER]
            budgets = [parts[name][m : m + 1] for name in _COMMON if name != "time"]
            found[agent] = np.concatenate([parts["time"], *budgets, *own, of_users])
        return found

    def _observation_spaces(self) -> dict[str, spaces.Box]:
        lows = {
            part.name: np.full(shape, part.low, np.float32)
            for part, shape in zip(PARTS, shapes(self._slots, self._servers).values(), strict=True)
        }
        return {
            agent: spaces.Box(low, np.float32(1.0), low.shape) for agent, low in self._shown(lows).items()
        }

    def _action_spaces(self) -> dict[str, spaces.Dict]:
        user: dict[str, spaces.Space[Any]] = {"server": spaces.Discrete(self._servers)}
        user |= {name: spaces.Box(0.0, 1.0, (), np.float64) for name in OWN_SHARES}
        server: dict[str, spaces.Space[Any]] = {
            name: spaces.Box(0.0, 1.0, (self._slots,), np.float64) for name in SERVER_SHARES
        }
        found = {agent: spaces.Dict(dict(user)) for agent in self._users}
        return found | {agent: spaces.Dict(dict(server)) for agent in self._stations}


_COMMON = tuple(part.name for part in PARTS if "slot" not in part.axes)
_OF_SLOT = tuple(part.name for part in PARTS if "slot" in part.axes)
_BY_SERVER = tuple(part.name for part in PARTS if part.axes == ("slot", "server"))
