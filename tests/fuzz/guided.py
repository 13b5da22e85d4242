"""Coverage-guided fuzzing of what reads files, with atheris: any bytes give an object or the right error.

    python tests/fuzz/guided.py traces -max_total_time=60

The kinds are the folders of the corpus; what follows are libFuzzer's options. It starts from the corpus and
from a good file of the kind. An input that breaks a promise is printed and kept as crash-*: mend the reader,
and put the input into the corpus.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=[
        "mecsim.scenario",
        "mecsim.system",
        "mecsim.config",
        "mecsim.world.traces",
        "mecsim.study",
        "mecsim.results",
    ]
):
    from mecsim import errors
    from mecsim.results.manifest import read_manifest
    from mecsim.results.parquet_file import read_table
    from mecsim.results.table_values import value_problems
    from mecsim.scenario.schema import Scenario
    from mecsim.study.spec import load_study
    from mecsim.system.instance_file import load_instance
    from mecsim.world.traces.read import parse_trace

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FORMATS = ("csv", "parquet", "sumo_fcd", "gpx", "bonnmotion", "ns2", "one")
GOOD = {
    "scenarios": ROOT / "scenarios" / "smoke.toml",
    "instances": HERE / "corpus" / "instances" / "true.json",
    "studies": HERE / "corpus" / "studies" / "no-values.toml",
    "traces": ROOT / "scenarios" / "traces" / "park.gpx",
    "manifests": HERE / "corpus" / "manifests" / "wrong-hash.json",
    "tables": HERE / "corpus" / "tables" / "negative-user.parquet",
}


def scenario(content, place):
    Scenario.from_toml(content.decode("utf-8", "replace"))


def instance(content, place):
    place.write_bytes(content)
    load_instance(place)


def study(content, place):
    place.write_bytes(content)
    load_study(place)


def trace(content, place):
    for file_format in FORMATS:
        try:
            parse_trace(content, "t", file_format)
        except errors.TraceError:
            continue


def manifest(content, place):
    place.with_name("manifest.json").write_bytes(content)
    read_manifest(place.parent)


def table(content, place):
    place.with_name("positions.parquet").write_bytes(content)
    entry = {"rows": 24, "sha256": hashlib.sha256(content).hexdigest()}
    value_problems("positions", read_table(place.parent, "positions", entry).to_pandas())


KINDS = {
    "scenarios": (scenario, errors.ScenarioError),
    "instances": (instance, errors.InstanceError),
    "studies": (study, errors.StudyError),
    "traces": (trace, errors.TraceError),
    "manifests": (manifest, errors.ResultStoreError),
    "tables": (table, errors.ResultStoreError),
}


def check(problems):
    assert problems
    assert all("\n" not in line and len(line) < 2000 for line in problems)


def main():
    kind, *options = sys.argv[1:]
    read, refusal = KINDS[kind]
    with tempfile.TemporaryDirectory() as folder:
        place, seeds = Path(folder, "input"), Path(folder, "seeds")
        seeds.mkdir()
        for path in (*(HERE / "corpus" / kind).iterdir(), GOOD[kind]):
            (seeds / path.name).write_bytes(path.read_bytes())

        def one(content):
            try:
                read(content, place)
            except refusal as error:
                check(getattr(error, "problems", None) or str(error).splitlines())

        limits = ["-rss_limit_mb=1000", "-timeout=10", "-max_len=20000"]
        atheris.Setup([sys.argv[0], *limits, *options, str(seeds)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
