"""The data of the replay: users, servers and rounds of one world under several policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mecsim.analysis.recovery import outages_of
from mecsim.analysis.report.collect import Collected
from mecsim.analysis.report.pack import OUTCOMES, Packed, pack_grants, pack_positions, pack_rounds
from mecsim.analysis.user_classes import scenario_of, user_classes
from mecsim.errors import MecsimError

if TYPE_CHECKING:
    from mecsim.results.result import Results
    from mecsim.scenario.schema import Scenario

BUDGET_BYTES = 18_000_000


class ReplayData:
    """Header and blobs of the replay; runs with the same positions share them.

    Parameters
    ----------
    collected : Collected
    budget_bytes : int
        Most characters of all blobs together; a longer run is cut at the same time under every policy.
    """

    def __init__(self, collected: Collected, budget_bytes: int = BUDGET_BYTES) -> None:
        self.notes: list[str] = []
        self.blobs: dict[str, str] = {}
        self.header: dict[str, Any] = {"runs": [], "outcomes": OUTCOMES}
        if not collected.replays:
            return
        first = next(iter(collected.replays.values()))
        self.scenario = _scenario(first, self.notes)
        duration_s = until_s = float(first.manifest["duration_s"])
        self._pack(collected, until_s)
        while (size := sum(map(len, self.blobs.values()))) > budget_bytes and until_s > 1e-3 * duration_s:
            until_s *= 0.95 * budget_bytes / size
            self._pack(collected, until_s)
        if until_s < duration_s:
            self.notes.append(
                f"Replay and rounds are of the first {until_s:,.0f} s of {duration_s:,.0f} s only, "
                "to keep this page small enough to mail; the tables have all of it."
            )
        self.header |= {"until_s": until_s, "duration_s": duration_s, **self._place(first)}
        self.header["seed"] = first.manifest["seed"]
        names = user_classes(first)
        classes = [] if names is None else list(dict.fromkeys(names.tolist()))
        self.header["classes"] = classes
        self.header["class_of"] = [] if names is None else [classes.index(name) for name in names.tolist()]
        self.header["outages"] = [list(one) for one in self.outages(first)]

    def outages(self, results: Results) -> list[tuple[int, float, float]]:
        """Return (server, from, to) of every outage of that world."""
        return [] if self.scenario is None else outages_of(self.scenario, results.manifest["seed"])

    def _pack(self, collected: Collected, until_s: float) -> None:
        self.blobs, self.header["runs"] = {}, []
        names: dict[str, str] = {}
        for i, (policy, results) in enumerate(collected.replays.items()):
            positions, rounds = pack_positions(results, until_s), pack_rounds(results, until_s)
            where = names.setdefault(positions.text, f"positions-{i}")
            self.blobs |= {where: positions.text, f"rounds-{i}": rounds.text}
            grants = pack_grants(results, until_s)
            if grants is not None:
                self.blobs[f"grants-{i}"] = grants.text
            self.header["runs"].append({
                "policy": policy,
                "positions": _entry(where, positions),
                "rounds": _entry(f"rounds-{i}", rounds),
                "grants": None if grants is None else _entry(f"grants-{i}", grants),
            })  # fmt: skip

    def _place(self, first: Results) -> dict[str, Any]:
        """Return area and servers; without the scenario's files, the rectangle that the users walked in."""
        if self.scenario is not None:
            return {
                "size_m": list(self.scenario.area.size_m),
                "servers_m": list(self.scenario.servers.sites_m),
            }
        places = first.positions
        size_m = [float(places[axis].max()) if len(places) else 1.0 for axis in ("x_m", "y_m")]
        return {"size_m": size_m, "servers_m": []}


def _scenario(results: Results, notes: list[str]) -> Scenario | None:
    """Return the scenario of a run, if the files that it names can still be found from here."""
    try:
        return scenario_of(results)
    except MecsimError as error:
        notes.append(f"Servers and outages are missing, as the scenario cannot be read again: {error}")
        return None


def _entry(blob: str, packed: Packed) -> dict[str, Any]:
    return {"blob": blob, "layout": packed.layout}
