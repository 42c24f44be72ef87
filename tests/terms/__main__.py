"""Measure thresholds for three other terms, grade all labelled answers in each, and say what differs.

make terms        (or: python -m tests.terms [NAME ...])
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.parts import project_copy, run_in
from tests.terms import OTHERS, ROOT, SIZES, THRESHOLDS, other_project

CALIBRATE = f"""
from pathlib import Path
from inithw.homework.calibration import calibrate
from inithw.homework.calibration.measuring import Sizes
print("\\n".join(calibrate(Path(), sizes=Sizes({SIZES}))))
"""


def main(names):
    for other in OTHERS:
        if names and other.name not in names:
            continue
        print(f"{other.name}: {other.what}", flush=True)
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="inithw-term-") as folder:
            project = other_project(other, Path(folder) / "project")
            (ROOT / ".calibration").mkdir(exist_ok=True)
            (project / ".calibration").symlink_to(ROOT / ".calibration")
            (project / "measure.py").write_text(CALIBRATE)
            for command in (["measure"], ["inithw", "build"], ["inithw", "verify"]):
                environment = {
                    "PYTHONPATH": str(project / "autograder"),
                    "PATH": "/usr/bin:/bin",
                    "OMP_NUM_THREADS": "1",
                }
                done = subprocess.run([sys.executable, "-m", *command], cwd=project, env=environment)
                if done.returncode and command == ["measure"]:
                    sys.exit(done.returncode)
            shutil.copy(project / THRESHOLDS, other.thresholds)
        print(f"{other.name}: {time.monotonic() - start:.0f} s\n", flush=True)
    if not names:
        print("5 hidden layers of width 32 at the first handout's learning rate, which must be refused", flush=True)
        with tempfile.TemporaryDirectory(prefix="inithw-term-") as folder:
            project = project_copy(Path(folder) / "project")
            done = run_in(project, "inithw", "new-term", "--width", "32", "--hidden-layers", "5", "--yes")
        print(done.stderr)
        if done.returncode == 0 or "nearest setting with fair thresholds: training.learning_rate" not in done.stderr:
            sys.exit("it was not refused, or no setting near by was named")


if __name__ == "__main__":
    main(sys.argv[1:])
