"""docs/studies.md: its study loads, its job scripts are scripts, and dask-jobqueue prints what it shows."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest

from mecsim.study.spec import load_study

PAGE = (Path(__file__).parents[2] / "docs" / "studies.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_study_loads(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    (tmp_path / "bandwidth.toml").write_text(text)
    (tmp_path / "mine.py").write_text("from mecsim_policies.baselines import Gucaa as Mine\n")
    study = load_study(tmp_path / "bandwidth.toml", allow_local_policies=True)
    assert len(study.runs) == 20 * 4 * 4 * 2
    assert (study.limit_s, study.swept) == (600, ("servers.bandwidth_mhz", "users.count"))


@pytest.mark.parametrize("script", blocks("sh"))
def test_what_is_shown_for_a_shell_is_shell(script: str) -> None:
    """Mutant rejected: a quote that is not closed."""
    for text, code in ((script, 0), (script + '"', 2)):
        done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
        assert done.returncode == code, done.stderr


def test_dask_jobqueue_prints_the_script_that_is_shown() -> None:
    """Apart from the path of Python and the address of the scheduler. Mutant rejected: other resources."""
    before = signal.getsignal(signal.SIGINT)
    jobqueue = pytest.importorskip("dask_jobqueue", reason="the cluster extra is not installed")
    signal.signal(signal.SIGINT, before)  # one of its modules puts a handler of its own
    (call,) = re.findall(r"SLURMCluster\((.*)\)", PAGE)
    (shown,) = [script for script in blocks("sh") if "-J dask-worker" in script]

    def rendered(arguments: str) -> list[str]:
        options = eval(f"dict({arguments})", {"dict": dict})  # noqa: S307 - from our own page
        with jobqueue.SLURMCluster(**options, scheduler_options={"dashboard_address": None}) as cluster:
            return general(cluster.job_script())

    assert rendered(call) == general(shown)
    assert rendered(call.replace("32GB", "64GB")) != general(shown)


def general(script: str) -> list[str]:
    lines = [re.sub(r"^\S*python\S* -m|tcp://\S+", "", line) for line in script.splitlines()]
    return [line for line in lines if line.strip()]
