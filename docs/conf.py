"""How the documentation site is built: `make docs`. Nothing is fetched, neither when it is built nor when it is read."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "src")]

from generate import PACKAGES, api_pages, copy_notebooks, filenames, makers  # noqa: E402  (found by the line above)

from crmintel import __version__  # noqa: E402  (found by the line above)

project = "crmintel"
author = "The crmintel developers"
project_copyright = "The crmintel developers, BSD-3-Clause"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
    "sphinx_design",
    "sphinx_copybutton",
]
templates_path = ["_templates"]
exclude_patterns = ["benchmarks", "_templates"]
suppress_warnings = [
    "myst.header",  # pages that begin with a picture or go from one level to the next but one
    "misc.highlighting_failure",
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # notebooks are shown with the outputs that they were stored with
nb_merge_streams = True

nitpick_ignore_regex = [("py:.*", r"(sklearn|abc)\..*")]  # bases that other projects describe

autosummary_generate = True
autosummary_filename_map = filenames()
autodoc_mock_imports = ["pyspark"]
autodoc_typehints = "none"  # the parameters of a docstring say it in words
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "pydata_sphinx_theme"
html_title = f"crmintel {version}"
html_static_path = ["_static", "pictures"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "navigation_depth": 2,
    "show_toc_level": 1,
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
ALONE = ["index", "quickstart", "howto", "commands", "comparison", "troubleshooting", "glossary"]
html_sidebars = {page: [] for page in ALONE}  # pages without others below them
pygments_style = "default"

api_pages(HERE / "api")
copy_notebooks(HERE.parent / "examples", HERE / "gallery")


def only_ours(app: object, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Leave out what scikit-learn adds to every estimator."""
    routing = name.startswith("set_") and name.endswith("_request")
    return True if routing or str(getattr(obj, "__module__", "")).startswith("sklearn") else None


def made_by(app: object, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Beneath a class without an example of its own: what returns it, where the example stands."""
    package, _, short = name.rpartition(".")
    if what != "class" or package not in PACKAGES or ">>>" in "\n".join(lines):
        return
    if found := makers(package, short):
        lines += ["", ".. seealso:: " + ", ".join(f":obj:`{n} <{package}.{n}>`" for n in found), ""]


def setup(app: object) -> None:
    """Told to Sphinx when the site is built."""
    app.connect("autodoc-process-docstring", made_by, 400)  # type: ignore[attr-defined]  # before numpydoc reads it
    app.connect("autodoc-skip-member", only_ours)  # type: ignore[attr-defined]  # Sphinx gives the application
