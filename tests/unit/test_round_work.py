"""The work of a round in the instance: its form, its checks, bounds of phi, and instance files."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from mecsim import Allocation, load_instance, make_policy
from mecsim.errors import InstanceError
from mecsim.policy import Observation
from mecsim.system.instance_file import instance_to_json
from mecsim.system.phases import PHASES
from mecsim.system.round_work import RoundWork
from mecsim.testing.snapshots import draw_instance

PLAIN = draw_instance(1, 4, 2)
CLOSED = ("water_filling", "best_response", "matching", "card")
BASELINES = ("rucaa", "gucaa", "nearest", "local_only", "edge_only")
NAMES = [field.name for field in fields(RoundWork)]
WORK = RoundWork(*(np.arange(1.0, 5.0) * (k + 1) for k in range(9)))
WORK = replace(WORK, uplink_fixed_bits=8.0 * np.ones(4), uplink_data_bits=7.0 * np.ones(4))


def with_work(**changes):
    return replace(PLAIN, work=replace(WORK, **changes))


def at(phi):
    users, servers = PLAIN.users, PLAIN.servers
    each = np.ones(4)
    return Allocation(
        np.array([0, 1, 0, 1]), phi * each, each * 1e6, users.max_power_w, each, users.max_gpu_flops,
        servers.max_gpu_flops[[0, 1, 0, 1]] / 4,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("phi", "local", "uplink", "server", "downlink"),
    [
        (0.0, 0.0, 7.0, 3.0 + 4.0, 8.0),
        (1.0, 1.0 + 2.0, 5.0, 0.0, 0.0),
        (0.25, 0.25 + 2.0, 1.25 + 8.0, 2.25 + 4.0, 6.0 + 9.0),
    ],
)
def test_charges_are_due_where_a_side_takes_part(phi, local, uplink, server, downlink):
    """User 0 by hand, per epoch. Mutants: a charge at an end without one; both uplink charges swapped."""
    terms = with_work().work_terms(at(phi))
    works = [phase.work(terms)[0] for phase in PHASES]
    epochs = PLAIN.users.epochs[0], PLAIN.servers.epochs[0]
    assert works == pytest.approx([local * epochs[0], uplink, server * epochs[1], downlink])
    assert terms.uplink[0] == uplink


def test_the_papers_work_in_the_affine_form_is_the_papers():
    affine = replace(PLAIN, work=PLAIN.affine_work())
    for phi in (0.0, 0.3, 1.0):
        np.testing.assert_allclose(affine.costs(at(phi)).delay_s, PLAIN.costs(at(phi)).delay_s, rtol=1e-14)


def test_of_users_and_joined_are_each_others_inverse():
    part = with_work().of_users(np.array([2, 0])).work
    assert part.local_flop.tolist() == [3.0, 1.0]
    both = RoundWork.joined([WORK.of_users(np.array([0, 1])), WORK.of_users(np.array([2, 3]))])
    assert all((getattr(both, name) == getattr(WORK, name)).all() for name in NAMES)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"local_flop": np.array([1.0, -1.0, 1.0, 1.0])},
            "users[1].work.local_flop = -1.0: must be a finite",
        ),
        (
            {"downlink_bits": np.array([1, 1, 1, np.nan])},
            "users[3].work.downlink_bits = nan: must be a finite",
        ),
        ({"server_flop": np.ones(3)}, "work.server_flop: the shape is (3,), must be (4,)"),
        (
            {"uplink_data_bits": 9.0 * np.ones(4)},
            "users[0].work.uplink_data_bits = 9.0: must be <= uplink_fixed",
        ),
    ],
)
def test_wrong_work_is_refused(changes, said):
    with pytest.raises(InstanceError) as caught:
        with_work(**changes)
    assert any(problem.startswith(said) for problem in caught.value.problems), caught.value.problems


def test_work_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        with_work().work.local_flop[0] = 0.0


def bounded(*most):
    return replace(PLAIN, users=replace(PLAIN.users, local_fraction_max=np.array(most)))


def test_phi_above_what_fits_is_a_violation_that_names_the_memory():
    """S4. Mutant: the bound 1 for everybody."""
    instance = bounded(0.3, 0.0, 1.0, 0.5)
    found = at(0.4).violations(instance)
    said = "must be <= 0.3, what fits into the memory of its GPUs"
    assert [str(v) for v in found if v.where == "user 0"] == [f"local_fraction of user 0 = 0.4: {said}"]
    assert [v.where for v in found if v.field == "local_fraction"] == ["user 0", "user 1"]
    assert at(0.3 * (1 + 1e-7)).violations(bounded(0.3, 1.0, 1.0, 1.0)) == ()
    assert not [v for v in at(0.4).violations(PLAIN) if v.field == "local_fraction"]
    (over,) = [v for v in at(1.2).violations(bounded(1.0, 1.0, 1.0, 1.0)) if v.where == "user 1"]
    assert str(over).endswith("must be <= 1")


@pytest.mark.parametrize("name", [*BASELINES, "aauco", "gucro", "dashf", "dashf_plus", *CLOSED])
def test_policies_keep_the_bound_of_phi(name):
    """Baselines take the smaller of their phi and the bound. Mutant: equal_split without it."""
    instance = bounded(0.3, 0.0, 1.0, 0.7)
    answer = make_policy(name).allocate(Observation.of(instance))
    assert answer.violations(instance, 0.0) == ()
    if name == "local_only":
        assert answer.local_fraction.tolist() == [0.3, 0.0, 1.0, 0.7]
    if name == "nearest":
        assert answer.local_fraction.tolist() == [0.3, 0.0, 0.5, 0.5]


def test_nobody_reaches_a_server_and_not_everything_fits():
    deaf = replace(bounded(0.3, 0.0, 1.0, 0.7), gain=np.zeros((4, 2)))
    answer = make_policy("dashf_plus").allocate(Observation.of(deaf))
    assert answer.local_fraction.tolist() == [0.3, 0.0, 1.0, 0.7]


@pytest.mark.parametrize("most", [-0.1, 1.1, np.nan])
def test_a_bound_that_is_no_fraction_is_refused(most):
    with pytest.raises(InstanceError, match=r"local_fraction_max = .*: must be a number from 0 to 1"):
        bounded(most, 1.0, 1.0, 1.0)


# --- instance files


def test_files_of_version_2_are_read_back_to_the_bit(tmp_path):
    written = replace(with_work(), users=bounded(0.1, 0.2, 1.0 / 3.0, 1.0).users)
    path = tmp_path / "work.json"
    path.write_text(instance_to_json(written), "utf-8")
    assert json.loads(path.read_text("utf-8"))["schema"] == 2
    read = load_instance(path)
    assert read.users.local_fraction_max.tobytes() == written.users.local_fraction_max.tobytes()
    assert all(getattr(read.work, n).tobytes() == getattr(written.work, n).tobytes() for n in NAMES)
    assert instance_to_json(read) == path.read_text("utf-8")


def test_without_work_and_bounds_a_file_is_of_version_1():
    data = json.loads(instance_to_json(PLAIN))
    assert data["schema"] == 1
    assert not {"work", "local_fraction_max"} & set(data["users"][0])


def changed(tmp_path, change):
    data = json.loads(instance_to_json(replace(with_work(), users=bounded(0.1, 0.2, 0.3, 1.0).users)))
    change(data)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(data, indent=1), "utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(schema=1), "users[0].local_fraction_max = 0.1: only with schema = 2"),
        (lambda d: d.update(schema=3), "schema = 3: must be 1 or 2"),
        (lambda d: d["users"][2].pop("work"), "users[2] = "),
        (lambda d: d["users"][1]["work"].pop("local_flop"), "users[1].work.local_flop: missing"),
        (
            lambda d: d["users"][1]["work"].update(local_flop=-1),
            "users[1].work.local_flop = -1: must be a number >= 0",
        ),
        (lambda d: d["users"][1]["work"].update(local=1), "users[1].work.local = 1: unknown key"),
        (lambda d: d["users"][3].update(local_fraction_max=2), "users[3].local_fraction_max = 2: must be"),
        (lambda d: d["users"][3].update(work=3), "users[3].work = 3: must be"),
    ],
)
def test_wrong_files_of_version_2_are_refused(tmp_path, change, said):
    path = changed(tmp_path, change)
    with pytest.raises(InstanceError) as caught:
        load_instance(path)
    assert any(said in problem for problem in caught.value.problems), caught.value.problems
    assert all(problem.startswith(f"{path}:") for problem in caught.value.problems)
