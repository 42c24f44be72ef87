"""Write telling samples of the corpus to grade by hand: `python -m tests.submissions --samples DIR`."""

import argparse
import shutil
from pathlib import Path

from tests.submissions import ANSWERS, write_answer

SAMPLES = {
    "right-he-by-formula": "q3 He by np.sqrt",
    "right-own-relu": "q1 own ReLU by clamp",
    "right-from-google-drive": "notebook on Google Drive",
    "wrong-activation": "q1 GELU instead of ReLU",
    "wrong-spectral-norm": "q2 torch.linalg.norm with ord 2",
    "wrong-missing-root": "q3 missing root: std 2 over fan_in",
    "wrong-fan-out": "q3 fan_out: kaiming_normal_ with fan_out",
    "wrong-three-mistakes": "notebook three mistakes",
    "open-first-question-only": "notebook q1 only",
    "not-gradable-web-page": "file that is a web page",
}
ROOT = Path(__file__).parent.parent.parent


def main() -> None:
    """Write each sample under a readable name, replacing what was there."""
    parser = argparse.ArgumentParser(prog="python -m tests.submissions", description=__doc__)
    parser.add_argument("--samples", type=Path, required=True, metavar="DIR", help="folder to write to")
    folder = parser.parse_args().samples
    answers = {answer.name: answer for answer in ANSWERS}
    shutil.rmtree(folder, ignore_errors=True)
    for name, title in SAMPLES.items():
        written = write_answer(answers[title], ROOT / "assignment" / "homework.ipynb", folder)
        written.rename(folder / f"{name}{written.suffix}")
        written.parent.rmdir()


if __name__ == "__main__":
    main()
