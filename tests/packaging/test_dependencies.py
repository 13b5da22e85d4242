"""docs/dependencies.md and constraints.txt against pyproject.toml and what is installed."""

import re
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
PAGE = (REPOSITORY / "docs" / "dependencies.md").read_text("utf-8")
PINS = (REPOSITORY / "constraints.txt").read_text("utf-8")
# What distributions write for the licences of the page, in their metadata or at the top of their licence.
WRITTEN = {
    "MIT": r"\bMIT\b|Permission is hereby granted, free of charge",
    "BSD-3-Clause": r"\bBSD\b|Enthought",
    "BSD-2-Clause": r"BSD.2",
    "Apache-2.0": r"Apache",
    "PSF-2.0": r"Python Software Foundation",
    "MPL-2.0": r"MPL-2\.0",
    "GPL-3.0": r"GPL-?v?3",
}
EVERYTHING = frozenset(PROJECT["optional-dependencies"])


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def required():
    """Return every requirement of pyproject.toml with its extra; none for what is needed at run time."""
    extras = {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
    found = [(extra, Requirement(text)) for extra, texts in extras.items() for text in texts]
    return [(extra, each) for extra, each in found if each.name != PROJECT["name"]]


def listed(page):
    """Return name, extra and licence, and the reason, of every row of the first three tables."""
    rows = re.findall(r"^\| ([\w-]+) \| (?:(\w+) \| )?([\w.-]+) \| (.+) \|$", page, flags=re.MULTILINE)
    return {name: (extra, licence, reason) for name, extra, licence, reason in rows if name != "Distribution"}


def stated(name):
    """Return what an installed distribution says of its licence."""
    found = distribution(name)
    metadata = found.metadata  # of importlib, or of its backport once something has imported that
    texts = [metadata.get("License-Expression"), metadata.get("License")]
    texts += [each for each in metadata.get_all("Classifier") or () if each.startswith("License")]
    if not any(texts):
        files = [file for file in found.files or () if "LICEN" in file.name.upper()]
        texts = [Path(file.locate()).read_text("utf-8") for file in files]
    return "\n".join(text for text in texts if text)


def complaints(page):
    """Return what is wrong with the tables of the page."""
    rows, wrong = listed(page), []
    wanted = {each.name: (extra, each) for extra, each in required()}
    wrong += [f"{name}: not in the tables" for name in wanted.keys() - rows.keys()]
    wrong += [f"{name}: not in pyproject.toml" for name in rows.keys() - wanted.keys()]
    for name in rows.keys() & wanted.keys():
        (extra, licence, reason), (own_extra, requirement) = rows[name], wanted[name]
        if extra != own_extra:
            wrong.append(f"{name}: extra {own_extra}, not {extra}")
        ceilings = [str(each) for each in requirement.specifier if each.operator in ("<", "<=", "==", "~=")]
        wrong += [f"{name}: no reason for {each}" for each in ceilings if f"`{each}`" not in reason]
        try:
            if not re.search(WRITTEN[licence], stated(name)):
                wrong.append(f"{name}: it does not say {licence}")
        except PackageNotFoundError:
            continue
    return wrong


def test_the_tables_are_those_of_the_project_and_the_installed_distributions():
    assert complaints(PAGE) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("| simpy | MIT |", "| simpy | GPL-3.0 |", "simpy: it does not say GPL-3.0"),
        ("| simpy | MIT |", "| simply | MIT |", "simpy: not in the tables"),
        ("| ciw | test | MIT |", "| ciw | test | Apache-2.0 |", "ciw: it does not say Apache-2.0"),
        ("| plotly | report |", "| plotly | sql |", "plotly: extra report, not sql"),
        ("; `<3.13`, because", "; because", "matplotlib: no reason for <3.13"),
    ],
)
def test_a_wrong_row_would_be_noticed(old, new, complaint):
    assert old in PAGE
    assert complaint in complaints(PAGE.replace(old, new))


def test_only_the_extra_of_that_name_asks_for_a_copyleft_package():
    copyleft = {name for name, (_, licence, _) in listed(PAGE).items() if "GPL" in licence}
    assert copyleft == {"ecos"}
    assert {extra for extra, each in required() if each.name in copyleft} == {"ecos"}
    assert "ecos" not in " ".join(PROJECT["optional-dependencies"]["all"])


def test_the_libraries_inside_wheels_are_listed():
    """Mutant: a wheel with a library more."""
    for name in ("numpy", "scipy", "scs"):
        try:
            files = [str(file) for file in distribution(name).files or ()]
        except PackageNotFoundError:
            continue
        libraries = {m[1] for file in files if (m := re.search(rf"^{name}\.libs/([a-z_]+)", file))}
        libraries |= {"_scs_mkl"} if any("_scs_mkl" in file for file in files) else set()
        assert {library for library in libraries if library not in PAGE} == set()


def pinned():
    return dict(line.split("==") for line in PINS.splitlines())


def reached(name, extras, found):
    """Collect the names of all distributions that are needed, as far as they are installed."""
    try:
        requirements = distribution(name).requires or ()
    except PackageNotFoundError:
        return found
    for each in map(Requirement, requirements):
        wanted = each.marker is None or any(each.marker.evaluate({"extra": e}) for e in {"", *extras})
        key = normalised(each.name), frozenset(each.extras)
        if wanted and key not in found:
            found.add(key)
            reached(each.name, each.extras, found)
    return found


def test_constraints_are_names_and_versions_only():
    lines = PINS.splitlines()
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*", line) for line in lines)
    assert lines == sorted(set(lines))


def test_constraints_hold_every_dependency_within_its_bounds():
    """Those of dependencies as well; pip and setuptools belong to the environment."""
    names = {name for name, _ in reached(PROJECT["name"], EVERYTHING, set())}
    assert names - pinned().keys() - {"pip", "setuptools", PROJECT["name"]} == set()
    for _, each in required():
        if each.name != "pip":
            assert each.specifier.contains(pinned()[normalised(each.name)]), each


def test_no_committed_file_names_a_package_registry():
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    ).stdout
    if not listing:
        pytest.skip("no git repository")
    hosts = re.compile(r"py" r"pi\.org|python" r"hosted\.org|conda\." r"anaconda|index" r"-url|/sim" r"ple/")
    for name in filter(None, listing.split("\0")):
        content = (REPOSITORY / name).read_bytes() if (REPOSITORY / name).is_file() else b""
        assert not hosts.search(content.decode("utf-8", "ignore")), name
