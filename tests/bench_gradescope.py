"""What an instructor's upload costs: size of the zip, of what it installs, and time and memory of one grading.

    .venv/bin/python -m tests.bench_gradescope [--repeat N] [--stock]

The zip is built, installed by its own setup.sh and run as on Gradescope: 768 MB, half a processor. `--stock` also
installs what `otter generate` names for pip, with the same CPU build of PyTorch; the conda, LaTeX and Chromium that its
setup.sh fetches besides are not counted. Processor time depends less on what else the machine does than wall time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import yaml
from inithw.release.packaging import make_dist

from tests.gradescope_container import MEMORY, PROCESSORS, Container, limited, roomy_memory
from tests.otter_commands import STOCK, generate

ROOT = Path(__file__).parent.parent
MB = 1 << 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--stock", action="store_true", help="also install what stock `otter generate` names")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = make_dist(ROOT, Path(folder))
        for path in made:
            print(f"{path.name}: {path.stat().st_size / 1024:.0f} KB")
        container = Container(made[0])
        try:
            bench_container(container, arguments.repeat)
        finally:
            container.remove()
        if arguments.stock:
            bench_stock(Path(folder))


def bench_container(container: Container, repeat: int) -> None:
    """Install, then grade the reference and the skeleton."""
    started = time.monotonic()
    built = container.build()
    if built.returncode:
        sys.exit(built.stdout)
    print(f"setup.sh: {installed(container.root / 'env')}, {time.monotonic() - started:.0f} s")
    with limited(MEMORY, PROCESSORS) as limits:
        print(f"run_autograder, {MEMORY // MB} MB and {PROCESSORS} processors by {limits.kind}, {repeat} runs each:")
    for name in ("solutions/homework.ipynb", "assignment/homework.ipynb"):
        runs = [container.grade(ROOT / name) for _ in range(repeat)]
        wall = [run.seconds for run in runs]
        peaks = [run.peak / MB for run in runs if run.peak is not None]
        print(
            f"  {name}: {statistics.median(wall):.1f} s ({min(wall):.1f} to {max(wall):.1f}), processor "
            + f"{statistics.median(run.processor for run in runs):.1f} s, "
            + (f"peak {max(peaks):.0f} MB" if peaks else "peak not measured")
            + f", score {runs[-1].results['score']:g}"
        )


def bench_stock(folder: Path) -> None:
    """Install the pip part of the environment in stock Otter's own zip."""
    archive = generate(STOCK, STOCK / "otter_config.json", folder)
    with zipfile.ZipFile(archive) as files:
        environment = yaml.safe_load(files.read("environment.yml"))
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    wanted = [*pip, "jupyter_server", *notebook_needs()]
    place = Path(tempfile.mkdtemp(prefix="stock-", dir=roomy_memory()))
    try:
        started = time.monotonic()
        subprocess.run(["/usr/bin/python3", "-m", "venv", place / "env"], check=True)
        install = [place / "env/bin/pip", "install", "--quiet", "--no-cache-dir", *wanted]
        subprocess.run(install, check=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
        print(f"stock otter generate, by pip only: {installed(place / 'env')}, {time.monotonic() - started:.0f} s")
        print(f"  pip: {' '.join(wanted)}")
        print(f"  not counted: conda with {', '.join(conda)}; playwright's Chromium; LaTeX when a PDF is wanted")
    finally:
        shutil.rmtree(place)


def notebook_needs() -> list[str]:
    """What the notebook imports, at the versions that our own zip installs."""
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    return [f"{name}=={pins[name]}" for name in ("torch", "numpy", "matplotlib", "tqdm", "scipy", "pandas")]


def installed(env: Path) -> str:
    """Packages and bytes of a virtual environment, its files counted once however often they are linked."""
    sizes = {}
    for path in env.rglob("*"):
        status = path.lstat()
        sizes[status.st_ino] = status.st_size
    packages = len(list(env.glob("lib/python3.*/site-packages/*.dist-info")))
    return f"{packages} packages, {sum(sizes.values()) / MB:.0f} MB, {len(sizes)} files"


if __name__ == "__main__":
    main()
