"""The live page: this machine only, what is done so far, the report at the end."""

import http.client
import json
import threading

import pytest

from mecsim.analysis.report.live import LivePage
from mecsim.analysis.style import policy_style
from mecsim.cli import main
from mecsim.cli.live import monitored

EVIL = "<script>alert(1)</script>"


def asked(page, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", page._server.server_port, timeout=10)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def told(line):
    return json.loads(line.decode().removeprefix("data: "))


def test_it_tells_what_is_done_and_how_long_it_will_take():
    page = LivePage("a study", 10.0)
    page.tell(5.0, "half")
    page.show(["policy"], [{"colour": "#0173b2", "texts": ["gucaa"]}])
    state = told(asked(page, "/events").readline())
    assert (state["title"], state["done"], state["total"], state["message"]) == ("a study", 5.0, 10.0, "half")
    assert state["rows"] == [{"colour": "#0173b2", "texts": ["gucaa"]}]
    assert 0 <= state["left_s"] < 60
    assert b"EventSource" in asked(page, "/").read()
    page.close()


def test_it_answers_this_machine_only():
    """Mutant: no look at Host, so that a name that points here would do."""
    page = LivePage("a study", 1.0)
    assert page._server.server_address[0] == "127.0.0.1"
    assert asked(page, "/", Host="evil.example").status == 403
    assert {asked(page, path).status for path in ("/report", "/../pyproject.toml", "/other")} == {404}
    page.close()
    with pytest.raises(OSError, match="refused"):
        asked(page, "/")


def test_who_watches_gets_the_report_before_it_closes(tmp_path):
    """Mutant: closed at once; the watcher comes too late."""
    report = tmp_path / "report.html"
    report.write_text("the report", "utf-8")
    page, got, started = LivePage("a study", 1.0), [], threading.Event()

    def watch():
        for line in asked(page, "/events"):
            started.set()
            if line.strip() and told(line)["ended"]:
                break
        got.append(asked(page, "/report").read())

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert started.wait(10)
    page.close(report)
    watcher.join(10)
    assert got == [b"the report"]


def test_intervals_grow_with_the_runs(tmp_path, monkeypatch):
    """Mutant: differences not paired by seed."""
    from mecsim import compare

    shown = []
    monkeypatch.setattr(LivePage, "show", lambda self, heads, rows: shown.append(rows))
    with monitored(True, "t", 4, tmp_path, ["gucaa", "nearest"]) as watch:
        tell = watch.forward(lambda done, message: None)
        result = compare(
            "smoke", ["gucaa", "nearest"], 2, out=tmp_path, on_progress=lambda d, n, m: tell(d, m)
        )
    assert [row["texts"][1] for row in shown[-1]] == ["2", "2"]
    assert [row["colour"] for row in shown[-1]] == [policy_style(place).html_colour for place in range(2)]
    wide = result.per_run.pivot_table(index="seed", columns="policy", values="scr_window")
    difference = (wide["nearest"] - wide["gucaa"]).mean()
    text = shown[-1][1]["texts"][2].split("(")[1].split(" ±")[0]
    assert float(text) == pytest.approx(difference, rel=0.1)


def test_the_commands_have_it_and_end_in_a_report(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "smoke", "--live", "--out", "one", "-q"]) == 0
    printed = capsys.readouterr()
    assert "live: http://127.0.0.1:" in printed.err
    assert printed.out.endswith("report: one/report.html\n")
    assert "local_only" not in (tmp_path / "one" / "report.html").read_text("utf-8")
    assert "nearest" in (tmp_path / "one" / "report.html").read_text("utf-8")
    assert (
        main(["compare", "smoke", "-p", "gucaa", "-r", "2", "--live", "--out", "two", "-q", "-j", "1"]) == 0
    )
    assert "report: two/report.html" in capsys.readouterr().out
    study = 'schema = 1\nname = "s"\nscenarios = ["smoke"]\npolicies = ["gucaa"]\nreplications = 2\n'
    (tmp_path / "s.toml").write_text(study + '[grid]\n"duration_s" = [20]\n', "utf-8")
    assert main(["sweep", "s.toml", "--live", "--out", "three", "-q", "-j", "1"]) == 0
    printed = capsys.readouterr()
    assert "live: http://127.0.0.1:" in printed.err
    assert "gucaa" in (tmp_path / "three" / "report.html").read_text("utf-8")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser_shows_text_and_becomes_the_report(browser, page, width):
    """Mutants: rows as HTML; no way to the report; a table without rows shown."""
    live, complaints = LivePage(EVIL, 4.0), []
    shown = browser.new_page(viewport={"width": width, "height": 700})
    shown.on("console", lambda message: complaints.append(message.text))
    shown.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    shown.goto(live.url)
    live.tell(1.0, "one run")
    shown.wait_for_function("() => document.getElementById('how').textContent.startsWith('25 %')")
    assert shown.locator("#table").is_hidden()
    live.show(
        ["policy", "runs", "SCR"],
        [{"colour": "#0173b2", "texts": [EVIL, "2", "100.0 \u00b1 5.0 (+3.0 \u00b1 1.0)"]}],
    )
    shown.wait_for_selector("#rows td")
    assert shown.inner_text("h1") == EVIL
    assert shown.inner_text("#rows td") == EVIL
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    closing = threading.Thread(target=live.close, args=(page,))
    closing.start()
    shown.wait_for_selector("#verdict", timeout=20_000)
    closing.join(20)
    assert shown.url.endswith("/report")
    assert complaints == []
    shown.close()
