"""The report in a real browser: what it draws is what the tables hold, and everything can be reached."""

import math
import re

import numpy as np
import pytest

from mecsim import load_scenario, simulate
from mecsim.analysis.report.page import write_report
from mecsim.results.store import load_run
from mecsim.tables import TABLES

EVIL = "<script>alert(1)</script>"


class Opened:
    """A page with everything that went wrong or asked for the network."""

    def __init__(self, browser, file, width=1280, scheme="light"):
        self.complaints, self.requests, self.dialogs = [], [], []
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        self.page.goto(file.as_uri())

    def ready(self):
        self.page.wait_for_selector("body[data-ready=yes]", timeout=20_000)
        return self


def every_run(study):
    return [load_run(path.parent) for path in study.glob("*/manifest.json")]


@pytest.fixture(scope="module")
def opened(browser, page):
    opened = Opened(browser, page).ready()
    yield opened
    opened.page.close()


def test_no_complaint_no_request_no_script_of_somebody_else(opened, page):
    for key in opened.page.eval_on_selector_all(".chart", "all => all.map((one) => one.dataset.chart)"):
        opened.page.locator(f"[data-chart='{key}']").scroll_into_view_if_needed()
        opened.page.wait_for_selector(f"[data-chart='{key}'] .plot[data-ready=yes]", timeout=20_000)
    assert opened.complaints == []
    assert opened.dialogs == []
    assert [url for url in opened.requests if not url.startswith(("data:", "blob:"))] == [page.as_uri()]
    assert EVIL in opened.page.inner_text("#verdict")
    # In the charts too it is a text, not an element.
    assert EVIL in opened.page.text_content("[data-chart=delay] .legend")


def test_users_are_where_the_table_has_them(opened, study):
    """Mutant: times shifted by a sample, users mixed up."""
    run = next(
        load_run(p.parent) for p in sorted(study.glob("*/manifest.json")) if "gucaa-s0" in p.parent.name
    )
    rows = run.positions.iloc[::7]
    places = opened.page.evaluate(
        """async (rows) => {
            const run = await mecsim.runOf("gucaa");
            return rows.map(([n, t]) => run.place(n, t));
        }""",
        rows[["user", "time_s"]].to_numpy().tolist(),
    )
    np.testing.assert_allclose(places, rows[["x_m", "y_m"]].to_numpy(), rtol=1e-6)
    assert np.ptp(np.array(places), axis=0).min() > 10


def test_rounds_are_drawn_as_the_table_has_them(opened, study):
    run = next(
        load_run(p.parent) for p in sorted(study.glob("*/manifest.json")) if "gucaa-s0" in p.parent.name
    )
    rows = run.rounds[run.rounds["delay_s"] > 0.01].iloc[::25]
    asked = [[u, s + 0.5 * d] for u, s, d in rows[["user", "start_s", "delay_s"]].to_numpy().tolist()]
    found = opened.page.evaluate(
        """async (asked) => {
            const run = await mecsim.runOf("gucaa");
            const found = asked.map(([n, t]) => run.doing(n, t));
            return found.map((one) => [run.rounds.round[one.round], one.share, one.server]);
        }""",
        asked,
    )
    assert [one[0] for one in found] == rows["round"].tolist()
    np.testing.assert_allclose([one[1] for one in found], 0.5, atol=1e-3)
    still = (rows["handovers"] == 0).to_numpy()
    assert [one[2] for one, stays in zip(found, still, strict=True) if stays] == rows["server_first"][
        still
    ].tolist()


def test_two_policies_stay_in_step_and_keys_work(opened):
    """Mutant: a clock a panel. The dots of both maps are at the same places at the same time."""
    page = opened.page
    page.select_option("#left", index=0)
    page.select_option("#right", index=2)
    canvas = page.locator("#panel-left canvas")
    canvas.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate("mecsim.replay.t") == 70
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("mecsim.replay.user") == 1
    assert "share of the user" in page.inner_text("#panel-right .about")
    page.keyboard.press("+")
    assert page.input_value("#speed") == "60"
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    page.wait_for_function("() => mecsim.replay.t > 10")
    page.keyboard.press(" ")
    left, right = page.evaluate(
        "mecsim.replay.views.map((view) => view.dots.map(({ user, at }) => [user, ...at]))"
    )
    assert left == right
    assert len(left) > 1
    names = page.evaluate("mecsim.replay.runs.map((run) => run.policy)")
    assert sorted(names) == sorted([EVIL, "gucaa"])
    assert page.evaluate("mecsim.replay.playing") is False
    page.keyboard.press("End")
    assert page.evaluate("mecsim.replay.t") == 120


def told(page, side, user, t):
    """Return what the panel of one side says of a user at a time, by term."""
    page.evaluate("([n, t]) => { mecsim.replay.select(n); mecsim.replay.seek(t); }", [user, t])
    texts = page.locator(f"#panel-{side} .about > *").all_inner_texts()
    return dict(zip(texts[::2], texts[1::2], strict=True))


UNITS = {"MHz": 1e6, "mW": 1e-3, "W": 1.0, "TFLOP/s": 1e12, "s": 1.0}


def numbers_of(text):
    """Return the numbers of a text in SI units."""
    return [float(value) * UNITS[unit] for value, unit in re.findall(r"([\d.]+) ([\w/]+)", text)]


def grants_shown(about):
    server, phi = about["server, next φ"].split(", ")
    names = ("bandwidth", "power up, down", "user's GPUs, each", "server's GPUs, each")
    return [int(server), float(phi), *(value for name in names for value in numbers_of(about[name]))]


GRANTS = [column.name for column in TABLES["allocations"]][2:]


def test_the_panel_shows_the_grants_in_force_at_the_time_shown(opened, study):
    """Mutants: the decision before or after, another user or policy, a unit or two columns mixed up; a
    panel that is not written anew at a decision."""
    page = opened.page
    page.evaluate("mecsim.replay.pinned = true")
    page.select_option("#left", index=0)
    page.select_option("#right", index=2)
    page.wait_for_function("() => new Set(mecsim.replay.runs.map((run) => run?.policy)).size === 2")
    policies = page.evaluate("mecsim.replay.runs.map((run) => run.policy)")
    tables = {(one.manifest["policy"], one.manifest["seed"]): one for one in every_run(study)}
    seen = set()
    for side, policy in zip(("left", "right"), policies, strict=True):
        run = tables[policy, 0]
        decided = run.epochs.dropna(subset="in_force_s")
        own = run.allocations.set_index(["epoch", "user"])[GRANTS]
        for k, user in ((0, 0), (2, 1), (3, 3), (5, 2), (len(decided) - 1, 3)):
            begins = decided["in_force_s"].iloc[k]
            ends = [*decided["in_force_s"], 120.0][k + 1]
            told(page, side, user, begins - 1e-3)
            for t in (begins, begins + 0.9 * (ends - begins)):
                about = told(page, side, user, t)
                expected = own.loc[(decided["epoch"].iloc[k], user)].tolist()
                np.testing.assert_allclose(grants_shown(about), expected, rtol=6e-4)
                assert numbers_of(about["grants now"])[0] <= t
            seen.add(tuple(expected))
    assert len(seen) > 4
    page.evaluate("mecsim.replay.pinned = false; mecsim.replay.select(-1)")


def test_who_has_left_has_no_grants_and_what_is_not_recorded_is_not_told(browser, tmp_path):
    """Mutants: the last grants of a user who has gone; zeros where nothing was written down."""
    changes = {"duration_s": 60, "users.arrivals": {"rate_per_s": 0.2, "stay_s": {"constant": 15}}}
    scenario = load_scenario("smoke").with_changes(changes)
    run = simulate(scenario, "nearest", 1, out=tmp_path / "on" / "run")
    silent = scenario.with_changes({"record.allocations": False})
    simulate(silent, "nearest", 1, out=tmp_path / "off" / "run")
    places = run.positions.groupby("user")["time_s"].agg(["min", "max"])
    gone = int(places.index[(places["min"] > 0) & (places["max"] < 40)][0])
    opened = Opened(browser, write_report(tmp_path / "on")).ready()
    assert told(opened.page, "left", gone, float(places.loc[gone, "max"]))["bandwidth"].endswith(" MHz")
    for t in (0.0, 59.0):
        about = told(opened.page, "left", gone, t)
        assert about["grants now"] == "none"
        assert "bandwidth" not in about
    plain = Opened(browser, write_report(tmp_path / "off")).ready()
    about = told(plain.page, "left", 0, 30.0)
    assert about["grants now"] == "not recorded: record.allocations = false"
    assert "bandwidth" not in about
    assert "energy" in about
    assert opened.complaints + plain.complaints == []
    opened.page.close()
    plain.page.close()


def test_the_gantt_chart_zooms_filters_and_tells_a_round(opened, study):
    page = opened.page
    policy = page.evaluate("mecsim.gantt.run.policy")
    (run,) = (
        one for one in every_run(study) if (one.manifest["policy"], one.manifest["seed"]) == (policy, 0)
    )
    page.locator("#gantt").focus()
    page.keyboard.press("Home")
    assert page.inner_text("#gantt-count").startswith(f"{len(run.rounds)} rounds, 0 to 120 s")
    page.select_option("#gantt-filter", "handover")
    assert page.inner_text("#gantt-count").startswith(f"{(run.rounds['handovers'] > 0).sum()} rounds")
    page.select_option("#gantt-filter", "all")
    page.locator("#gantt").focus()
    page.keyboard.press("+")
    assert page.evaluate("mecsim.gantt.to - mecsim.gantt.from") == pytest.approx(60)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    user, at = page.evaluate("[mecsim.gantt.user, mecsim.gantt.round]")
    shown = page.evaluate(f"mecsim.gantt.run.rounds.score[{at}]")
    own = run.rounds[run.rounds["user"] == user]
    assert np.isclose(own["score"], shown, rtol=1e-6).any()
    assert "energy" in page.inner_text("#round-about")
    assert "grants at its start" in page.inner_text("#round-about")


def test_the_filter_hides_a_policy_in_every_chart(opened):
    page = opened.page
    page.locator("[data-chart=scr]").scroll_into_view_if_needed()
    page.wait_for_selector("[data-chart=scr] .plot[data-ready=yes]")
    page.locator("#filter input").first.uncheck()
    page.wait_for_function(
        """() => {
            const hidden = document.querySelector("#filter input").value;
            const { data } = document.querySelector("[data-chart=scr] .plot");
            const own = data.filter((t) => t.meta.policy === hidden);
            return own.length === 2 && own.every((t) => t.visible === false);
        }"""
    )
    shown = "(all) => all.filter((t) => t.visible !== false).length"
    assert page.evaluate(f"({shown})(document.querySelector('[data-chart=scr] .plot').data)") == 2
    page.locator("#filter input").first.check()


def test_every_chart_has_its_numbers_as_a_table(opened, study):
    """Mutant: rows of another series; names as HTML. The summaries open with the keyboard."""
    page = opened.page
    for key in page.eval_on_selector_all(".chart", "all => all.map((one) => one.dataset.chart)"):
        page.locator(f"[data-chart='{key}'] summary").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(f"[data-chart='{key}'] details table tbody tr", timeout=5000)
    run = next(
        load_run(p.parent) for p in sorted(study.glob("*/manifest.json")) if "gucaa-s0" in p.parent.name
    )
    rows = page.eval_on_selector_all(
        "[data-chart=time-power] details table:first-child tr",
        "all => all.map((row) => [...row.cells].map((cell) => cell.textContent))",
    )
    assert {"gucaa: power (W)", f"{EVIL}: power (W)"} <= set(rows[0])
    column, step_s = rows[0].index("gucaa: power (W)"), float(rows[2][0]) - float(rows[1][0])
    watts = np.array([float(row[column]) for row in rows[1:]])
    np.testing.assert_allclose(watts.sum() * step_s, run.epochs["realised_energy_j"].sum(), rtol=1e-4)
    moved = run.epochs["time_s"][run.epochs["handovers"] > 0]
    marked = page.eval_on_selector_all(
        "[data-chart=time-power] details table:last-child tbody tr",
        "all => all.map((row) => [...row.cells].map((cell) => cell.textContent))",
    )
    assert [float(at) for name, at in marked if name == "gucaa: handover"] == moved.tolist()
    assert opened.complaints == []
    page.eval_on_selector_all(".chart details", "all => all.forEach((one) => { one.open = false; })")


@pytest.fixture(scope="module")
def narrow(browser, page):
    opened = Opened(browser, page, 390, "dark").ready()
    yield opened
    opened.page.close()


@pytest.mark.parametrize(("name", "width"), [("opened", 1280), ("narrow", 390)])
def test_it_fits_and_no_text_is_small(request, name, width):
    """Mutants: a table as wide as its longest word; a legend in 11 px."""
    opened = request.getfixturevalue(name)
    opened.page.wait_for_timeout(300)
    assert opened.page.evaluate("window.innerWidth") == width
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    small = opened.page.evaluate(
        """() => [...document.querySelectorAll("body *:not(script, style)")]
            .filter((one) => one.textContent.trim() && one.offsetParent)
            .filter((one) => parseFloat(getComputedStyle(one).fontSize) < 12)
            .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert small == []
    assert opened.complaints == []


def test_a_narrow_dark_page_is_dark_and_says_which_tables_scroll(narrow):
    """Mutants: a hint at every table or at none; white charts and maps on a dark page."""
    opened = narrow
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    hints = opened.page.eval_on_selector_all(
        ".hint",
        """all => all.filter((one) => one.nextElementSibling.clientWidth > 0).map((one) => [
            one.offsetParent !== null,
            one.nextElementSibling.scrollWidth > one.nextElementSibling.clientWidth + 1,
        ])""",
    )
    assert [shown for shown, _ in hints] == [scrolls for _, scrolls in hints]
    assert any(shown for shown, _ in hints)
    opened.page.locator("[data-chart=scr]").scroll_into_view_if_needed()
    opened.page.wait_for_selector("[data-chart=scr] .plot[data-ready=yes]")
    paper, ink = opened.page.evaluate(
        """() => {
            const { layout } = document.querySelector("[data-chart=scr] .plot");
            return [layout.paper_bgcolor, layout.font.color];
        }"""
    )
    assert (paper, ink) == ("rgba(0,0,0,0)", "#e6e9ec")
    assert opened.complaints == []


def test_a_metre_is_as_long_upwards_as_sideways(opened):
    """Mutant: both axes stretched to the canvas."""
    at = opened.page.evaluate("[[0, 0], [100, 0], [0, 100]].map((place) => mecsim.replay.views[0].at(place))")
    origin, east, north = np.array(at)
    assert east[0] - origin[0] == pytest.approx(origin[1] - north[1])


def test_every_control_is_reached_by_the_keyboard(opened):
    """Mutant: a canvas or a control taken out of the order of the Tab key."""
    wanted = opened.page.evaluate(
        """() => {
            const all = [...document.querySelectorAll("main :is(button, select, input, canvas[tabindex])")];
            const seen = all.filter((one) => one.offsetParent);
            seen.forEach((one, i) => { one.dataset.number = i; });
            return seen.length;
        }"""
    )
    met = set()
    for _ in range(100):
        opened.page.keyboard.press("Tab")
        met.add(opened.page.evaluate("document.activeElement.dataset.number ?? null"))
        if len(met - {None}) == wanted:
            break
    assert wanted == 20
    assert len(met - {None}) == wanted


def test_a_run_without_handovers_and_without_values_is_drawn_without_complaint(browser, tmp_path):
    """Mutants: a strip without a point, which plotly puts at no place; an empty frame that says nothing."""
    changes = {"duration_s": 12, "warmup_s": 0, "users.mobility": {"model": "static"}, "users.count": 2}
    simulate(load_scenario("smoke").with_changes(changes), "gucaa", 1, out=tmp_path)
    opened = Opened(browser, write_report(tmp_path, tmp_path / "page.html")).ready()
    for key in ("time-scr", "time-handovers"):
        opened.page.locator(f"[data-chart='{key}']").scroll_into_view_if_needed()
        opened.page.wait_for_selector(f"[data-chart='{key}'] .plot[data-ready=yes]", timeout=20_000)
    assert opened.complaints == []
    opened.page.close()


def test_pages_without_runs_or_without_plotly_open_too(browser, study, tmp_path):
    empty = Opened(browser, write_report(tmp_path))
    assert "There is no finished run" in empty.page.inner_text("main")
    assert empty.complaints == []
    (tmp_path / "failed-all").mkdir()
    (tmp_path / "failed-all" / "failed-one.txt").write_text(f"Traceback: {EVIL}", "utf-8")
    failed = Opened(browser, write_report(tmp_path / "failed-all"))
    failed.page.locator("#failures summary").click()
    assert "1 run failed" in failed.page.inner_text("#failures")
    assert EVIL in failed.page.inner_text("#failures pre")
    assert failed.complaints + failed.dialogs == []
    static = Opened(browser, write_report(study, tmp_path / "static.html", interactive=False)).ready()
    sizes = static.page.eval_on_selector_all(".chart img", "all => all.map((one) => one.naturalWidth)")
    assert len(sizes) == 10
    assert min(sizes) > 400
    assert static.complaints == []
    assert not math.isnan(static.page.evaluate("mecsim.replay.t"))
