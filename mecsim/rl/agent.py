"""A trained agent as a policy: the model sees and says what it did in the environment."""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from mecsim.errors import MecsimError
from mecsim.policy import Observation, ScenarioInfo
from mecsim.rl.actions import ActionCode, Form
from mecsim.rl.flat_actions import FlatActionCode
from mecsim.rl.network import Predictor, load_network
from mecsim.rl.observations import ObservationCode, slots_of
from mecsim.rl.options import OBSERVATIONS, check_choice
from mecsim.rl.slots import Slots
from mecsim.system.allocation import Allocation


class AgentPolicy:
    """A policy that asks a model, with the arrays that the environment of the same options shows.

    Parameters
    ----------
    model : str, Path or object
        A file (:func:`~mecsim.rl.network.load_network`), or an object with ``predict(observation)``, such as
        a model of stable-baselines3, whose policy is copied and asked for deterministic actions. It returns
        an action, a vector (:mod:`mecsim.rl.flat_actions`; for ``association`` these are logits), or a tuple
        that begins with one of these.
    algorithm : str, optional
        For a ``.zip`` of stable-baselines3, which holds code that is run: the class that wrote it, ``PPO``.
    form : {"association", "ratio", "full"}
        What an action says.
    observation : {"flat", "dict"}
        The form of what the model sees.
    slots : int, optional
        For how many users there is room; by default what the spaces of the model say, else as many as there
        are users.
    local_fraction : float
        What users train themselves where actions do not say.
    training_seeds : collection of int
        Seeds of the worlds that it was trained in: a run with one of them is refused.
    allow_training_seeds : bool
        Whether such a run is made all the same.

    Raises
    ------
    MecsimError
        If the file cannot be used, the object predicts nothing, or an option has a value that is not allowed.
    """

    file_parameters: ClassVar[tuple[str, ...]] = ("model",)

    def __init__(
        self,
        model: Any,
        *,
        algorithm: str | None = None,
        form: Form = "association",
        observation: Literal["flat", "dict"] = "flat",
        slots: int | None = None,
        local_fraction: float = 0.5,
        training_seeds: Collection[int] = (),
        allow_training_seeds: bool = False,
    ) -> None:
        if isinstance(model, str | Path):
            self._model, self.weights_sha256 = load_network(Path(model), algorithm)
        elif callable(getattr(model, "predict", None)):
            self._model = _what_predicts(model)
            self.weights_sha256 = _digest(self._model)
        else:
            raise MecsimError(f"model = {type(model).__name__}: must be a file, or have predict(observation)")
        check_choice("observation", observation, OBSERVATIONS)
        ActionCode(form, 1 if slots is None else slots, 1, local_fraction)  # checks them now
        self._form, self._flat, self._slots = form, observation == "flat", slots
        self._local_fraction = local_fraction
        self.training_seeds = frozenset(training_seeds)
        self.allow_training_seeds = allow_training_seeds
        self._options = _options(self._model)
        self._seats: Slots | None = None

    def reset(self, info: ScenarioInfo, rng: np.random.Generator) -> None:
        """Prepare the arrays for the servers and users of a run."""
        self._prepare(info.user_count, info.server_count, info.duration_s)

    def _prepare(self, users: int, servers: int, duration_s: float) -> None:
        slots = self._slots or _slots_of_model(self._model, servers) or users
        self._code = ActionCode(self._form, slots, servers, self._local_fraction)
        self._flat_action = FlatActionCode(self._code)
        self._seen_as = ObservationCode(slots, servers, duration_s)
        self._seats = Slots(slots)

    def allocate(self, observation: Observation) -> Allocation:
        """Return what the model decides."""
        if self._seats is None:  # nobody has said how long the run is
            self._prepare(observation.instance.user_count, observation.instance.server_count, math.inf)
            assert self._seats is not None
        slot = self._seats.assign(observation.user)
        shown = (self._seen_as.flat if self._flat else self._seen_as.parts)(observation, slot)
        action = self._model.predict(shown, **self._options)
        action = action[0] if isinstance(action, tuple) else action
        return self._code.decode(self._as_action(action), observation, slot)

    def _as_action(self, action: Any) -> Any:
        if isinstance(action, Mapping):
            return action
        values = np.asarray(action)
        return self._flat_action.action(values.ravel()) if values.dtype.kind == "f" else action


def _what_predicts(model: Any) -> Any:
    """Return a copy of the policy in a model of stable-baselines3, any other model as it is.

    The policy predicts the same without the environments of the training, which no other process can have.
    A copy by pickle is without the gradients of its last step, which cannot be copied, and stays as it is
    when the training goes on.
    """
    policy = getattr(model, "policy", None)
    if not callable(getattr(policy, "predict", None)):
        return model
    import cloudpickle

    return cloudpickle.loads(cloudpickle.dumps(policy))


def _options(model: Predictor) -> dict[str, Any]:
    """Return what to call ``predict`` with besides: stable-baselines3 draws its actions unless told."""
    try:
        accepted = inspect.signature(model.predict).parameters
    except (TypeError, ValueError):
        return {}
    return {"deterministic": True} if "deterministic" in accepted else {}


def _slots_of_model(model: Any, servers: int) -> int | None:
    """Return for how many users a model was made, from its spaces; None if it has none that tell."""
    servers_of_slots = getattr(getattr(model, "action_space", None), "nvec", None)
    if servers_of_slots is not None:
        return len(servers_of_slots)
    seen = getattr(model, "observation_space", None)
    parts = getattr(seen, "spaces", None)
    if parts and "mask" in parts:
        return int(parts["mask"].shape[0])
    shape = getattr(seen, "shape", None)
    return slots_of(shape[0], servers) if shape and len(shape) == 1 else None


def _digest(model: Any) -> str:
    """Return a SHA-256 of the weights of a model, or of the pickled model if it shows none."""
    state = getattr(model, "state_dict", None)
    total = hashlib.sha256()
    if callable(state):
        for name, tensor in sorted(state().items()):
            array = np.ascontiguousarray(tensor.detach().cpu().numpy())
            total.update(f"{name}:{array.shape}:{array.dtype}\n".encode())
            total.update(array.tobytes())
        return total.hexdigest()
    import cloudpickle

    total.update(cloudpickle.dumps(model))
    return total.hexdigest()
