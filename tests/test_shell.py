"""Cells run as in a notebook, and what a grading machine has not got costs none of the answers around it."""

import contextlib
import os
import pickle
import re
import time

import pytest
from inithw.engine.worker.shell import GradingShell, describe, prepare, time_limit


def run_cells(*cells: str, seconds: float = 5, folder=None) -> dict:
    """Run cells in a forked process, as the worker does: per cell its error, and the text that the last one printed."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        with contextlib.suppress(BaseException):
            os.chdir(folder or os.curdir)
            shell = GradingShell.instance()
            output = prepare(shell)
            errors = []
            for cell in cells:
                with output.record(1000) as kept:
                    try:
                        with time_limit(seconds, seconds):
                            error = shell.run(cell)
                    except BaseException as raised:
                        error = raised
                errors.append("" if error is None else describe(error))
            os.write(writer, pickle.dumps({"errors": errors, "printed": kept.decode()}))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        result = pickle.loads(file.read())
    os.wait()
    return result


@pytest.mark.parametrize(
    "cell",
    [
        "!pip install -q torch",
        "%pip install seaborn",
        "%cd /content/drive/MyDrive",
        "import os\nos.chdir('/content/drive')",
        "%matplotlib widget",
        "%load_ext tensorboard",
        "%tensorboard --logdir runs",
        "%%bash\nls -l",
        "files = !ls",
        "answer = input('your name? ')",
        "from google.colab import drive\ndrive.mount('/content/drive')",
        "import seaborn as sns\nsns.set_theme(style='white')",
        "import otter\ngrader = otter.Notebook('hw.ipynb')\ngrader.check('q1')",
        "import wandb\nwith wandb.init(project='x') as run:\n    run.log({'a': 1})",
        "from rich_not_installed.progress import track\nfor _ in track(range(3)):\n    pass",
        "%%time\nvalue = 1",
        "import asyncio\nawait asyncio.sleep(0)",
        "import getpass\ngetpass.getpass()",
        "import torch._inductor.config",  # looks at the modules that it imports, getpass among them
    ],
)
def test_what_this_machine_has_not_got_costs_nothing(cell):
    result = run_cells(cell + "\nlater = 7" if not cell.startswith("%%bash") else cell, "print(6 + 1)")
    assert result == {"errors": ["", ""], "printed": "7\n"}


def test_the_rest_of_a_cell_with_a_missing_package_counts():
    assert run_cells("import not_there_at_all\nkept = 5", "print(kept)")["printed"] == "5\n"


def test_code_that_asks_whether_it_is_on_colab_hears_the_truth():
    cell = "try:\n    import google.colab\n    where = 'colab'\nexcept ImportError:\n    where = 'elsewhere'"
    assert run_cells(cell, "print(where)")["printed"] == "elsewhere\n"


def test_an_error_costs_its_own_cell_and_names_its_line():
    result = run_cells("a = 1\nb = 2 / 0", "def broken(:", "import sys\nsys.exit(3)", "print(a)")
    assert result["errors"] == [
        "ZeroDivisionError: division by zero (line 2)",
        "SyntaxError: invalid syntax (line 1)",
        "SystemExit: 3 (line 2)",
        "",
    ]
    assert result["printed"] == "1\n"


@pytest.mark.parametrize(
    "cell",
    [
        "layer = nn.Linear(2, 3).cuda()",
        "layer = nn.Linear(2, 3).to('cuda:0')",
        "layer = nn.Linear(2, 3).to(torch.device('mps'))",
        "layer = nn.Linear(2, 3, device='cuda')",
        "layer = nn.Linear(2, 3)\nlayer.weight.data = torch.randn((3, 2), device='cuda').cuda()",
        "layer = nn.Linear(2, 3)\nlayer(torch.zeros(1, 2, device='cuda').to('cuda', torch.float32)).sum().backward()",
        "with torch.device('cuda'):\n    layer = nn.Linear(2, 3)",
    ],
)
def test_what_asks_for_a_gpu_runs_on_the_cpu_in_this_cell_and_later(cell):
    result = run_cells(
        "import torch\nfrom torch import nn", cell, "print(torch.ones(2).cuda().device, layer.weight.device)"
    )
    assert (result["errors"], result["printed"]) == (["", "", ""], "cpu cpu\n")


def test_a_cell_may_ask_whether_there_is_a_gpu():
    assert run_cells("import torch\nprint(torch.cuda.is_available())")["printed"] == "False\n"


def test_a_file_that_a_cell_wrote_can_be_imported_in_the_next(tmp_path):
    result = run_cells(
        "%%writefile helpers.py\ndef one():\n    return 1", "import helpers\nprint(helpers.one())", folder=tmp_path
    )
    assert (result["errors"], result["printed"]) == (["", ""], "1\n")


def test_an_endless_loop_is_stopped_even_if_it_catches_every_exception():
    loop = "while True:\n    try:\n        pass\n    except Exception:\n        pass"
    started = time.monotonic()
    result = run_cells(loop, "print('next')", seconds=0.5)
    assert re.fullmatch(r"took longer than 0 s and was stopped \(line \d\)", result["errors"][0])
    assert result["printed"] == "next\n"
    assert time.monotonic() - started < 30


def test_a_flood_of_output_is_cut_and_not_kept():
    result = run_cells("print('x' * 10_000_000)\nprint('end')")
    assert result["printed"] == "x" * 1000


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("display(1.25)", "1.25"),
        ("display(Markdown('**1.25**'))", "**1.25**"),
        ("display(HTML('<b>1.25</b>'))", "<b>1.25</b>"),
        ("display(Latex('$1.25$'))", "$1.25$"),
        ("import pandas as pd\ndisplay(pd.DataFrame({'norm': [1.25]}))", "   norm\n0  1.25"),
    ],
)
def test_what_a_notebook_displays_counts_as_printed(shown, printed):
    result = run_cells(f"from IPython.display import HTML, Latex, Markdown, display\n{shown}")
    assert result == {"errors": [""], "printed": printed + "\n"}


def test_an_exception_that_cannot_describe_itself_is_still_described():
    result = run_cells("class Odd(Exception):\n    def __str__(self):\n        raise ValueError\nraise Odd()")
    assert result["errors"] == ["Odd: (no message) (line 4)"]
