"""Names what is no notebook, and says what to submit instead."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath

from inithw.engine.submission.limits import SAVE, NotGradable

# Where other file formats show themselves: offset, bytes, name.
_FORMATS = (
    (0, b"%PDF", "a PDF"),
    (0, b"\x1f\x8b", "a gzip archive (.gz, .tar.gz)"),
    (257, b"ustar", "a tar archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"\xfd7zXZ\0", "an xz archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Word or Excel document"),
    (0, b"{\\rtf", "a rich-text document (RTF)"),
    (0, b"\x89PNG", "a picture"),
    (0, b"\xff\xd8\xff", "a picture"),
)
_RENDERED = "the text of a notebook, without its cells"
_LINK = "a link to a document, not the document"
_BY_EXTENSION = {
    ".md": f"a Markdown file ({_RENDERED})",
    ".markdown": f"a Markdown file ({_RENDERED})",
    ".qmd": "a Quarto document",
    ".rmd": "an R Markdown document",
    ".rst": f"a reStructuredText file ({_RENDERED})",
    ".org": "an Org file",
    ".tex": f"a LaTeX file ({_RENDERED})",
    ".html": f"a web page ({_RENDERED})",
    ".htm": f"a web page ({_RENDERED})",
    ".gdoc": _LINK,
    ".gsheet": _LINK,
    ".gslides": _LINK,
    ".gcolab": _LINK,
    ".url": _LINK,
    ".webloc": _LINK,
    ".desktop": _LINK,
    ".lnk": _LINK,
    ".pages": "a Pages document",
    ".docx": "a Word document",
    ".odt": "an OpenDocument text",
    ".pdf": "a PDF",
    ".r": "an R script",
    ".m": "a MATLAB script",
    ".jl": "a Julia script",
    ".pyc": "compiled Python",
    ".pt": "a file of weights",
    ".pth": "a file of weights",
    ".pkl": "a pickle",
}
_MARKUP = re.compile(r"<[!?a-z]", re.IGNORECASE)
_SHORTCUT = re.compile(r"\s*(?:\[InternetShortcut\]|\[Desktop Entry\]|https?://\S+\s*\Z)")
_GOOGLE = re.compile(r'\s*\{[^{}\[\]]{0,2000}"(?:doc_id|resource_id|url)"\s*:\s*"[^{}\[\]]{0,2000}\}\s*\Z')


def say_what_it_is(label: str, data: bytes) -> None:
    """Pass what may be a notebook or Python code.

    Raises:
        NotGradable: It is another kind of file: what it is, and what to submit.
    """
    for offset, magic, kind in _FORMATS:
        if data.startswith(magic, offset):
            raise NotGradable(f"{label} is {kind}, not a notebook. {SAVE}")
    begin = data[:5000].decode(json.detect_encoding(data[:5000]), "replace").lstrip("\ufeff \t\r\n")
    if not begin and not data.strip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"):
        raise NotGradable(f"{label} is empty. {SAVE}")
    if _SHORTCUT.match(begin) or (len(data) < 5000 and _GOOGLE.match(begin)):
        raise NotGradable(f"{label} is {_LINK}. {SAVE}")
    looks_like_notebook = begin.startswith("{")
    if not looks_like_notebook and (foreign := name_foreign(label)):
        raise foreign
    if _MARKUP.match(begin):
        raise NotGradable(f"{label} is a web page (HTML or XML), not a notebook. {SAVE}")


def name_foreign(label: str) -> NotGradable | None:
    """Why a file with this extension is no submission, if that is known."""
    kind = _BY_EXTENSION.get(PurePosixPath(label).suffix.lower())
    return NotGradable(f"{label} is {kind}, not a notebook. {SAVE}") if kind else None
