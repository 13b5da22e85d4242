"""What is recorded of the kernels in use, and what it decides: differences, and the goldens compared."""

import json
import os
import platform
import subprocess
import sys

import pytest

from mecsim.results import provenance
from mecsim.results.kernels import kernels
from mecsim.testing import golden

# Reports what this process records, how it differs from the record given, and which goldens fail here.
REPORT = """
import json, sys
from mecsim.results.provenance import differences, environment
from mecsim.testing import golden
given = json.load(sys.stdin)
golden._shipped = lambda shipped=golden._shipped(): shipped | {"made_with": given["made_with"]}
known = golden.comparable_goldens()
print(json.dumps({
    "kernels": environment()["kernels"],
    "differences": differences(given["environment"]),
    "policies": sorted({policy for _, policy in known}),
    "failed": [case for case in known if case[0] == "smoke" and case[1] not in golden.SEARCHES
               and golden.digests_of(*case) != known[case]],
}))
"""
VARIABLES = {
    "": set(),
    "OPENBLAS_CORETYPE=NEHALEM": {"blas", "linalg"},
    "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA": {"libm"},
    "NPY_DISABLE_CPU_FEATURES=X86_V3": {"numpy"},
}


@pytest.fixture(scope="module")
def elsewhere():
    """Start a process for each setting, all at a time; return what each reports."""
    given = json.dumps({"environment": provenance.environment(), "made_with": golden.made_with()})
    started = {}
    for setting in VARIABLES:
        name, _, value = setting.partition("=")
        started[setting] = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", REPORT],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | ({name: value} if name else {}),
        )  # fmt: skip
    return {name: json.loads(process.communicate(given, timeout=120)[0]) for name, process in started.items()}


@pytest.mark.parametrize("setting", VARIABLES)
def test_other_kernels_are_named_and_searches_are_not_compared(elsewhere, setting):
    """Mutants: the processor's name, or its features, in place of what computes."""
    found, here = elsewhere[setting], kernels()
    changed = {name for name in here if found["kernels"][name] != here[name]}
    if not changed >= VARIABLES[setting]:
        pytest.skip(f"{setting} changes nothing on this {platform.machine()}: {changed or 'the same'}")
    assert {f"kernels.{name}" for name in changed} <= set(found["differences"])
    assert bool(found["differences"]) == bool(setting)
    compared = set(golden.SEARCHES) & set(found["policies"])
    assert compared == (set() if setting else set(golden.SEARCHES))
    assert found["failed"] == []


def test_each_digest_sees_its_own_kernels(monkeypatch):
    """A digest of rounded values, or of too few of them, would not change with the last bits."""
    import math

    import numpy as np

    from mecsim.results import kernels as module

    before = kernels.__wrapped__()
    changed = {
        "libm": ("_MATH", (lambda x: math.nextafter(math.exp(x), 0.0), *module._MATH[1:])),
        "numpy": ("_UFUNCS", (lambda x: np.nextafter(np.exp(x), 0.0), *module._UFUNCS[1:])),
    }
    for name, (attribute, functions) in changed.items():
        with monkeypatch.context() as patch:
            patch.setattr(module, attribute, functions)
            after = kernels.__wrapped__()
        assert {key for key in before if after[key] != before[key]} == {name}


def test_features_that_are_all_switched_off_are_an_empty_list(monkeypatch):
    """NumPy leaves out what would be an empty list."""
    import numpy as np

    monkeypatch.setattr(np, "show_config", lambda mode: {"SIMD Extensions": {"baseline": ["X86_V2"]}})
    assert provenance.simd_features() == ["X86_V2"]
