"""The plausibility page of the report."""

import re

from mecsim import load_scenario, simulate
from mecsim.analysis.report.collect import collect
from mecsim.analysis.report.decision_values import MOST_DECISIONS, decisions
from mecsim.analysis.report.plausibility import plausibility
from mecsim.study.plan import Run
from mecsim.study.policy_choice import choose_policies
from mecsim.study.runner import execute
from mecsim.world.world import World

SHORT = {"duration_s": 20}
SOUND = SHORT | {
    "users.gpu_utilisation": 1.0,
    "users.max_power_w": 1e-7,
    "workload.flops_per_param_and_token": 600,
}


def one_run(folder, changes, policy):
    scenario = load_scenario("smoke").with_changes(changes)
    execute(Run(scenario, choose_policies([policy])[0], 0), out=folder / "run")
    return collect(folder)


def test_absurd_values_are_marked_with_the_key_that_mends_them(study):
    """Mutant: only medians looked at, or the key of the other side."""
    page = plausibility(collect(study))
    rows = {row.quantity: row for row in page.rows if row.policy == "gucaa"}
    assert rows["power of a user's GPU in use, over its board power"].median == "0.166"
    marked = {name: row.mend for name, row in rows.items() if row.verdict}
    assert marked["power of a user's GPU in use, over its board power"] == "users.gpu_power = 'board'"
    assert marked["work of a token in a round, FLOP"] == "workload.model = 'peft'"
    assert marked["downlink, bit/s/Hz"] == "channel.rate = 'nr-256qam'"
    assert "transmit power of a user, W" not in marked
    assert set(page.sources) == set(rows)


def test_a_sound_run_has_no_mark(tmp_path):
    page = plausibility(one_run(tmp_path, SOUND, "local_only"))
    assert len(page.rows) == 5
    assert [row for row in page.rows if row.verdict or row.mend] == []


def test_the_page_shows_rows_and_sources(study, page):
    html = page.read_text("utf-8")
    part = html[html.index('<section id="plausibility"') : html.index('<section id="gap"')]
    assert len(re.findall(r'<tr class="doubtful">', part)) == sum(
        bool(row.verdict) for row in plausibility(collect(study)).rows
    )
    assert "3GPP TS 38.214" in part
    assert "<code>users.gpu_power = &#39;board&#39;</code>" in part


def test_without_grants_the_page_says_so(tmp_path):
    collected = one_run(tmp_path, SHORT | {"record.allocations": False}, "gucaa")
    assert plausibility(collected).missing == "The grants are not recorded (record.allocations = false)."


def test_decisions_are_spread_over_the_run_with_the_users_present():
    """Mutants: the first decisions only; all users in every snapshot."""
    scenario = load_scenario("smoke").with_changes(
        {
            "duration_s": 200,
            "reallocation.period_s": 2,
            "users.arrivals": {"rate_per_s": 0.1, "stay_s": {"exponential": 10}},
        }
    )
    results = simulate(scenario, policy="gucaa", seed=1)
    world = World(scenario, 1)
    made = decisions(results, world)
    assert len(made) == MOST_DECISIONS
    last = results.allocations["epoch"].max()
    assert len(made[-1].users) == (results.allocations["epoch"] == last).sum()
    assert len({len(one.users) for one in made}) > 1
    for one in made:
        assert one.instance.user_count == len(one.users) == len(one.allocation.server)
