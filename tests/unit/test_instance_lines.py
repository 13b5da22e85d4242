"""Lines of problems that only a whole instance file shows: duplicate keys and shapes."""

import json
from pathlib import Path

import pytest

from mecsim import load_instance
from mecsim.errors import InstanceError

SMALL = Path(__file__).resolve().parents[1] / "data" / "instances" / "n6m2.json"
KEYS = '{\n"users": [{\n"kappa": 1},\n{"kappa": 1,\n"kappa": 2}]}'


@pytest.mark.parametrize(("text", "line"), [('{\n"schema": 1,\n"schema": 1\n}', 3), (KEYS, 5)])
def test_a_duplicate_key_has_the_line_of_its_second_place(tmp_path, text, line):
    """Mutant: the line of the first, or of the same key in another object."""
    (tmp_path / "i.json").write_text(text, "utf-8")
    with pytest.raises(InstanceError, match=rf"i\.json:{line}: \w+: duplicate key"):
        load_instance(tmp_path / "i.json")


def test_a_wrong_shape_has_its_line(tmp_path):
    data = json.loads(SMALL.read_text("utf-8")) | {"gain": [[1.0, 1.0]]}
    text = json.dumps(data, indent=1)
    (tmp_path / "i.json").write_text(text, "utf-8")
    line = 1 + [row.strip() for row in text.splitlines()].index('"gain": [')
    with pytest.raises(InstanceError, match=rf"i\.json:{line}: gain: the shape is"):
        load_instance(tmp_path / "i.json")
