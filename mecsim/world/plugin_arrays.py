"""What models of others hand over, as arrays of our own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from mecsim.errors import PluginError
from mecsim.system.arrays import Floats

T = TypeVar("T")


def called(where: str, method: Callable[..., T], *arguments: Any) -> T:
    """Call a method of a model that others wrote.

    Parameters
    ----------
    where : str
        How the message begins, such as "path loss 'mine' raised".
    method : callable
    *arguments
        Copies: the model may keep and change them.

    Raises
    ------
    PluginError
        If it raised anything but the interrupt of the user, `SystemExit` included.
    """
    try:
        return method(*arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(f"{where}: {_said(error)}") from error


def own_floats(values: Any) -> Floats | None:
    """Return values as a new array of plain floats, or None if they are no real numbers.

    The array is not of the class of the values and shares no memory with them, so that neither what they
    say of themselves nor what becomes of them later counts.
    """
    try:
        array = np.array(values, subok=False)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - whatever a class of others raises
        return None
    return array.astype(np.float64) if array.dtype.kind in "iuf" else None


def _said(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - the error's own text raises
        return type(error).__name__
