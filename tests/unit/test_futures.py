"""Several futures of one past: `compare --from-s S --before P`, and the moment in the report."""

import json

import pytest

from mecsim import compare, futures
from mecsim.analysis.report.collect import collect
from mecsim.analysis.report.futures import Moment, moment_sentence, moments_of, shown_moments
from mecsim.analysis.report.timeline import time_charts
from mecsim.cli import main
from mecsim.errors import MecsimError, PolicyNotFound
from mecsim.results.store import load_run

WALK = {"users.mobility": {"model": "random_waypoint", "speed_mps": [5, 20]}}


@pytest.fixture(scope="module")
def runs(make_scenario, tmp_path_factory):
    """Two policies from 30 s on, after a past under a third one."""
    folder = tmp_path_factory.mktemp("futures")
    asked = futures(make_scenario(WALK), ["gucaa", "local_only"], before="rucaa", from_s=30)
    return compare(*asked, 2, out=folder), folder


def test_metrics_are_of_what_follows_and_policies_keep_their_names(runs):
    """Mutant: the warm-up of the scenario stays."""
    comparison, folder = runs
    assert comparison.policies == ("gucaa", "local_only")
    for path in sorted(folder.glob("*/manifest.json")):
        results = load_run(path.parent)
        assert results.manifest["warmup_s"] == 30.0
        assert results.manifest["policy_target"] == "switch"
        started = results.rounds["start_s"] >= 30.0
        phi = set(results.rounds.loc[started, "local_fraction"])
        assert phi == ({1.0} if results.manifest["policy"] == "local_only" else {0.5})


def test_the_report_marks_the_moment_and_compares_the_pasts(runs):
    """Mutant: a round of the past changed in one of the runs is not noticed."""
    collected = collect(runs[1])
    assert shown_moments(collected) == (30.0,)
    assert {chart.moments for chart in time_charts(collected, ())} == {(30.0,)}
    text = moment_sentence(collected)
    assert "Until 30 s, the dashed line, rucaa decides in every run" in text
    assert "of these 2 runs are the same bit for bit" in text
    changed = collected.replays["gucaa"].rounds
    changed.loc[changed["start_s"].idxmin(), "energy_j"] *= 1 + 1e-12
    assert "differ: local_only" in moment_sentence(collected)


def test_moments_are_read_from_manifests():
    def manifest(target, **parameters):
        return {"policy_target": target, "policy_parameters": parameters}

    assert moments_of(manifest("gucaa", at_s=3.0)) == []
    assert moments_of(manifest("switch", policy="a", then="b", at_s=3)) == [Moment(3.0, "a", "b")]
    inner = "switch:policy=b,then=c,at_s=5"
    nested = moments_of(manifest("switch", policy="a", then=inner, at_s=3))
    assert nested == [Moment(3.0, "a", inner), Moment(5.0, "b", "c")]
    for broken in ({"at_s": "soon"}, {"at_s": True}, {}):
        assert moments_of(manifest("switch", **broken)) == []
    assert moments_of(manifest("switch", then="switch:at_s='", at_s=2.0))[0].at_s == 2.0


@pytest.mark.parametrize("from_s", [0.0, -1.0, 60.0, float("nan")])
def test_a_moment_outside_the_run_is_refused(make_scenario, from_s):
    with pytest.raises(MecsimError, match="must be above 0 and below duration_s = 60"):
        futures(make_scenario(), ["gucaa"], before="nearest", from_s=from_s)


def test_a_moment_after_the_last_decision_is_refused(make_scenario):
    """Mutant: futures that nobody decides, which are the same bit for bit and said to be so."""
    short = {"duration_s": 20, "reallocation.period_s": 5}
    with pytest.raises(
        MecsimError, match=r"from_s = 15\.5: must be at most 15, the time of the last decision"
    ):
        futures(make_scenario(short), ["gucaa"], before="nearest", from_s=15.5)
    assert futures(make_scenario(short), ["gucaa"], before="nearest", from_s=15.0)
    events = make_scenario(short | {"reallocation.events": ["round_start"]})
    assert futures(events, ["gucaa"], before="nearest", from_s=15.5)
    # 3 * 0.7 < 2.1: there is a decision at 2.0999..., none at 2.1.
    assert futures(make_scenario({"duration_s": 2.1, "warmup_s": 0, "reallocation.period_s": 0.7}), ["gucaa"],
                   before="nearest", from_s=1.4)  # fmt: skip


def test_an_object_is_refused(make_scenario):
    class Mine:
        def allocate(self, observation):
            return None

    with pytest.raises(PolicyNotFound, match="policy 'Mine' is an object"):
        futures(make_scenario(), [Mine()], before="nearest", from_s=30)


@pytest.mark.usefixtures("without_pictures")
def test_the_command_says_what_is_shared(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    asked = ["compare", "smoke", "-p", "gucaa,nearest", "-r", "1", "-j", "1", "-q", "--set", "duration_s=20"]
    assert main([*asked, "--from-s", "12", "--before", "nearest"]) == 0
    assert (
        "nearest decides until 12 s in every run; rounds that start from then on count, in window SCR and "
        "rounds/h those that end" in capsys.readouterr().out.replace("\n", " ")
    )
    for half in (["--from-s", "12"], ["--before", "nearest"]):
        assert main([*asked, *half]) == 2
        assert "--from-s S and --before POLICY belong together" in capsys.readouterr().err
    assert main([*asked, "--from-s", "12", "--before", "nearst"]) == 2
    # Mutant: once for each of the policies compared.
    assert capsys.readouterr().err.count("did you mean 'nearest'") == 1
    assert main([*asked, "--from-s", "12", "--before", "nearest", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["futures"] == {"before": "nearest", "from_s": 12.0}
