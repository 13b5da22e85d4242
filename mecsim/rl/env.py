"""Gymnasium environments: one agent that decides for everybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mecsim.errors import MecsimError
from mecsim.policy import Observation
from mecsim.results.result import Results
from mecsim.rl.actions import ActionCode, Form
from mecsim.rl.drawing import frame
from mecsim.rl.flat_actions import FlatActionCode
from mecsim.rl.observations import PARTS, ObservationCode, flat_size, shapes
from mecsim.rl.options import ACTIONS, OBSERVATIONS, check_choice
from mecsim.rl.rewards import REALISED_SCR, RewardFunction, defined, reward_function
from mecsim.rl.slots import Slots, slot_count
from mecsim.rl.stepped_run import SteppedRun
from mecsim.scenario.load import load_scenario
from mecsim.scenario.schema import Scenario
from mecsim.system.allocation import Allocation

ENVIRONMENTS: dict[str, Form] = {
    "mecsim/Association-v0": "association",
    "mecsim/AssociationRatio-v0": "ratio",
    "mecsim/Full-v0": "full",
}
"""The form of the actions of each environment."""

_LARGEST_SEED = 2**31


class AllocationEnv(gymnasium.Env[Any, Any]):
    """An episode is a replication of a scenario, and a step is a decision of a policy.

    Parameters
    ----------
    scenario : Scenario, str or Path
        A scenario, a file, or the name of a shipped one.
    form : {"association", "ratio", "full"}
        What an action says; see :mod:`mecsim.rl.actions`.
    observation : {"flat", "dict"}
        One array, or an array for each part; see :mod:`mecsim.rl.observations`.
    action : {"parts", "flat"}
        The parts of the form, or one vector of numbers; see :mod:`mecsim.rl.flat_actions`.
    reward : str or callable
        ``"realised_scr"``, a metric, or a function of an :class:`~mecsim.rl.rewards.Epoch`.
    slots : int, optional
        For how many users there is room in the arrays; :func:`~mecsim.rl.slots.slot_count` by default.
    local_fraction : float
        What users train themselves where actions do not say.
    render_mode : {"rgb_array"}, optional

    Raises
    ------
    ScenarioError, MecsimError
        If there is no such scenario, or an option has a value that is not allowed.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012 - Gymnasium's own form

    def __init__(
        self,
        scenario: Scenario | str | Path = "campus",
        *,
        form: Form = "association",
        observation: Literal["flat", "dict"] = "flat",
        action: Literal["parts", "flat"] = "parts",
        reward: str | RewardFunction = REALISED_SCR,
        slots: int | None = None,
        local_fraction: float = 0.5,
        render_mode: str | None = None,
    ) -> None:
        check_choice("observation", observation, OBSERVATIONS)
        check_choice("action", action, ACTIONS)
        if render_mode not in (None, "rgb_array"):
            raise MecsimError(f"render_mode = {render_mode}: must be 'rgb_array' or None")
        self.scenario = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
        self.slots = slot_count(self.scenario) if slots is None else slots
        servers = self.scenario.servers.count
        self.code = ActionCode(form, self.slots, servers, local_fraction)
        self.render_mode, self._flat = render_mode, observation == "flat"
        self._reward = reward_function(reward)
        self._flat_action = FlatActionCode(self.code) if action == "flat" else None
        self._seen_as = ObservationCode(self.slots, servers, self.scenario.duration_s)
        self._slots = Slots(self.slots)
        self.run: SteppedRun | None = None
        self.action_space = action_space(self.code, flat=self._flat_action)
        self.observation_space = observation_space(self.slots, servers, flat=self._flat)

    @property
    def observation(self) -> Observation | None:
        """What a policy would see now; None if nobody is there."""
        return self._running().observation

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in the world of replication ``seed``; without one, in that of a drawn seed."""
        super().reset(seed=seed)
        replication = int(self.np_random.integers(_LARGEST_SEED)) if seed is None else seed
        self.run = SteppedRun(self.scenario, replication)
        self._slots = Slots(self.slots)
        return self._shown(), {"seed": replication, "time_s": self.run.now_s}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Decide by an action and go on to the next decision, or to the end of the run, which truncates.

        ``info`` has ``time_s``, ``rounds_finished``, ``score`` and ``cost``, the numerator and denominator
        of the realised SCR, ``reward_is_defined``, and ``users_without_slot``.

        Raises
        ------
        InvalidAllocation
            If it is no action of the space; values are checked, so that a NaN does no harm.
        """
        run = self._running()
        if run.observation is None:  # nobody has ever been there
            run.is_over = True
            return self._shown(), 0.0, False, True, {"time_s": run.now_s, "reward_is_defined": False}
        allocation = self.decode(action)
        epoch = run.step(allocation)
        reward, is_defined = defined(self._reward(epoch))
        shown = self._shown()
        info = {
            "time_s": epoch.end_s,
            "rounds_finished": run.rounds_finished,
            "score": epoch.realised.score,
            "cost": epoch.realised.cost,
            "reward_is_defined": is_defined,
            "users_without_slot": int((self._slot() < 0).sum()),
        }
        return shown, reward, False, run.is_over, info

    def decode(self, action: Any) -> Allocation:
        """Return the allocation that an action is now."""
        if self._flat_action is not None:
            action = self._flat_action.action(action)
        return self.code.decode(action, self._asked(), self._slot())

    def encode(self, allocation: Allocation) -> Any:
        """Return the action that an allocation is now, as far as an action can say it."""
        action = self.code.encode(allocation, self._asked(), self._slot())
        return action if self._flat_action is None else self._flat_action.vector(action)

    def results(self) -> Results:
        """Return the tables of the episode, once it is over."""
        return self._running().results()

    def render(self) -> NDArray[np.uint8] | None:
        """Return the map of this moment (height, width, 3); None without ``render_mode="rgb_array"``."""
        return frame(self._running()) if self.render_mode == "rgb_array" else None

    def _shown(self) -> Any:
        observation = self._running().observation
        code = self._seen_as.flat if self._flat else self._seen_as.parts
        return code(observation, self._slot())

    def _slot(self) -> NDArray[np.int64]:
        observation = self._running().observation
        if observation is None:
            return np.empty(0, dtype=np.int64)
        return self._slots.assign(observation.user)

    def _asked(self) -> Observation:
        observation = self._running().observation
        if observation is None:
            raise MecsimError("nobody is there: there is nothing to decide")
        return observation

    def _running(self) -> SteppedRun:
        if self.run is None:
            raise MecsimError("the environment has not been reset: call reset() first")
        return self.run


def action_space(code: ActionCode, flat: FlatActionCode | None = None) -> spaces.Space[Any]:
    """Return the space of the actions of a form, or of their vectors."""
    if flat is not None:
        return spaces.Box(-1.0, 1.0, (flat.size,), np.float32)
    servers = spaces.MultiDiscrete(np.full(code.slots, code.servers))
    if code.form == "association":
        return servers
    shares = {name: spaces.Box(0.0, 1.0, (code.slots,), np.float64) for name in code.shares}
    return spaces.Dict({"server": servers, **shares})


def observation_space(slots: int, servers: int, *, flat: bool) -> spaces.Space[Any]:
    """Return the space of observations."""
    boxes: dict[str, spaces.Space[Any]] = {
        part.name: spaces.Box(part.low, 1.0, shape, np.float32)
        for part, shape in zip(PARTS, shapes(slots, servers).values(), strict=True)
    }
    if not flat:
        return spaces.Dict(boxes)
    size = flat_size(slots, servers)
    low = [np.full(int(np.prod(shapes(slots, servers)[part.name])), part.low) for part in PARTS]
    return spaces.Box(np.concatenate(low).astype(np.float32), np.float32(1.0), (size,), np.float32)


def register() -> None:
    """Make the environments known to ``gymnasium.make``."""
    for name, form in ENVIRONMENTS.items():
        if name not in gymnasium.registry:
            gymnasium.register(name, entry_point="mecsim.rl.env:AllocationEnv", kwargs={"form": form})
