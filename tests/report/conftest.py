"""A small study to make reports of, and a browser to open them in."""

import shutil

import pytest

from mecsim import compare, load_scenario
from mecsim.analysis.report.page import write_report

EVIL = "<script>alert(1)</script>"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """Two policies, one of them with a name that is a script, in two worlds with handovers and an outage."""
    folder = tmp_path_factory.mktemp("study")
    outage = {"outages": [{"server": 0, "from_s": 40.0, "to_s": 60.0}]}
    scenario = load_scenario("smoke").with_changes({"duration_s": 120, "calendar": outage})
    compare(scenario, ["gucaa", {"name": "nearest", "label": EVIL}], 2, out=folder)
    return folder


@pytest.fixture(scope="session")
def page(study, tmp_path_factory):
    return write_report(study, tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="session")
def browser():
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright drives the browser: pip install playwright"
    )
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
