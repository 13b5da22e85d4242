"""The power of devices in the static system: boards, shared GPUs, lowest speeds, electronics (S1, S2)."""

from dataclasses import replace

import numpy as np
import pytest

from mecsim.errors import InstanceError
from mecsim.system.allocation import Allocation
from mecsim.system.devices import Servers, Users
from mecsim.system.instance import Instance
from mecsim.system.instance_file import instance_to_json, load_instance
from mecsim.system.power import DevicePower, PowerSpec, shared_drive

N, M = 4, 2
F_USER, F_SERVER = 5e12, 1e13


def each(value, count=N):
    return np.full(count, float(value))


def make_instance(power=None, **changes):
    users = Users(each(1e6), each(1e7), each(1), each(2), each(F_USER), each(1e-37), each(0.2))
    servers = Servers(each(1e7, M), each(1, M), each(8, M), each(F_SERVER, M), each(5e-38, M), each(10, M))
    gain = np.full((N, M), 1e-10)
    return Instance(users, servers, gain, 4e-21, power=power, **changes)


def spec(*, shares=(True, True), user=(0, 0, 0), server=(0, 0, 0)):
    return PowerSpec(
        DevicePower(*(each(value) for value in user)),
        DevicePower(*(each(value, M) for value in server)),
        np.array(shares),
    )


def allocation(server=(0, 0, 0, 1), phi=0.0, share=0.25, own=1.0):
    part = each(share)
    return Allocation(
        np.array(server), np.broadcast_to(phi, N), part * 1e7, each(0.2), part * 10, each(own * F_USER),
        part * F_SERVER,
    )  # fmt: skip


def energies(power, answer):
    return make_instance(power).costs(answer).energy_j


def test_equal_users_who_share_gpus_pay_what_one_alone_pays():
    """S2: each spends k A^2 W. Mutant: a cube of each share, 1 / K^2 of it."""
    power, work = spec(), 1e6 * 1e7
    together = energies(power, allocation([0] * 4, share=0.25))[:, 2]
    alone = energies(power, allocation([0, 1, 1, 1], share=1.0 / 3.0))
    whole = energies(power, replace(allocation([0, 1, 1, 1]), server_gpu_flops=each(F_SERVER)))[0, 2]
    assert together == pytest.approx(5e-38 * F_SERVER**2 * work, rel=1e-12)
    assert whole == pytest.approx(together[0], rel=1e-12)
    assert alone[1:, 2] == pytest.approx(together[0], rel=1e-12)
    assert energies(None, allocation([0] * 4))[:, 2] == pytest.approx(together / 16.0, rel=1e-12)


def test_only_users_with_work_at_the_server_count_and_only_at_servers_that_share():
    """Mutant: the grants of a user at phi = 1 counted in the speed in use."""
    phi = np.array([1.0, 0.0, 0.5, 0.0])
    found = energies(spec(shares=(True, False)), allocation(phi=phi))[:, 2]
    half = 5e-38 * (0.5 * F_SERVER) ** 2 * 1e13
    assert found[:3] == pytest.approx([0.0, half, 0.5 * half], rel=1e-12)
    assert found[3] == pytest.approx(5e-38 * (0.25 * F_SERVER) ** 2 * 1e13, rel=1e-12)
    assert found[1] < 5e-38 * (0.75 * F_SERVER) ** 2 * 1e13


def test_gpus_below_their_least_speed_draw_as_at_it():
    """Power is that of the least speed, for a longer time. Mutant: the square below the floor too."""
    floor = 0.4 * F_SERVER
    found = energies(spec(server=(floor, 0, 0)), allocation([0] * 4, share=0.05))[:, 2]
    time_s = 1e13 / (8 * 0.05 * F_SERVER)
    assert found == pytest.approx(8 * 5e-38 * floor**3 / 4 * time_s, rel=1e-12)
    assert found[0] > energies(spec(), allocation([0] * 4, share=0.05))[0, 2]


@pytest.mark.parametrize("in_use", [0.1, 0.39, 0.41, 1.0])
def test_the_drive_and_its_derivatives(in_use):
    """Continuous and convex across the floor. Mutant: the slope of the other side."""
    step, floor = 1e-6, np.array([0.4])
    here = shared_drive(np.array([in_use]), floor)
    ahead, behind = (shared_drive(np.array([in_use + s]), floor) for s in (step, -step))
    assert here.slope == pytest.approx((ahead.value - behind.value) / (2 * step), rel=1e-6)
    assert here.curvature == pytest.approx((ahead.slope - behind.slope) / (2 * step), rel=1e-6)
    assert shared_drive(floor, floor).value == pytest.approx(0.16)
    assert shared_drive(np.zeros(1), floor).value == 0.0


def test_electronics_of_both_ends_cost_as_long_as_a_transfer_takes():
    """Mutant: the receiver's power by the sender's device."""
    power = spec(shares=(False, False), user=(0, 0.3, 0.1), server=(0, 4.0, 2.0))
    instance, answer = make_instance(power), allocation(phi=0.5)
    plain = make_instance().costs(answer)
    costs = instance.costs(answer)
    more = costs.energy_j - plain.energy_j
    assert (costs.delay_s == plain.delay_s).all()
    assert more[:, 1] == pytest.approx(2.3 * costs.delay_s[:, 1], rel=1e-9)
    assert more[:, 3] == pytest.approx(4.1 * costs.delay_s[:, 3], rel=1e-9)
    assert (more[:, [0, 2]] == 0).all()
    assert more[:, 1] != pytest.approx((0.3 + 0.1) * costs.delay_s[:, 1], rel=1e-3)


def test_a_user_slower_than_its_least_speed_is_a_violation_where_it_has_work():
    """Mutant: the bound for users at phi = 0 too."""
    instance = make_instance(spec(user=(0.5 * F_USER, 0, 0)))
    phi = np.array([0.0, 0.5, 1.0, 0.0])
    found = allocation(phi=phi, own=0.4).violations(instance)
    assert [(v.field, v.where) for v in found] == [("user_gpu_flops", "user 1"), ("user_gpu_flops", "user 2")]
    assert found[0].excess == pytest.approx(0.2)
    assert "user_gpu_flops of user 1 = 2000000000000.0: must be >= 2.5e+12 with work" in str(found[0])
    assert allocation(phi=phi, own=0.5 * (1 - 1e-7)).violations(instance) == ()
    assert allocation(phi=phi, own=0.4).violations(make_instance()) == ()


def test_the_law_of_some_users_is_that_of_the_whole():
    power = replace(spec(), users=DevicePower(np.arange(4.0), each(0.1), np.arange(4.0)))
    part = make_instance(power).of_users(np.array([1, 3]))
    assert part.power.users.min_gpu_flops.tolist() == [1.0, 3.0]
    assert part.power.servers.min_gpu_flops.shape == (M,)


@pytest.mark.parametrize("name", ["min_gpu_flops", "circuit_power_w", "receive_power_w"])
def test_wrong_values_are_named(name):
    power = spec()
    wrong = replace(power.users, **{name: np.array([0.0, -1.0, np.nan, 0.0])})
    with pytest.raises(InstanceError) as error:
        make_instance(replace(power, users=wrong, shares_gpu=np.zeros(3, bool)))
    told = str(error.value)
    assert f"power.users[1].{name} = -1.0: must be a finite number >= 0" in told
    assert "power.shares_gpu: the shape is (3,), must be (2,)" in told


def test_a_least_speed_above_the_top_one_is_refused_with_all_else():
    """Mutant: accepted, so that policies break the bound, and gucro promises an SCR that is not."""
    power = spec(user=(F_USER, 0, 0))
    make_instance(power)
    power = replace(power, users=replace(power.users, min_gpu_flops=each(F_USER) * [1, 2, 1, 1]))
    with pytest.raises(InstanceError) as error:
        make_instance(power, bits_per_param=-1.0)
    assert len(error.value.problems) == 2
    expected = f"power.users[1].min_gpu_flops = {2 * F_USER}: must be <= max_gpu_flops, {F_USER}"
    assert expected in str(error.value)


def test_a_file_keeps_it(tmp_path):
    """Every number to the bit; a file without it is the paper's law. Mutant: the flag lost."""
    power = spec(shares=(True, False), user=(1e12 / 3.0, 0.1, 0.2), server=(2e12, 3.0, 4.0))
    instance = make_instance(power)
    path = tmp_path / "instance.json"
    path.write_text(instance_to_json(instance))
    again = load_instance(path)
    answer = allocation(phi=0.3)
    assert (again.costs(answer).energy_j == instance.costs(answer).energy_j).all()
    assert again.power.shares_gpu.tolist() == [True, False]
    path.write_text(instance_to_json(make_instance()))
    assert load_instance(path).power is None
    path.write_text(instance_to_json(instance).replace('"shares_gpu": true', '"share_gpu": true'))
    with pytest.raises(InstanceError, match="share_gpu"):
        load_instance(path)


def test_scaling_the_power_constants_scales_their_energies():
    """M4 for the new constants: twice the electronics, twice their energy; floors scale with speeds."""
    answer = allocation(phi=0.5)
    plain = energies(None, answer)
    once = energies(spec(shares=(False, False), user=(0, 0.3, 0.1), server=(0, 4.0, 2.0)), answer) - plain
    twice = energies(spec(shares=(False, False), user=(0, 0.6, 0.2), server=(0, 8.0, 4.0)), answer) - plain
    assert twice == pytest.approx(2.0 * once, rel=1e-9)
    slow = shared_drive(np.array([0.1, 0.6]), np.array([0.4, 0.4])).value
    assert shared_drive(np.array([0.3, 1.8]), np.array([1.2, 1.2])).value == pytest.approx(9.0 * slow)
