"""The documentation site: every page, notebook and public name is on it; `make docs` builds it."""

import re
from fnmatch import fnmatch
from pathlib import Path

import mecsim

REPOSITORY = Path(__file__).resolve().parents[2]
SITE = REPOSITORY / "docs" / "site"


def named_in_the_index():
    """Return the patterns of the index, seen from the repository."""
    lines = (SITE / "index.rst").read_text("utf-8").splitlines()
    entries = [line.strip() for line in lines if re.match(r"   [\w.]+[/\w.*\[\]]*$", line)]
    return [str((SITE / entry).resolve().relative_to(REPOSITORY)) for entry in entries]


def test_every_page_and_notebook_is_in_the_index():
    """Mutant: a page that nobody finds."""
    pages = [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("docs/*.ipynb")]
    pages += [REPOSITORY / folder / "README.md" for folder in ("policies", "scenarios", "tests", "results")]
    names = [str(page.relative_to(REPOSITORY).with_suffix("")) for page in pages]
    patterns = named_in_the_index()
    assert [name for name in names if not any(fnmatch(name, pattern) for pattern in patterns)] == []


def test_every_public_name_is_described():
    """Mutant: a name is added to the face, and to no page."""
    text = (SITE / "api.rst").read_text("utf-8")
    named = set(re.findall(r"mecsim\.(\w+)", text))
    errors = {name for name in mecsim.__all__ if getattr(mecsim, name).__class__ is type and _is_error(name)}
    assert set(mecsim.__all__) - {"__version__"} - errors - named == set()
    assert "automodule:: mecsim.errors" in text


def _is_error(name):
    return issubclass(getattr(mecsim, name), Exception)


def test_pictures_of_the_gallery_have_their_commands():
    text = (REPOSITORY / "docs" / "gallery.md").read_text("utf-8")
    for picture in re.findall(r"\]\((images/[^)]+)\)", text):
        assert re.search(rf"{picture}\)\n\n```console\n\$ ", text), picture
