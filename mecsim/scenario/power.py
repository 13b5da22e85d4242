"""Keys of the power of devices: how GPUs draw, how slow they can be, what radios draw besides sending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from mecsim.config.base import Path, Real
from mecsim.scenario.gpu_catalogue import GpuCard

UserLaw: TypeAlias = Literal["cubic", "board"]
ServerLaw: TypeAlias = Literal["cubic", "board", "shared"]
LeastSpeed: TypeAlias = Annotated[Real, Field(ge=0, le=0.95)]
Watts: TypeAlias = Annotated[Real, Field(ge=0, le=1e5)]

GPU_POWER = (
    "How a GPU's power follows its speed: 'cubic' is the paper's law, with 'board' a busy card draws its "
    "board power and an idle one its idle power"
)
GPU_MIN = "Lowest speed of a GPU in use, as a share of its top speed"
CIRCUIT = "Power of the electronics while a {} sends, besides the transmit power"
RECEIVE = "Power of the electronics while a {} receives"

_DEFAULTS: Mapping[str, Any] = {
    "gpu_power": "cubic",
    "gpu_min": 0.0,
    "circuit_power_w": 0.0,
    "receive_power_w": 0.0,
}


def idle_power_w(card: GpuCard, law: str) -> float:
    """Return what one GPU draws all the time: nothing by the cubic law, unless the scenario gives it."""
    if law == "cubic" and card.is_in_catalogue:
        return 0.0
    return card.idle_power_w or 0.0


def without_defaults(content: dict[str, Any], idle_w: Sequence[float]) -> dict[str, Any]:
    """Return what counts in the hash of a scenario: hashes from before these keys stay what they are."""
    kept = {name: value for name, value in content.items() if _DEFAULTS.get(name, ...) != value}
    return kept | {"idle_power_w": list(idle_w)} if any(idle_w) else kept


def idle_problem(card: GpuCard, law: str | None) -> str:
    """Return why a card cannot have a power law; empty if it can."""
    if law in (None, "cubic"):
        return ""
    if card.idle_power_w is None:
        return f"must be 'cubic' for a card without idle_power_w such as '{card.name}', or give it one"
    if card.idle_power_w >= card.board_power_w:
        return (
            f"needs an idle_power_w below board_power_w; those of '{card.name}' are "
            f"{card.idle_power_w:g} and {card.board_power_w:g} W"
        )
    return ""


def first_problem(cards: Sequence[GpuCard], law: str | None, place: Path = ()) -> list[tuple[Path, str]]:
    """Return the problem of the first card that cannot have a power law, if there is one."""
    told = ((place, problem) for card in cards if (problem := idle_problem(card, law)))
    return list(told)[:1]
