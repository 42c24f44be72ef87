"""Sphinx: the pages of this folder and the docstrings of the package, as a site (`make docs`)."""

from inithw import __version__

project = "inithw"
release = __version__
copyright = "the inithw maintainers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "alabaster"
html_theme_options = {"description": "A homework whose grade can be trusted", "page_width": "1100px"}
myst_heading_anchors = 3
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "description"
napoleon_use_ivar = True  # attributes of records are described in their classes, once
