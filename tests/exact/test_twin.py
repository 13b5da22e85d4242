"""The engine against its slow twin, round by round and meter by meter, in moving worlds.

Almost any bug of the engine's own shows here; BUGS below are put in and seen.

The twin and the engine round differently, so they agree to 1e-9 and not to the bit. In long runs of
many users in `continuous` mode under work-conserving sharing even that is lost: who ends first
decides whose rate grows, and differences of 1e-15 grow (in two runs of the twin alone as well).
"""

import math

import numpy as np
import pytest

import mecsim.engine.in_force as in_force_module
from mecsim.engine.accounting import Accounting
from mecsim.engine.fading_window import FadingWindow
from mecsim.engine.gain_window import GainWindow
from mecsim.engine.handover import Handovers
from mecsim.engine.round import RoundLog
from mecsim.engine.round_runner import RoundRunner
from mecsim.engine.sharing import WorkConserving
from mecsim.engine.simulation import Simulation
from mecsim.errors import MecsimError
from mecsim.system.rates import RateLaw
from mecsim.testing.reference_engine import ReferenceEngine
from mecsim.world.world import World

PHASES = ("local", "uplink", "server", "downlink")
RELATIVE = 1e-9
SEEDS = range(30)
STILL = {"users.mobility": {"model": "static"}}
CHANNELS = {
    "urban micro, direct wave": {"channel.path_loss": "umi", "channel.fading.model": "rician"},
    "ergodic": {"channel.fading.model": "ergodic"},
    "ergodic, nobody moves": {"channel.fading.model": "ergodic"} | STILL,
    "nobody moves but the surroundings": {"channel.fading.ambient_hz": 3.0} | STILL,
    "modems of 5G": {"channel.rate": "nr-256qam"},
    "modems of 5G, nobody moves": {"channel.rate": "nr-256qam"} | STILL,
    "modems of LTE, ergodic": {"channel.rate": "lte-36942", "channel.fading.model": "ergodic"},
    "interference": {"channel.interference": {"model": "full_buffer", "activity": 0.7}},
    "interference, nobody moves": {"channel.interference.model": "full_buffer"} | STILL,
    "rounds set back by handovers": {"handover.mode": "restart"},
    "decisions that take a while": {"reallocation.decision_latency": 0.77},
    "decisions that take long": {"reallocation.decision_latency": 4.3},
}


def expected_rows(rounds):
    """Return the twin's rounds as the columns of the rounds table."""
    table = {
        "user": [r.user for r in rounds],
        "round": [r.index for r in rounds],
        "outcome": [r.outcome for r in rounds],
        "delay_s": [sum(r.time_s) + r.stall_s + r.interruption_s for r in rounds],
        "energy_j": [sum(r.energy_j) for r in rounds],
        "local_fraction": [r.phi for r in rounds],
    }
    for i, phase in enumerate(PHASES):
        table[f"{phase}_s"] = [r.time_s[i] for r in rounds]
        table[f"{phase}_j"] = [r.energy_j[i] for r in rounds]
    for name in ("start_s", "wait_s", "stall_s", "interruption_s", "moved_bits"):
        table[name] = [getattr(r, name) for r in rounds]
    for name in ("server_first", "server_last", "handovers", "restarts", "epoch"):
        table[name] = [getattr(r, name) for r in rounds]
    table["score"] = [
        r.score_s / delay if delay else np.nan for r, delay in zip(rounds, table["delay_s"], strict=True)
    ]
    return {name: np.array(column) for name, column in table.items()}


def assert_same_rounds(table, expected):
    assert set(table) == set(expected)
    assert len(table["user"]) == len(expected["user"])
    order, order_expected = (np.lexsort((t["round"], t["user"])) for t in (table, expected))
    begun = expected["delay_s"][order_expected] > 0
    for name in expected:
        got, want = table[name][order], expected[name][order_expected]
        if want.dtype.kind == "f":
            scale = np.abs(want).max(initial=0.0)
            np.testing.assert_allclose(
                got[begun], want[begun], rtol=RELATIVE, atol=1e-12 * scale, err_msg=name
            )
        else:
            np.testing.assert_array_equal(got, want, err_msg=name)


class Watched:
    """A policy that keeps what another one sees."""

    def __init__(self, policy):
        self.policy, self.seen = policy, []

    def allocate(self, observation):
        self.seen.append(observation)
        return self.policy.allocate(observation)


def assert_same_sight(seen, expected):
    assert [s.time_s for s in seen] == [e.time_s for e in expected]
    for got, want in zip(seen, expected, strict=True):
        assert got.epoch == want.epoch
        np.testing.assert_array_equal(got.phase, want.phase)
        np.testing.assert_array_equal(got.local_fraction, want.local_fraction)
        np.testing.assert_allclose(
            got.remaining, want.remaining, rtol=1e-7, atol=1e-9 * (1 + want.remaining.max())
        )
        for name in ("gain", "downlink_gain"):
            np.testing.assert_allclose(
                getattr(got.instance, name), getattr(want.instance, name), rtol=RELATIVE
            )
        np.testing.assert_array_equal(got.instance.users.flops_per_param, want.instance.users.flops_per_param)
        np.testing.assert_array_equal(got.instance.users.adapter_params, want.instance.users.adapter_params)


@pytest.fixture(scope="module")
def twin(draw_scenario, random_policy):
    """Return a function from seed and channel to scenario, twin after its run, rows, what its policy saw."""
    done = {}

    def run(seed, channel=""):
        if (seed, channel) not in done:
            scenario = draw_scenario(seed, moving=True, changes=CHANNELS.get(channel))
            policy = Watched(random_policy(seed))
            engine = ReferenceEngine(scenario, policy, seed)
            done[seed, channel] = scenario, engine, expected_rows(engine.run()), policy.seen
        return done[seed, channel]

    return run


def compare_engine(twin, random_policy, seed, channel=""):
    scenario, reference, expected, sight = twin(seed, channel)
    policy = Watched(random_policy(seed))
    record = Simulation(scenario, policy, seed).run()
    assert_same_rounds(record.rounds, expected)
    assert_same_sight(policy.seen, sight)
    np.testing.assert_allclose(record.ledger["user_meter_j"], reference.user_meter_j, rtol=RELATIVE)
    np.testing.assert_allclose(record.ledger["server_meter_j"], reference.server_meter_j, rtol=RELATIVE)
    assert record.counts["handovers"] == reference.handovers
    assert record.counts["epochs"] == reference.epoch


def stand_still(world):
    world._ambient_mps = 0.0


def same_both_ways(world):
    world.rate_law = RateLaw(world.rate_law.up, world.rate_law.up)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_round_in_a_moving_world(twin, random_policy, seed):
    compare_engine(twin, random_policy, seed)


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_round_on_other_channels(twin, random_policy, channel):
    for seed in (4, 11, 17):
        compare_engine(twin, random_policy, seed, channel)
    restarts = sum(twin(seed, channel)[2]["restarts"].sum() for seed in (4, 11, 17))
    assert (restarts > 0) == ("set back" in channel)


@pytest.mark.parametrize(
    ("bug", "channel", "patched"),
    [
        (
            "the rate of the mean gain",
            "ergodic",
            lambda world: setattr(world, "rate_law", RateLaw.of(world.noise_w_per_hz)),
        ),
        (
            "rates without a cap",
            "modems of 5G",
            lambda world: setattr(world, "rate_law", RateLaw.of(world.noise_w_per_hz)),
        ),
        ("a downlink like an uplink", "modems of 5G", same_both_ways),
        ("a world taken to stand", "nobody moves but the surroundings", stand_still),
        ("upwards as downwards", "interference", lambda world: setattr(world, "_interference", None)),
    ],
)
def test_a_bug_of_a_channel_is_noticed(twin, random_policy, monkeypatch, bug, channel, patched):
    built = World.__init__

    def build(world, *args):
        built(world, *args)
        patched(world)

    expected = twin(4, channel)
    monkeypatch.setattr(World, "__init__", build)
    with pytest.raises(AssertionError):
        compare_engine(lambda *_: expected, random_policy, 4)


def test_the_worlds_hold_what_they_are_for(twin):
    runs = [twin(seed) for seed in SEEDS]
    modes = {(s.workload.rounds.mode, s.service.sharing) for s, *_ in runs}
    assert len(modes) >= 7
    columns = {name: np.concatenate([rows[name] for _, _, rows, _ in runs]) for name in runs[0][2]}
    for name in (
        "stall_s",
        "interruption_s",
        "moved_bits",
        "wait_s",
        "uplink_s",
        "downlink_s",
        "server_s",
        "local_s",
    ):
        assert (columns[name] > 0).sum() > 30, name
    assert (columns["handovers"] > 1).sum() > 10
    windows = [s.duration_s / (512 * s.channel.fading.block_s) for s, *_ in runs]
    assert max(windows) > 3


def no_interruption(handovers, job):
    job.server = job.log.server_last = handovers._in_force.grants.server[job.user]
    job.log.handovers += 1


def old_gains(gains, window):
    gains.window = window


def end_of_block(radio, user, bits, right=FadingWindow._time_of):
    time_s = right(radio, user, bits)
    return time_s if time_s == math.inf else math.ceil(time_s / radio._block_s) * radio._block_s


def moved_users(old, new):
    return list(range(len(new.server))) if old is None else np.flatnonzero(old.server != new.server).tolist()


def phi_in_force(runner, user, phase, right=RoundRunner.work_of):
    log = runner._roster.jobs[user].log
    log.terms = log.terms._replace(local_fraction=runner._in_force.grants.local_fraction[user])
    return right(runner, user, phase)


BUGS = {
    "handovers cost nothing": (Handovers, "hand_over", no_interruption),
    "gains of the window before": (GainWindow, "go_to", old_gains),
    "unused shares are not given on": (WorkConserving, "factor", lambda sharing, job: 1.0),
    "shares are not given back": (WorkConserving, "affected_by", lambda sharing, job: [job]),
    "phi of the decision in force": (RoundRunner, "work_of", phi_in_force),
    "the score of the last decision": (RoundLog, "mean_score", lambda log: log.last_score),
    "grants of an unmoved user come late": (in_force_module, "changed_users", moved_users),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_is_noticed(twin, random_policy, monkeypatch, bug):
    """Each bug shows in at least one of six worlds, and may crash in others."""
    monkeypatch.setattr(*BUGS[bug])
    noticed = 0
    for seed in range(6):
        try:
            compare_engine(twin, random_policy, seed)
        except (AssertionError, MecsimError):
            noticed += 1
    assert noticed > 0


def test_a_transfer_that_ends_with_its_block_is_noticed(twin, random_policy, monkeypatch):
    monkeypatch.setattr(FadingWindow, "_time_of", end_of_block)
    monkeypatch.setattr(Accounting, "_check_all_served", lambda *_: None)
    with pytest.raises(AssertionError):
        compare_engine(twin, random_policy, 3)
