"""What the electronics of both ends of a transfer draw besides the transmit power."""

from __future__ import annotations

from mecsim.engine.job import Job
from mecsim.system.power import PowerSpec
from mecsim.system.resources import Owner


class Electronics:
    """The circuit and receive powers of all devices, docs/model.md section 2.

    Parameters
    ----------
    power : PowerSpec
    """

    def __init__(self, power: PowerSpec) -> None:
        senders: tuple[Owner, Owner] = ("user", "server")
        ends = {sender: power.ends_w(sender) for sender in senders}
        self._at_user = {sender: ends[sender][0].tolist() for sender in senders}
        self._at_server = {sender: ends[sender][1].tolist() for sender in senders}

    def serve(self, job: Job, sender: Owner) -> None:
        """Add what both ends draw to a transfer that has just been given its transmit power."""
        user_w, server_w = self._at_user[sender][job.user], self._at_server[sender][job.server]
        own_w, job.other_w = (user_w, server_w) if sender == "user" else (server_w, user_w)
        job.power_w += own_w
