"""How users move: one of the mobility models."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from mecsim.scenario.models import MOBILITY, Model, OneOf

Mobility: TypeAlias = Annotated[Model, OneOf(MOBILITY)]
