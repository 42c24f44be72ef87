"""How long the reference notebook takes, top to bottom in a real kernel, beside the homework it was made from.

    make bench-notebook                # the reference, and the linearization alone, both ways
    make bench-notebook SEED=FILE      # the whole original notebook as well, in the same run

FILE (or the environment variable INITHW_SEED_HOMEWORK) is the original homework: not ours to publish, so ask the course
for it. It is a notebook, or the text of its page, where a line `In [None]:` stands before a code cell. Its three open
answers are filled in here. CPU time is the kernel's: it depends far less than wall time on what else the machine does.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import os
import re
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import numpy as np
import torch
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
STUBS = {
    "raise NotImplementedError()": 'nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")',
    "NotImplementedError()": "nn.Linear(1, width), nn.ReLU(), "
    + "nn.Linear(width, width), nn.ReLU(), " * 3
    + "nn.Linear(width, 1)",
    "gnorm = ?": "gnorm = param.grad.norm()",
}


def main() -> None:
    """Print the times."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seed", type=Path, default=os.environ.get("INITHW_SEED_HOMEWORK"))
    options.add_argument("--repeat", type=int, default=3)
    options = options.parse_args()

    reference = nbformat.read(ROOT / "solutions/homework.ipynb", as_version=4)
    notebooks = {"reference": reference}
    if options.seed:
        notebooks["original"] = original(Path(options.seed))
    notebooks["start-up alone (kernel, torch, matplotlib)"] = imports("matplotlib.pyplot", "torch")
    notebooks["... and Otter, which the original lacks"] = imports("matplotlib.pyplot", "torch", "otter")
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in notebooks}
    for _ in range(options.repeat):
        for name, notebook in notebooks.items():
            runs[name].append(execute(notebook))
    medians = {name: [statistics.median(column) for column in zip(*times, strict=True)] for name, times in runs.items()}
    for name, (wall, cpu) in medians.items():
        print(f"{name:45} {wall:6.1f} s wall {cpu:6.1f} s CPU   (median of {options.repeat})")
    if options.seed:
        wall, cpu = (ours / theirs for ours, theirs in zip(medians["reference"], medians["original"], strict=True))
        print(f"{'reference beside original':45} {wall:6.0%} of the wall time, {cpu:.0%} of the CPU time")

    fast, slow = linearization_seconds()
    print(f"{'one linearization, as the reference does it':45} {fast:6.3f} s CPU")
    print(f"{'... sample by sample, with the full SVD':45} {slow:6.3f} s CPU   ({slow / fast:.0f} times as long)")


def imports(*modules: str) -> nbformat.NotebookNode:
    """A notebook that imports these and nothing else."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(f"import {', '.join(modules)}")])


def execute(notebook: nbformat.NotebookNode) -> tuple[float, float]:
    """Run a notebook; seconds of wall time, from the start of the kernel to its end, and of the kernel's CPU time."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "assignment/tests", Path(folder, "tests"))
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        NotebookClient(
            nbformat.from_dict(notebook),
            timeout=600,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        ).execute()
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def original(path: Path) -> nbformat.NotebookNode:
    """The original homework with its three answers, as a notebook of code cells."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        sources = [cell.source for cell in nbformat.reads(text, as_version=4).cells if cell.cell_type == "code"]
    else:
        sources = re.split(r"^In ?\[None\]:$", text, flags=re.MULTILINE)[1:]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code(source)) for source in sources])


def code(source: str) -> str:
    """Fill in the answer, and drop the prose below the code: what remains is the longest beginning that is Python."""
    for stub, answer in STUBS.items():
        source = re.sub(rf"^( *){re.escape(stub)}$", rf"\g<1>{answer}", source, flags=re.MULTILINE)
    lines = source.split("\n")
    for end in range(len(lines), 0, -1):
        with contextlib.suppress(SyntaxError):
            ast.parse("\n".join(lines[:end]))
            return "\n".join(lines[:end]).strip()
    raise ValueError(f"no Python in the cell that begins {source.strip()[:60]!r}")


def linearization_seconds() -> tuple[float, float]:
    """CPU seconds of one linearization of the trained network: the reference's way, and the plain way."""
    homework: dict = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in nbformat.read(ROOT / "solutions/homework.ipynb", as_version=4).cells:
            if cell.cell_type == "code" and "demonstration" not in cell.metadata.get("tags", []):
                exec(cell.source, homework)
    model = homework["model"]
    homework["train_model"](model, homework["n_steps"], homework["batch_size"], homework["lr"], 650)

    def plain() -> None:
        rows = []
        for x in homework["train_x"]:
            model.zero_grad()
            model(torch.tensor([[x]], dtype=torch.float32)).backward()
            rows.append(np.concatenate([param.grad.numpy().ravel() for param in model.parameters()]))
        np.linalg.svd(np.stack(rows), full_matrices=False)

    return min(cpu_seconds(lambda: homework["svd_local_linearization"](model))), min(cpu_seconds(plain))


def cpu_seconds(function: Callable[[], object]) -> Iterator[float]:
    """CPU seconds of three calls."""
    for _ in range(3):
        start = time.process_time()
        function()
        yield time.process_time() - start


if __name__ == "__main__":
    main()
