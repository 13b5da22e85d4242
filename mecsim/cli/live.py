"""``--live``: a page in the browser beside the bar in the terminal, and the report that ends both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecsim.cli.console import ProgressUpdate, say
from mecsim.errors import MecsimError, RunFailed

if TYPE_CHECKING:
    from mecsim.analysis.report.live import LivePage

LiveOption = Annotated[
    bool, typer.Option("--live", help="Show progress on a page of this machine; it ends in the report.")
]
_MOST_ROWS = 60


class RunMonitor:
    """Shows the progress of runs on the terminal and, if there is one, on a page with the metrics so far.

    Parameters
    ----------
    page : LivePage or None
    folder : Path
        Where run folders appear.
    policies : sequence of str
        Labels; differences are taken to the first.
    """

    def __init__(self, page: LivePage | None, folder: Path, policies: Sequence[str] = ()) -> None:
        self.report: Path | None = None
        self._page, self._folder, self._policies = page, folder, list(policies)
        self._metrics: dict[tuple[str, str], dict[int, dict[str, float]]] = {}

    def forward(self, update: ProgressUpdate) -> ProgressUpdate:
        """Return a function that updates the terminal and the page."""
        page = self._page
        if page is None:
            return update

        def update_both(done: float, message: str) -> None:
            update(done, message)
            self._add(message.partition(": ")[0])
            page.tell(done, message)

        return update_both

    def write_report(self, *, quiet: bool) -> Path | None:
        """Write the report of the folder; failures are reported, not raised."""
        from mecsim.analysis.report.page import write_report

        try:
            self.report = write_report(self._folder)
        except MecsimError as error:
            say(f"no report: {error}", quiet=quiet)
        return self.report

    def _add(self, run_id: str) -> None:
        from mecsim.analysis.key_names import setting_text
        from mecsim.results.manifest import MANIFEST
        from mecsim.results.metrics import METRIC, VERDICT_METRICS, headline_of, run_metrics, with_headline
        from mecsim.results.store import load_run

        if self._page is None or not run_id or not (self._folder / run_id / MANIFEST).is_file():
            return
        results = load_run(self._folder / run_id)
        metrics = run_metrics(results)
        manifest = results.manifest
        world = ", ".join(setting_text(key, value) for key, value in manifest.get("swept", {}).items())
        self._metrics.setdefault((world, manifest["policy"]), {})[manifest["seed"]] = metrics
        shown = with_headline(VERDICT_METRICS, headline_of(manifest))
        self._page.show(["policy", "runs", *(METRIC[name].head for name in shown)], self._rows(shown))

    def _rows(self, shown: Sequence[str]) -> list[dict[str, Any]]:
        from mecsim.analysis.style import policy_styles

        worlds = list(dict.fromkeys(world for world, _ in self._metrics))
        order = [*self._policies, *(policy for _, policy in self._metrics if policy not in self._policies)]
        styles = policy_styles(order)
        places = sorted(self._metrics, key=lambda place: (worlds.index(place[0]), order.index(place[1])))
        heavy = {world: self._heavy_in(world, shown) for world in worlds}
        rows = []
        for world, policy in places[:_MOST_ROWS]:
            own, first = self._metrics[world, policy], self._metrics.get((world, order[0]), {})
            cells = [_cell(own, first, name, is_heavy=name in heavy[world]) for name in shown]
            name = ", ".join([policy, *([world] if world else [])])
            colour = styles[policy].html_colour
            rows.append({"colour": colour, "texts": [name, str(len(own)), *cells]})
        return rows

    def _heavy_in(self, world: str, shown: Sequence[str]) -> dict[str, dict[str, str]]:
        import pandas as pd

        from mecsim.analysis.tails import heavy_tails

        runs = [
            {"policy": policy} | one
            for (where, policy), own in self._metrics.items()
            if where == world
            for one in own.values()
        ]
        return heavy_tails(pd.DataFrame(runs), shown)


@contextmanager
def monitored(
    wanted: bool, title: str, total: float, folder: Path, policies: Sequence[str] = ()
) -> Iterator[RunMonitor]:
    """Yield a monitor, with a page if one is wanted; at the end the page is sent the report."""
    page = None
    if wanted:
        from mecsim.analysis.report.live import LivePage

        page = LivePage(title, total)
        say(f"live: {page.url}")
    monitor, error = RunMonitor(page, folder, policies), "mecsim was interrupted"
    try:
        yield monitor
        error = ""
    except RunFailed as failed:
        error = str(failed)
        # The report of a study in which every run failed says what failed.
        monitor.write_report(quiet=True)
        raise
    except MecsimError as failed:
        error = str(failed)
        raise
    finally:
        if page is not None:
            page.close(monitor.report, error)


def _cell(
    own: dict[int, dict[str, float]], first: dict[int, dict[str, float]], name: str, *, is_heavy: bool
) -> str:
    from mecsim.analysis.centres import centre

    text = centre([one[name] for one in own.values()], is_heavy=is_heavy).text
    pairs = [own[seed][name] - first[seed][name] for seed in own.keys() & first.keys()]
    if own is first or len(pairs) < 2:
        return text
    return f"{text} ({centre(pairs, is_heavy=is_heavy).written(signed=True)})"
