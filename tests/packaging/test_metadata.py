"""The version and the licence say the same thing wherever they are written."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]


def read(name):
    return (REPOSITORY / name).read_text("utf-8")


def versions_named(text):
    """Return every version a text gives to mecsim: `mecsim 1.2.3`, `mecsim==1.2.3`, `version = {1.2.3}`."""
    return set(re.findall(r"(?m)(?:\bmecsim[ =v-]*|^ *version *[:=] *[{\"]?)(\d+\.\d+\.\d+)", text))


def test_the_citation_names_this_version():
    assert versions_named(read("CITATION.cff")) == {PROJECT["version"]}


def test_the_readme_names_no_other_version():
    assert versions_named(read("README.md")) <= {PROJECT["version"]}


@pytest.mark.parametrize(
    "text", ["mecsim 9.9.9", "pip install mecsim==9.9.9", "  version = {9.9.9},", "version: 9.9.9"]
)
def test_a_stale_version_would_be_noticed(text):
    assert versions_named(text) == {"9.9.9"}


def test_the_changelog_starts_with_this_version():
    headings = re.findall(r"^## \[(.+?)\]", read("CHANGELOG.md"), flags=re.MULTILINE)
    assert headings[0] in {PROJECT["version"], "Unreleased"}
    assert PROJECT["version"] in headings


def test_the_installed_version_is_the_one_written():
    assert version("mecsim") == PROJECT["version"]


def test_the_licence_is_the_same_everywhere():
    assert PROJECT["license"] == "MIT"
    assert read("LICENSE").startswith("MIT License")
    assert re.search(r"^license: MIT$", read("CITATION.cff"), flags=re.MULTILINE)
