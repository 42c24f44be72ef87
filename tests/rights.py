"""What this run of the tests may do to its machine."""

import os
import sys
from pathlib import Path

import numpy
import pytest
from inithw.engine.worker.walls import readable_by

ROOT = sys.platform == "linux" and os.geteuid() == 0
_NOBODY = 65534
_OPEN = ROOT and all(readable_by(_NOBODY, str(path)) for path in (Path(__file__), numpy.__file__, os.__file__))

needs_other_users = pytest.mark.skipif(
    not _OPEN, reason="needs root, and a checkout and a Python that other users can read (chmod o+rx their folders)"
)
unless_closed = pytest.mark.skipif(
    ROOT and not _OPEN, reason="as root, needs a checkout and a Python that other users can read"
)
