"""What a user writes in Python: labels, classes, changes by keyword, results that show themselves."""

import numpy as np
import pytest

import mecsim
from mecsim.study.labels import distinct_labels

SHORT = mecsim.load_scenario("smoke").with_changes(duration_s=20, warmup_s=0)
STUDY = {"name": "two", "scenarios": ["smoke"], "policies": ["gucaa"], "replications": 1}


class Strongest:
    def __init__(self, phi=0.5):
        self.phi = phi

    def allocate(self, observation):
        system = observation.instance
        server = system.gain.argmax(axis=1)
        if observation.allocation is not None:
            server = np.where(observation.pinned, observation.allocation.server, server)
        sharers = np.bincount(server)[server]
        return mecsim.Allocation(
            server=server,
            local_fraction=np.full(system.user_count, self.phi),
            bandwidth_hz=system.servers.bandwidth_hz[server] / sharers,
            user_power_w=system.users.max_power_w,
            server_power_w=system.servers.max_power_w[server] / sharers,
            user_gpu_flops=system.users.max_gpu_flops,
            server_gpu_flops=system.servers.max_gpu_flops[server] / sharers,
        )


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    asked = {"plain": Strongest(), "edge": Strongest(phi=0.0), "class": Strongest, "named": "gucaa"}
    return mecsim.compare(SHORT, asked, 1, out=tmp_path_factory.mktemp("runs"))


def test_policies_have_the_labels_that_they_are_given(comparison):
    """Mutants: one object runs under both labels; a class is refused."""
    assert comparison.policies == ("plain", "edge", "class", "named")
    delay = comparison.per_run.set_index("policy")["delay_s"]
    assert delay["plain"] == delay["class"] != delay["edge"]


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([0.5, 0.0], ["Strongest:phi=0.5", "Strongest:phi=0.0"]),
        ([0.5, 0.5], ["Strongest-1", "Strongest-2"]),
        ([0.5], ["Strongest"]),
    ],
)
def test_objects_of_one_class_are_told_apart(held, expected):
    assert distinct_labels([("Strongest", Strongest(phi)) for phi in held]) == expected


def test_one_object_twice_is_refused():
    one = Strongest()
    with pytest.raises(mecsim.PolicyNotFound, match="'Strongest' is given twice"):
        mecsim.compare(SHORT, [one, one], 1)


def test_changes_by_keyword_and_by_mapping_are_the_same():
    both = SHORT.with_changes({"duration_s": 30}, **{"servers.bandwidth_mhz": 20})
    assert both == SHORT.with_changes(duration_s=30, **{"servers.bandwidth_mhz": 20})
    assert (both.duration_s, both.servers.bandwidth_mhz) == (30, 20)


def test_a_scenario_of_a_mapping_is_that_of_its_file():
    tables = SHORT.model_dump(by_alias=True, exclude_none=True)
    assert mecsim.Scenario.from_dict(tables) == SHORT
    with pytest.raises(mecsim.ScenarioError, match="users"):
        mecsim.Scenario.from_dict({name: value for name, value in tables.items() if name != "users"})


@pytest.mark.usefixtures("in_one_process")
def test_a_study_of_a_mapping_sweeps(tmp_path):
    grid = {"servers.bandwidth_mhz": [10, 20], "duration_s": [20.0]}
    done = mecsim.sweep(mecsim.Study.from_dict(STUDY | {"grid": grid}), out=tmp_path, jobs=1)
    assert done.origins == {"new": 2}
    assert mecsim.load_study(tmp_path / "study.toml").runs == done.study.runs
    with pytest.raises(mecsim.StudyError, match="did you mean 'smoke'"):
        mecsim.Study.from_dict(STUDY | {"scenarios": ["smoek"]})


def test_tuning_takes_objects_and_specs():
    found = mecsim.tune(SHORT, {"mine": [Strongest(0.2), Strongest(0.8)]}, budget=4, replications=1)
    assert list(found.candidates["candidate"]) == ["Strongest:phi=0.2", "Strongest:phi=0.8"]


def test_on_decision_sees_every_decision_and_changes_nothing():
    seen = []
    result = mecsim.simulate(SHORT, "gucaa", seed=3, on_decision=seen.append)
    assert [each.observation.epoch for each in seen] == list(result.epochs["epoch"])
    assert result.digest() == mecsim.simulate(SHORT, "gucaa", seed=3).digest()


def test_a_result_judges_and_draws_itself(comparison, tmp_path):
    """Mutants: metrics of another run; a figure that is not of the run."""
    result = mecsim.simulate(SHORT, "gucaa", seed=0)
    stored = comparison.per_run.set_index("policy").loc["named"]
    assert result.metrics["scr"] == stored["scr"]
    assert result.summary().loc["scr", "value"] == stored["scr"]
    axes = result.plot("timeline")
    assert [ax.get_ylabel() for ax in axes] == ["SCR", "delay (s)"]
    assert result.report(tmp_path / "r.html").read_text("utf-8").startswith("<!")
    both = mecsim.load_results(comparison.out)
    assert len(both.summary()) == 4
    with pytest.raises(mecsim.MecsimError, match="4 runs; summary"):
        _ = both.metrics


def test_the_rate_of_a_link_is_that_of_the_rate_law():
    world = mecsim.World(SHORT, seed=1)
    gain = world.gain(0, 1, 2.0)
    expected = 1e6 * np.log2(1 + gain * 0.1 / (world.noise_w_per_hz * 1e6))
    assert world.rate(0, 1, 2.0, 1e6, 0.1) == pytest.approx(expected, rel=1e-12)


def test_what_is_shown_fits_on_a_screen_and_is_no_markup(comparison):
    """Mutants: repr lists every array; a name is put into the page as it is."""
    instance = mecsim.World(SHORT, seed=1).instance(0.0)
    allocation = Strongest().allocate(mecsim.Observation.of(instance))
    named = SHORT.with_changes(description="<script>")
    for each in (named, instance, allocation, mecsim.bound(instance), comparison):
        lines = repr(each).split("\n")
        assert 2 <= len(lines) <= 20
        assert max(map(len, lines)) <= 220
        html = each._repr_html_()
        assert "<table>" in html
        assert "<script>" not in html


def test_the_face_lists_its_names_and_nothing_else():
    assert set(dir(mecsim)) == set(mecsim.__all__)
    for name in mecsim.__all__:
        assert getattr(mecsim, name) is not None
    with pytest.raises(AttributeError, match="did you mean 'ScenarioError'"):
        _ = mecsim.ScenarioEror
