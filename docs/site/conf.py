"""The documentation site: the pages of the repository as they are, with an index and the public names.

The source folder is that of the repository, so that links between pages are those that GitHub follows.
"""

from typing import Any

from pygments.lexers.special import TextLexer

from mecsim import __version__

project = "mecsim"
author = "the mecsim authors"
release = version = __version__
root_doc = "docs/site/index"
include_patterns = [
    "docs/**", "*.md", "policies/README.md", "scenarios/README.md", "tests/README.md", "results/README.md",
]  # fmt: skip
exclude_patterns = ["docs/**/*.py"]
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "myst_nb"]

html_theme = "furo"
html_title = f"mecsim {release}"
html_static_path = ["static"]
html_extra_path = ["extra"]  # the first page of the folder
html_css_files = ["gallery.css"]

myst_heading_anchors = 4
# A page may begin as it reads best: with a second heading of the first level, or a deeper one.
suppress_warnings = ["myst.header"]
# Notebooks are shown with the outputs that they are committed with.
nb_execution_mode = "off"

napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autosummary_generate = True
autosummary_imported_members = True


def setup(app: Any) -> None:
    """Show CSV as plain text, for which there are no colours."""
    app.add_lexer("csv", TextLexer)
