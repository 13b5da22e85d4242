"""What a stranger gets: the wheel built from the sdist, installed where no checkout is in reach.

The clean environment holds the wheel alone and borrows the dependencies of the running one through
a .pth file. Python does not read the .pth files of a folder that a .pth file adds, so the editable
install beside those dependencies stays out of reach; `test_the_wheel_is_what_runs` makes sure of it.
"""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
PLACES = {
    "mecsim": "mecsim",
    "policies/mecsim_policies": "mecsim_policies",
    "scenarios": "mecsim/shipped_scenarios",
}
ENTRY_POINTS = PROJECT["entry-points"]["mecsim.policies"]

LOAD_EVERY_ENTRY_POINT = """
import json
import sys
from importlib.metadata import entry_points
found = {entry.name: entry.load() for entry in entry_points(group="mecsim.policies")}
places = {name: sys.modules[target.__module__].__file__ for name, target in found.items()}
import mecsim
print(json.dumps({"mecsim": mecsim.__file__, **places}))
"""


def run(command, **options):
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False, **options
    )


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel in it."""

    folder: Path

    def run(self, program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment with nothing of the caller's Python settings."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        path = self.folder / ("Scripts" if os.name == "nt" else "bin") / program
        return run([path, *arguments], cwd=cwd, env=environment)


def top_level_names(wheel: Path) -> set[str]:
    """Return the names a wheel adds to site-packages, without its own metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name.split("/")[0] for name in archive.namelist()}
    return {name for name in names if not name.endswith(".dist-info")}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """Build the sdist, and the wheel from the sdist; return both files."""
    out = tmp_path_factory.mktemp("dist")
    done = run([sys.executable, "-m", "build", "--no-isolation", "--outdir", out, REPOSITORY])
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def wheel(distributions):
    return distributions[1]


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean") / "environment"
    pip = [sys.executable, "-m", "pip", "--python", folder]
    for step in (
        [sys.executable, "-m", "venv", "--without-pip", folder],
        [*pip, "install", "--no-index", "--no-deps", "--quiet", wheel],
    ):
        done = run(step)
        assert done.returncode == 0, done.stdout + done.stderr
    clean = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(clean, "borrowed_dependencies.pth").write_text("\n".join(sorted(borrowed)), "utf-8")
    return Installed(folder)


@pytest.fixture
def folder_with_policies(tmp_path):
    """Return somebody else's folder, which breaks whoever imports `policies` in it."""
    foreign = tmp_path / "policies"
    foreign.mkdir()
    (foreign / "__init__.py").write_text("raise RuntimeError('foreign policies imported')\n", "utf-8")
    return tmp_path


@pytest.fixture(params=["tmp_path", "folder_with_policies"])
def cwd(request):
    return request.getfixturevalue(request.param)


def test_the_wheel_adds_exactly_two_names(wheel):
    assert top_level_names(wheel) == {"mecsim", "mecsim_policies"}


def test_a_third_name_would_be_noticed(wheel, tmp_path):
    spoiled = tmp_path / wheel.name
    spoiled.write_bytes(wheel.read_bytes())
    with zipfile.ZipFile(spoiled, "a") as archive:
        archive.writestr("policies/__init__.py", "")
    assert top_level_names(spoiled) == {"mecsim", "mecsim_policies", "policies"}


def test_the_wheel_holds_every_module_scenario_and_type_marker(wheel):
    wanted = {
        f"{target}/{path.relative_to(REPOSITORY / source).as_posix()}"
        for source, target in PLACES.items()
        for path in (REPOSITORY / source).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    assert {"mecsim/py.typed", "mecsim_policies/py.typed", "mecsim/shipped_scenarios/smoke.toml"} <= held
    assert sorted(wanted - held) == []


def test_the_sdist_carries_no_results(distributions):
    with tarfile.open(distributions[0]) as archive:
        folders = {Path(name).parts[1] for name in archive.getnames() if len(Path(name).parts) > 1}
    assert "results" not in folders
    assert {"mecsim", "policies", "scenarios", "LICENSE", "README.md"} <= folders


def test_the_wheel_is_what_runs(installed, cwd):
    done = installed.run("python", "-c", LOAD_EVERY_ENTRY_POINT, cwd=cwd)
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)
    assert set(files) == {"mecsim", *ENTRY_POINTS}
    assert [file for file in files.values() if not Path(file).is_relative_to(installed.folder)] == []


def test_a_policy_of_the_wheel_runs(installed, folder_with_policies):
    command = ("mecsim", "run", "smoke", "--policy", "nearest", "--out", "written")
    done = installed.run(*command, cwd=folder_with_policies)
    assert done.returncode == 0, done.stdout + done.stderr
    (manifest,) = (folder_with_policies / "written").rglob("manifest.json")
    assert (manifest.parent / "rounds.parquet").stat().st_size > 0


def test_a_scenario_finds_its_files_in_the_wheel(installed, tmp_path):
    """Mutant: a trace or a file of positions looked for in the present folder, or left out of the wheel."""
    code = "import mecsim\nfor name in ('sumo-trace', 'gpx-walk'):\n" + (
        "    short = mecsim.load_scenario(name).with_changes({'duration_s': 20, 'warmup_s': 0})\n"
        "    assert len(mecsim.simulate(short, 'nearest').positions)"
    )
    done = installed.run("python", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_foreign_package_is_a_real_trap(installed, folder_with_policies):
    done = installed.run("python", "-c", "import policies", cwd=folder_with_policies)
    assert done.returncode == 1
    assert "RuntimeError: foreign policies imported" in done.stderr
