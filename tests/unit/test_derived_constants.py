"""Instance files whose constants overflow or vanish: refused with line, key and value."""

import json
from dataclasses import fields

import numpy as np
import pytest

from mecsim.errors import InstanceError
from mecsim.system.instance_file import instance_to_json, load_instance
from mecsim.system.round_work import RoundWork
from mecsim.testing.snapshots import draw_instance

WRONG = {
    "gpu_count * kappa * max_gpu_flops^3 = inf": ("users", "max_gpu_flops", 1e150),
    "adapter_params * flops_per_param * epochs = inf": ("users", "adapter_params", 1e305),
    "kappa * max_gpu_flops^2 * work = ": ("servers", "kappa", 1e-308),
    "noise_w_per_hz * bandwidth_hz = ": ("servers", "bandwidth_hz", 1e-308),
    "SNR of the uplink = ": ("users", "max_power_w", 1e305),
    "SNR of the downlink = inf": ("servers", "max_power_w", 1.79e308),
}


def file_with(tmp_path, group=None, key=None, value=None):
    data = json.loads(instance_to_json(draw_instance(3, 3, 2)))
    if group:
        data[group][1][key] = value
    path = tmp_path / "i.json"
    path.write_text(json.dumps(data, indent=1), "utf-8")
    return path


@pytest.mark.parametrize("fault", WRONG)
def test_what_cannot_be_computed_with_is_refused(tmp_path, fault):
    """Mutant: only the numbers of the file are looked at, which are all finite."""
    path = file_with(tmp_path, *WRONG[fault])
    with pytest.raises(InstanceError) as caught:
        load_instance(path)
    found = [line for line in caught.value.problems if fault in line]
    assert found, caught.value
    place, line = found[0], path.read_text("utf-8").splitlines()
    assert place.startswith(f"{path}:")
    assert line[int(place.split(":")[1]) - 1].strip() == "{"  # the device that it is about


def test_every_key_at_its_extremes_is_refused_or_can_be_computed_with(tmp_path):
    plain = json.loads(file_with(tmp_path).read_text("utf-8"))
    accepted = 0
    for group in ("users", "servers"):
        for key in plain[group][0]:
            for value in (5e-324, 1e-300, 1e-150, 1e150, 1.79e308):
                try:
                    instance = load_instance(file_with(tmp_path, group, key, value))
                except InstanceError as error:
                    assert f"{group}[1]" in str(error) or "SNR" in str(error)  # noqa: PT017
                    continue
                accepted += 1
                assert np.isfinite(instance.gain).all()
    assert accepted < 15


def test_ordinary_instances_are_accepted(tmp_path):
    assert load_instance(file_with(tmp_path)).user_count == 3


def test_work_of_its_own_is_named_where_a_file_gives_it(tmp_path):
    """Mutant: the message says that adapter_params * flops_per_param is 0, which it is not."""
    path = file_with(tmp_path)
    data = json.loads(path.read_text("utf-8"))
    for row in data["users"]:
        row["work"] = {field.name: 1e6 for field in fields(RoundWork)}
    data["schema"] = 2
    data["users"][1]["work"] |= {"local_flop": 0, "local_fixed_flop": 0}
    path.write_text(json.dumps(data), "utf-8")
    with pytest.raises(InstanceError) as caught:
        load_instance(path)
    assert "users[1]: (work.local_flop + work.local_fixed_flop) * epochs = 0: must be" in str(caught.value)
    assert "adapter_params" not in str(caught.value)
