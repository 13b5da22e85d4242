"""Networks of an agent without a learning library: from tensors, or in ONNX form."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mecsim.config.bounded_file import read_bounded
from mecsim.errors import MecsimError
from mecsim.messages import either, nearest

MOST_BYTES = 1 << 30
TENSOR_FILES = (".npz", ".pt", ".pth")
SB3_FILE = ".zip"
_LAYER = re.compile(r"(?:mlp_extractor\.policy_net\.)?(\d+)\.(weight|bias)$|action_net\.(weight|bias)$")
_LAST = 1 << 30
READ = (".onnx", *TENSOR_FILES, SB3_FILE)
_NO_ALGORITHM = (
    "a .zip file of stable-baselines3 holds code, which is run when it is read; if you trust it, say which "
    "algorithm wrote it (algorithm=PPO), else export it as ONNX"
)
_NEEDLESS_ALGORITHM = f"algorithm: is for a {SB3_FILE} file of stable-baselines3 only"


class Predictor(Protocol):
    """Anything that predicts an action from an observation, as models of stable-baselines3 do."""

    def predict(self, observation: Any) -> Any:
        """Return an action, or a tuple of an action and something that is ignored."""
        ...


class Mlp:
    """A network of dense layers with tanh between them, whose outputs are logits of servers by slot.

    The names are those of an actor-critic policy of stable-baselines3 (``mlp_extractor.policy_net.0.weight``,
    .., ``action_net.bias``), or ``0.weight``, ``0.bias``, ``1.weight``, ..; other tensors are ignored.

    Parameters
    ----------
    tensors : mapping of arrays
        Weights (outputs, inputs) and biases (outputs,).

    Raises
    ------
    MecsimError
        If there is no layer, a layer lacks its weight or bias, or shapes do not fit.
    """

    def __init__(self, tensors: Mapping[str, Any]) -> None:
        layers: dict[int, dict[str, NDArray[np.float64]]] = {}
        for name, values in tensors.items():
            if found := _LAYER.match(name):
                number = _LAST if found[1] is None else int(found[1])
                layers.setdefault(number, {})[found[2] or found[3]] = np.asarray(values, dtype=np.float64)
        self.layers: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
        size = None
        for _, layer in sorted(layers.items()):
            weight, bias = layer.get("weight"), layer.get("bias")
            if weight is None or bias is None or weight.ndim != 2 or bias.shape != weight.shape[:1]:
                raise MecsimError(
                    "tensors: each layer must have a weight (outputs, inputs) and a bias (outputs,)"
                )
            if size not in (None, weight.shape[1]):
                raise MecsimError(
                    f"tensors: a layer has {size} outputs, and the next {weight.shape[1]} inputs"
                )
            size = weight.shape[0]
            self.layers.append((weight, bias))
        if not self.layers:
            raise MecsimError(
                "tensors: no layer; its names must be 0.weight, 0.bias, .. or those of stable-baselines3"
            )

    def predict(self, observation: Any) -> NDArray[np.float64]:
        """Return the logits."""
        values = np.asarray(observation, dtype=np.float64)
        for k, (weight, bias) in enumerate(self.layers):
            if values.shape != weight.shape[1:]:
                raise MecsimError(
                    f"an observation has {values.size} numbers, the network takes {weight.shape[1]}"
                )
            values = weight @ values + bias
            values = np.tanh(values) if k + 1 < len(self.layers) else values
        return values


class OnnxNetwork:
    """A network in ONNX form with one input and, first, an output of actions or of logits.

    Parameters
    ----------
    content : bytes

    Raises
    ------
    MecsimError
        If onnxruntime is not installed, or the content is no such network.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._session: Any = None
        self._load()

    def __getstate__(self) -> dict[str, Any]:
        return {"_content": self._content, "_session": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> OnnxNetwork:
        return self

    def predict(self, observation: Any) -> Any:
        """Return the first output for one observation."""
        session = self._load()
        (given, *_), batch = session.get_inputs(), np.asarray(observation, dtype=np.float32)[None]
        return session.run(None, {given.name: batch})[0][0]

    def _load(self) -> Any:
        if self._session is None:
            try:
                import onnxruntime
            except ImportError as error:
                raise MecsimError(
                    f"ONNX needs onnxruntime, which cannot be imported ({error}); install: "
                    "pip install 'mecsim[onnx]'"
                ) from error
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            try:
                self._session = onnxruntime.InferenceSession(
                    self._content, options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:  # onnxruntime's own exceptions derive from nothing more
                raise MecsimError(f"no network in ONNX form: {error}") from error
        return self._session


def load_network(path: Path, algorithm: str | None = None) -> tuple[Predictor, str]:
    """Return the network in a file and the SHA-256 of the file.

    Parameters
    ----------
    path : Path
        ``.onnx``; ``.npz`` with arrays; ``.pt`` or ``.pth`` with tensors, which PyTorch reads with
        ``weights_only=True``: none of them can run code. A ``.zip`` of stable-baselines3 can, and is read
        only if its algorithm is given.
    algorithm : str, optional
        Class of stable-baselines3 that wrote a ``.zip``.

    Raises
    ------
    MecsimError
        If it cannot be read, is of another kind, or holds code that nobody has asked for.
    """
    ending = path.suffix.lower()
    if ending not in READ:
        raise MecsimError(f"{path}: must end in {either(READ)}")
    if (ending == SB3_FILE) != (algorithm is not None):
        raise MecsimError(f"{path}: {_NO_ALGORITHM if algorithm is None else _NEEDLESS_ALGORITHM}")
    try:
        content = read_bounded(path, MOST_BYTES)
        if ending == ".onnx":
            network: Predictor = OnnxNetwork(content)
        else:
            network = _sb3_policy(algorithm, content) if algorithm else Mlp(_tensors(ending, content))
    except MecsimError as error:
        raise MecsimError(f"{path}: {error}") from error
    return network, hashlib.sha256(content).hexdigest()


def _sb3_policy(algorithm: str, content: bytes) -> Any:
    """Return the policy in a file of stable-baselines3, which may run code of the file."""
    try:
        import stable_baselines3
        from stable_baselines3.common.base_class import BaseAlgorithm
    except ImportError as error:
        raise MecsimError(
            f"a {SB3_FILE} file needs stable-baselines3, which cannot be imported ({error}); install: "
            "pip install 'mecsim[train]'"
        ) from error
    found: dict[str, Any] = {
        name: each
        for name, each in vars(stable_baselines3).items()
        if isinstance(each, type) and issubclass(each, BaseAlgorithm)
    }
    names = tuple(sorted(found))
    if algorithm not in names:
        raise MecsimError(f"algorithm = {algorithm}: must be {either(names)}{nearest(algorithm, names)}")
    try:
        return found[algorithm].load(io.BytesIO(content), device="cpu").policy
    except Exception as error:  # zipfile's, pickle's, PyTorch's
        raise MecsimError(f"no model of {algorithm} of stable-baselines3: {error}") from error


def _tensors(ending: str, content: bytes) -> dict[str, Any]:
    if ending == ".npz":
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except (ValueError, OSError, KeyError) as error:
            raise MecsimError(f"no arrays: {error}") from error
    try:
        import torch
    except ImportError as error:
        raise MecsimError(f"{ending} needs PyTorch ({error}); save the tensors as .npz instead") from error
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # pickle's, zipfile's, and its own
        raise MecsimError(f"no tensors that weights_only can read: {error}") from error
    return {name: tensor.numpy() for name, tensor in found.items()}
