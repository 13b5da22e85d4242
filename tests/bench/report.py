"""The report's size, first paint and frames a second: ``python tests/bench/report.py`` prints them.

Nothing here is asserted but the sizes that a mail takes; the rest belongs to a machine.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from mecsim import compare, load_scenario
from mecsim.analysis.report.page import write_report

CASES = (("10 users", {}, 8.0), ("100 users", {"users.count": 100}, 25.0))
FRAMES_JS = """async () => {
    const { replay } = mecsim, before = replay.frames, began = performance.now();
    replay.play(true);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    replay.play(false);
    return (1000 * (replay.frames - before)) / (performance.now() - began);
}"""


def looked_at(file: Path) -> tuple[float, float]:
    """Return ms to the first paint and frames a second with two maps in headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(file.as_uri())
        page.wait_for_selector("body[data-ready=yes]")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        page.locator("#replay").scroll_into_view_if_needed()
        # Charts that come into view are drawn first; they would be measured too.
        page.wait_for_timeout(2000)
        frames = page.evaluate(FRAMES_JS)
        browser.close()
    return float(paint), float(frames)


def main() -> None:
    """Print a line a case: the campus for two hours under two policies."""
    changes: dict[str, Any]
    for name, changes, most_mb in CASES:
        with tempfile.TemporaryDirectory() as folder:
            scenario = load_scenario("campus").with_changes(changes) if changes else load_scenario("campus")
            compare(scenario, ["gucaa", "nearest"], 1, out=folder)
            file = write_report(folder)
            size_mb = file.stat().st_size / 1e6
            paint, frames = looked_at(file)
        assert size_mb <= most_mb, f"{name}: {size_mb:.1f} MB, at most {most_mb:g}"
        print(f"{name}, 2 h: {size_mb:.1f} MB, first paint {paint:.0f} ms, {frames:.0f} frames/s")


if __name__ == "__main__":
    main()
