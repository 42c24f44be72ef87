"""Files that are there completely or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Write a file so that nobody ever sees part of it; whatever stood there before is replaced.

    Args:
        path: The file; its folder exists.
        content: Text becomes UTF-8, what cannot be encoded becomes "?".
        mode: Of the file, before it gets its name.
    """
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(part, mode)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
