"""The resources that serve the phases of a round: who owns them, and what limits their grants.

:data:`GRANTS` lists what an allocation grants, and :data:`mecsim.system.phases.PHASES` names the
resource of each phase; whatever goes over grants or phases goes over these tables.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Owner = Literal["user", "server"]
Medium = Literal["gpu", "radio"]


class GrantSpec(NamedTuple):
    """One kind of grant in an allocation.

    Parameters
    ----------
    field : str
        Field of :class:`~mecsim.system.allocation.Allocation` that holds the grants, (N,).
    budget : str
        Field of the owner, :class:`~mecsim.system.devices.Users` or ``Servers``, that limits them.
    owner : {"user", "server"}
        Whose budget it is. The users of a server share its budget; a user's own is for itself.
    """

    field: str
    budget: str
    owner: Owner


BANDWIDTH = GrantSpec("bandwidth_hz", "bandwidth_hz", "server")
USER_POWER = GrantSpec("user_power_w", "max_power_w", "user")
SERVER_POWER = GrantSpec("server_power_w", "max_power_w", "server")
USER_SPEED = GrantSpec("user_gpu_flops", "max_gpu_flops", "user")
SERVER_SPEED = GrantSpec("server_gpu_flops", "max_gpu_flops", "server")

GRANTS = (BANDWIDTH, USER_POWER, SERVER_POWER, USER_SPEED, SERVER_SPEED)
"""Every kind of grant, in the order of the fields of an allocation."""

TRANSMIT_POWER: dict[Owner, GrantSpec] = {"user": USER_POWER, "server": SERVER_POWER}
"""The transmit power of a radio phase, by who sends."""


class ResourceSpec(NamedTuple):
    """What a phase is served by.

    Parameters
    ----------
    name : str
    medium : {"gpu", "radio"}
        How a grant becomes a rate: FLOP/s of the owner's GPUs, or bit/s of the user's link.
    grant : GrantSpec
        The grants that share this resource.
    """

    name: str
    medium: Medium
    grant: GrantSpec


USER_GPU = ResourceSpec("user_gpu", "gpu", USER_SPEED)
RADIO = ResourceSpec("radio", "radio", BANDWIDTH)
SERVER_GPU = ResourceSpec("server_gpu", "gpu", SERVER_SPEED)
