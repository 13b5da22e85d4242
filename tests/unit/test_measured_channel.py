"""Measured channels: the gains of the file to 1e-12, linear in dB between; and what is refused."""

import numpy as np
import pandas as pd
import pytest

from mecsim import load_scenario, simulate
from mecsim.analysis.plausibility import doubts
from mecsim.errors import ScenarioError
from mecsim.world.world import World

CAMPUS = load_scenario("campus").with_changes({"duration_s": 60, "warmup_s": 0, "users.count": 2})
TIMES = [0.0, 10.0, 25.0, 60.0]
SERVERS = CAMPUS.servers.count


def table():
    rng = np.random.default_rng(4)
    rows = [
        (t, n, m, round(float(rng.uniform(-130, -70)), 3))
        for t in TIMES
        for n in range(2)
        for m in range(SERVERS)
    ]
    return pd.DataFrame(rows, columns=["t_s", "user", "server", "gain_db"])


@pytest.fixture
def measured(tmp_path):
    def make(frame=None, fading="none", name="g.csv", more=None, **trace):
        path = tmp_path / name
        frame = table() if frame is None else frame
        if name.endswith(".parquet"):
            frame.to_parquet(path)
        else:
            frame.to_csv(path, index=False)
        changes = {"channel.model": "trace", "channel.trace": {"file": str(path)} | trace}
        return CAMPUS.with_changes(changes | {"channel.fading.model": fading} | (more or {}))

    return make


def expected_db(frame, user, server, times_s):
    link = frame[(frame.user == user) & (frame.server == server)]
    return np.interp(times_s, link.t_s, link.gain_db)


def check(scenario, frame):
    """Every link at the samples and between them, on block starts."""
    world, times_s = World(scenario, 3), np.array([0.0, 5.0, 10.0, 17.5, 25.0, 42.0, 60.0])
    for n in range(2):
        for m in range(SERVERS):
            gain = world.gain(np.array(n), np.array(m), times_s)
            expected = 10.0 ** (expected_db(frame, n, m, times_s) / 10.0)
            np.testing.assert_allclose(gain, expected, rtol=1e-12)
            np.testing.assert_array_equal(gain, world.mean_gain(np.array(n), np.array(m), times_s))


@pytest.mark.parametrize("name", ["g.csv", "g.parquet"])
def test_gains_are_those_of_the_file(measured, name):
    check(measured(name=name), table())


def test_the_check_rejects_linear_interpolation_of_the_gain(measured):
    """Mutant: straight between gains and not between their decibels."""
    frame = table()
    linear = frame.assign(gain_db=10.0 ** (frame.gain_db / 10.0))
    middle = 10.0 * np.log10(expected_db(linear, 0, 0, [5.0]))
    assert abs(middle - expected_db(frame, 0, 0, [5.0]))[0] > 0.1
    with pytest.raises(AssertionError):
        check(measured(frame), frame.assign(gain_db=frame.gain_db + 1e-9))


def test_windows_have_the_same_gains(measured):
    """Mutant: the window that begins at time 0, whichever it is."""
    world, users = World(measured(), 3), np.array([0, 1, 1])
    servers = np.array([0, 0, SERVERS - 1])
    for window in (0, 3):
        values = world.gain_window(users, servers, window)
        times_s = (window * values.shape[1] + np.arange(values.shape[1])) * world.block_s
        np.testing.assert_allclose(values, world.gain(users[:, None], servers[:, None], times_s), rtol=1e-12)


def test_fast_fading_on_top(measured):
    """The fading is that of the scenario without the file. Mutant: fading of the laws' local mean."""
    faded, plain = World(measured(fading="rayleigh"), 3), World(measured(), 3)
    laws = World(CAMPUS.with_changes({"channel.fading.model": "rayleigh"}), 3)
    links = np.arange(2)[:, None], np.arange(SERVERS)[None, :], np.array(12.0)
    ratio = faded.gain(*links) / plain.gain(*links)
    np.testing.assert_allclose(ratio, laws.gain(*links) / laws.mean_gain(*links), rtol=1e-9)


def test_other_quantities(measured):
    """By hand: loss with its sign changed, RSRP over its power, SNR over noise and power."""
    frame, at = table(), (np.array(0), np.array(0), np.array(10.0))
    gain_db = expected_db(frame, 0, 0, 10.0)

    def level(name, values, **keys):
        other = frame.drop(columns="gain_db").assign(**{name: values})
        return 10.0 * np.log10(World(measured(other, **keys), 1).gain(*at))

    assert level("loss_db", -frame.gain_db) == pytest.approx(gain_db, abs=1e-9)
    assert level("rsrp", frame.gain_db + 18.0, power_dbm=18.0) == pytest.approx(gain_db, abs=1e-9)
    noise_dbm = -174.0 + CAMPUS.channel.noise_figure_db + 70.0
    snr = frame.gain_db + 23.0 - noise_dbm
    assert level("snr_db", snr, power_dbm=23.0, bandwidth_mhz=10.0) == pytest.approx(gain_db, abs=1e-9)


def test_names_in_order(measured):
    frame = table()
    named = frame.assign(user=frame.user.map({0: "ue-b", 1: "ue-a"}), server=[f"c{m}" for m in frame.server])
    cells = [f"c{m}" for m in range(SERVERS)]
    check(measured(named, users=["ue-b", "ue-a"], servers=cells), frame)
    with pytest.raises(ScenarioError, match=r"g\.csv:2: record 1: user = ue-b: must be a number from 0 on"):
        measured(named, servers=cells)
    with pytest.raises(ScenarioError, match=r"server = c1: is not in servers"):
        measured(named, users=["ue-b", "ue-a"], servers=["c0"])


@pytest.mark.parametrize(
    ("change", "keys", "told"),
    [
        (lambda f: f[(f.user == 0) | (f.server > 0)], {}, "has no sample of 1 link: user 1 server 0"),
        (lambda f: f.assign(gain_db=10.0 ** (f.gain_db / 10)), {}, "its gains lie between 0 and 1"),
        (lambda f: f.assign(gain_db=1e3), {}, "g.csv:2: record 1: gain = 1000: must be in dB"),
        (lambda f: f.rename(columns={"gain_db": "rsrp_dbm"}), {}, "power_dbm: missing, an rsrp needs it"),
        (lambda f: f, {"power_dbm": 3.0}, "the file has gain, which does not need it"),
        (lambda f: f.rename(columns={"gain_db": "level"}), {}, "gain_db: this column is missing"),
        (lambda f: pd.concat([f, f[:1].assign(gain_db=0.5)]), {}, "another gain of user 0 and server 0 at 0"),
        (lambda f: f.assign(t_s="x"), {}, "t_s = x: must be a finite number"),
    ],
)
def test_what_is_refused(measured, change, keys, told):
    with pytest.raises(ScenarioError) as caught:
        measured(change(table()), **keys)
    assert told in str(caught.value)


def test_what_it_does_not_go_with(measured):
    with pytest.raises(ScenarioError, match=r"interference\.model.*must be 'none' with channel\.model"):
        measured(more={"channel.interference.model": "full_buffer"})
    with pytest.raises(ScenarioError, match="no gains of users who arrive"):
        measured(more={"users.arrivals": {"rate_per_s": 1.0}})
    with pytest.raises(ScenarioError, match=r"trace.*must be given with model = 'trace'"):
        CAMPUS.with_changes({"channel.model": "trace"})


def test_times_without_samples_are_said_and_the_nearest_value_holds(measured):
    frame = table()
    frame = frame[(frame.t_s > 0) & (frame.t_s < 60)]
    scenario = measured(frame)
    said = [line for line in doubts(scenario) if "channel.trace" in line]
    assert said == [
        "channel.trace: until 10 s not all links have a sample; the first one holds before it",
        "channel.trace: from 25 s on not all links have a sample; the last one holds after it",
    ]
    check(scenario, frame)


def test_a_run_and_its_hash(measured):
    scenario = measured()
    assert len(simulate(scenario, "nearest", seed=1).rounds) > 0
    frame = table()
    frame.loc[0, "gain_db"] += 1.0
    assert measured(frame, name="h.csv").sha256 != scenario.sha256
    assert type(scenario).from_toml(scenario.to_toml()).sha256 == scenario.sha256


def test_times_after_the_run_are_refused(measured):
    """Mutant: seconds since 1970 are taken, and the first sample of each link holds for the whole run."""
    with pytest.raises(
        ScenarioError, match="its times begin at 1714550400 s, after the run of 60 s; they must"
    ):
        measured(table().assign(t_s=lambda f: f.t_s + 1714550400))


def test_names_of_users_and_servers_are_given_once(measured):
    with pytest.raises(ScenarioError, match=r"trace\.users.*must name each once; 0 stands there twice"):
        measured(users=["0", "1", "0"])


@pytest.mark.parametrize("name", ["g.csv", "g.parquet"])
def test_numbers_of_users_in_a_column_of_floats(measured, name):
    """Mutant: user ``1.0``, as pandas writes it beside an empty cell, is no number."""
    check(measured(table().astype({"user": float}), name=name), table())


@pytest.mark.parametrize(("column", "power_dbm"), [("gain_db", None), ("rsrp_dbm", -90.0)])
def test_gains_above_one_are_said(measured, column, power_dbm):
    """By hand: +80 dB, a loss in the column of gains; and an RSRP of -85 dBm of a signal of -90 dBm."""
    frame = table().assign(gain_db=-140.0)
    frame.loc[3, "gain_db"] = 80.0 if power_dbm is None else -85.0
    keys = {} if power_dbm is None else {"power_dbm": power_dbm}
    scenario = measured(frame.rename(columns={"gain_db": column}), **keys)
    said = [line for line in doubts(scenario) if "above 0 dB" in line]
    what = "1 sample with a gain above 0 dB, so more power arrives than is sent"
    assert said == [f"channel.trace: {what}: check its sign and power_dbm"]
