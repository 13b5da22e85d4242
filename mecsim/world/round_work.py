"""The work of a round of a scenario's users, and what of the model fits into their memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from mecsim.scenario.memory import room_for
from mecsim.scenario.workload import Workload
from mecsim.system.arrays import Floats
from mecsim.system.equations import Value
from mecsim.system.round_work import RoundWork

# FLOP for each parameter that is not trained and each token: once forward, once backward.
_FORWARD, _BACKWARD = 2.0, 2.0


def affine_work(
    workload: Workload, adapter_params: Value, flops_per_param: Value, epochs: Value
) -> RoundWork[Value] | None:
    """Return the work of rounds, docs/model.md section 2; None for the paper's, the adapter alone.

    Parameters
    ----------
    workload : Workload
    adapter_params, flops_per_param, epochs : float or (N,) float
        d, t and e_n of each user.
    """
    if workload.model == "adapter" and not workload.sends_data:
        return None
    tokens: Any = flops_per_param / workload.flops_per_param_and_token
    trained: Any = adapter_params * flops_per_param
    bits: Any = adapter_params * workload.bits_per_param
    none = 0.0 * trained
    data = tokens * workload.bits_per_token_id if workload.sends_data else none
    base = workload.base_model
    if workload.model == "adapter" or base is None:
        return RoundWork(trained, none, trained, none, bits, data, data, bits, none)
    forward, backward = _FORWARD * base.params * tokens, _BACKWARD * base.params * tokens
    if workload.recompute:
        backward = backward + forward
    if workload.model == "peft":
        # Gradients of the first layers come through all layers, and so does what the last ones start from.
        own, other = forward + backward, trained + backward
        return RoundWork(trained, own, other, forward, bits, data, data, bits, none)
    whole = trained + forward + backward
    activations = tokens * (base.width * workload.bits_per_activation) * epochs
    return RoundWork(whole, none, whole, none, bits, activations, data, bits, activations)


def local_fraction_max(workload: Workload, adapter_params: Floats, memory_bytes: Floats) -> Floats:
    """Return the largest phi whose part of the model fits into the memory of each user's GPUs, (N,).

    Parameters
    ----------
    workload : Workload
    adapter_params : (N,) float
    memory_bytes : (N,) float
        Of all GPUs of a user together; infinite where it is not known.
    """
    if workload.base_model is None:
        return np.ones(len(memory_bytes))
    return np.asarray(np.clip(room_for(workload, adapter_params, memory_bytes), 0.0, 1.0))
