"""Cells run as in a notebook, and what a grading machine has not got costs none of the answers around it."""

import contextlib
import os
import pickle
import re
import sys
import time
import warnings

import pytest
from inithw.engine.worker.__main__ import import_usual
from inithw.engine.worker.shell import GradingShell, describe, prepare, time_limit

import_usual()


def run_cells(*cells: str, seconds: float = 5, folder=None) -> dict:
    """Run cells in a forked process, as the worker does: per cell its error, and the text that the last one printed."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        with contextlib.suppress(BaseException):
            warnings.resetwarnings()  # pytest makes them errors, which a worker does not
            os.chdir(folder or os.curdir)
            shell = GradingShell.instance()
            output = prepare(shell)
            errors = []
            for number, cell in enumerate(cells, 1):
                with output.record(1000) as kept:
                    try:
                        with time_limit(seconds, seconds):
                            failures = shell.run(cell, number)
                    except BaseException as raised:
                        failures = [shell.explain(raised)]
                errors.append(describe(failures[0], number) if failures else "")
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
        f"SyntaxError in Python 3.{sys.version_info.minor}: invalid syntax (line 1)",
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
        (
            "class Table:\n    def _repr_html_(self):\n        return '<td>1.25</td>'\ndisplay(Table())",
            "<td>1.25</td>",
        ),
        ("import pandas as pd\ndisplay(pd.DataFrame({'norm': [1.25]}))", "   norm\n0  1.25"),
    ],
)
def test_what_a_notebook_displays_counts_as_printed(shown, printed):
    result = run_cells(f"from IPython.display import HTML, Latex, Markdown, display\n{shown}")
    assert result == {"errors": [""], "printed": printed + "\n"}


def test_an_exception_that_cannot_describe_itself_is_still_described():
    result = run_cells("class Odd(Exception):\n    def __str__(self):\n        raise ValueError\nraise Odd()")
    assert result["errors"] == ["Odd: (no message) (line 4)"]


# ---------------------------------------------------------------- a statement that fails costs itself only

FAILING = [
    "print(torchvision.__version__)",
    'matplotlib.use("TkAgg")',
    "print(torch.cuda.get_device_name(0))",
    'open("/content/drive/MyDrive/x.txt").read()',
    "assert torch.cuda.is_available()",
    "assert False, 'look here'",
    "import matplotlib.pyplot as plt; plt.style.use('seaborn')",
    "undefined_name",
    "1 / 0",
    "raise SystemExit",
    "raise KeyboardInterrupt",
    "print('unbalanced'",
    "print 'of Python 2'",
    "    oddly = 'indented'",
    "for k in range(3):\n    1 / 0",
    "with open('not there') as file:\n    text = file.read()",
    "if True:\n    raise ValueError",
    "try:\n    1 / 0\nfinally:\n    pass",
    "@undefined_decorator\ndef decorated():\n    pass",
    "def broken(x:\n    return x",
    "class Broken\n    pass",
    "text = '''never closed",
    "x = (1,\n     2",
    "return 5",
    "await undefined_coroutine()",
    "%time 1 / 0",
    "a, b = 1",
    "from torch import no_such_name_and_no_module as x; x.y = 1; 1 / 0",
    "except ValueError:\n    pass",
    "x = = 1",
    "<<<<<<< HEAD",
    "These are notes, not code.",
    "gnorm = ?",
    "plt.savefig('/content/drive/MyDrive/figure.png')",
]


@pytest.mark.parametrize("statement", FAILING)
def test_a_statement_that_fails_costs_itself_only(statement):
    function = "\ndef second():\n    return math.floor(first + 1.5)"
    parts = ["first = 1", "import math"]
    cells = ["\n".join([*parts[:at], statement, *parts[at:], function]) for at in (0, 1, 2)]
    cells.append("\n".join([statement, parts[0], statement, parts[1], statement, function]))
    check = "print(first, second())\ndel first, second, math"
    result = run_cells("import torch", *[part for cell in cells for part in (cell, check)], seconds=20)
    assert result["errors"][2::2] == [""] * 4
    indented = statement.startswith(" ")  # IPython takes the indent of a first line away
    assert all(result["errors"][3 if indented else 1 :: 2])


@pytest.mark.parametrize(
    "magic", ["%%time", "%%capture", "%%capture out", "%%prun", "%%memit", "%%wandb", "%%capture\n%%time"]
)
def test_within_a_cell_magic_too_and_the_line_is_that_of_the_whole_cell(magic):
    result = run_cells(f"{magic}\nfirst = 1\n1 / 0\nsecond = 2", "print(first, second)")
    line = magic.count("\n") + 3
    assert result["errors"] == [f"ZeroDivisionError: division by zero (line {line})", ""]
    assert result["printed"] == "1 2\n"


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        ("\n\n1 / 0", 3),
        ("# a comment\n\ndef f(x:\n    pass\n\n1 / 0", 3),
        ("a = 1\n%matplotlib inline\n1 / 0", 3),
        ("a = '''\ntext\n'''\n1 / 0", 4),
        ("a = 1\nb = (1,\n\nc = 2\n1 / 0", 2),
        ("def f():\n    1 / 0\n\nf()", 4),
    ],
)
def test_the_line_of_the_first_failure_is_named(cell, line):
    assert run_cells(cell)["errors"][0].endswith(f"(line {line})")


def test_what_follows_from_a_failure_names_the_first_cause():
    result = run_cells("he = missing(1)\nkept = 1", "better = he + 1", "print(better)", "print(kept)")
    assert result["errors"][0] == "NameError: name 'missing' is not defined (line 1)"
    first = "cell 1, line 1: NameError: name 'missing' is not defined"
    assert result["errors"][1:] == [f"{first} (so 'he' is missing here)", f"{first} (so 'better' is missing here)", ""]


def test_a_name_that_a_damaged_function_would_have_bound_names_the_damage():
    result = run_cells("x = 1\ndef he(w:\n    pass\n", "he(3)")
    assert result["errors"][1].startswith("cell 1, line 2: SyntaxError")


def test_the_statements_after_one_that_took_too_long_can_be_run_too():
    shell_says = run_cells("a = 1\nwhile True: pass\nb = 2", "print(a)", "print(b)", seconds=0.5)
    assert shell_says["errors"][0].startswith("took longer than")
    assert shell_says["errors"][2].startswith("cell 1, line 3") or "b" in shell_says["errors"][2]


def test_an_expression_at_the_end_is_shown_and_star_imports_decorators_and_shell_lines_work():
    cell = "from math import *\nimport functools\n1 / 0\n!ls\nfiles = !ls\n@functools.lru_cache\ndef two():\n    return floor(pi) - 1\ntwo()"
    assert run_cells(cell)["printed"].endswith("2\n")


# ---------------------------------------------------------------- IPython


@pytest.mark.parametrize(
    "line",
    [
        "%cd /content", "%cd", "%cd -", "%pushd /tmp", "%popd", "%dhist", "%alias ll2 ls -l", "%bookmark here", "%history",
        "%history -n 1-3", "%rerun", "%recall", "%save x 1", "%pwd", "%ls", "%env", "%env A=1", "%lsmagic", "%who", "%whos",
        "%pdb on", "%debug", "%edit", "%xmode Plain", "%colors NoColor", "%precision 3", "%page", "%rehashx", "%notebook x",
        "%pylab inline", "%autoreload 2", "%load_ext nothing", "%reload_ext autoreload", "%tensorboard --logdir x",
        "%lprun -f f f()", "%memit 1", "%timeit 1", "%time 1", "%prun 1", "%run nothing.py", "%sx ls", "%system ls", "%macro a 1",
        "%config InlineBackend.figure_format = 'retina'", "%config Completer.use_jedi = False", "%logstart", "%tb", "%quickref",
        "get_ipython().magic('matplotlib inline')", "get_ipython().magic('%cd /content')", "get_ipython().system('ls')",
        "get_ipython().run_line_magic('matplotlib', 'widget')", "get_ipython().run_cell_magic('bash', '', 'ls')",
        "x = !ls", "x = %pwd", "!!ls", "print?", "?print", "print??",
        "import asyncio\nawait asyncio.sleep(0)", "import asyncio\nasyncio.run(asyncio.sleep(0))",
        "import asyncio\nasyncio.get_event_loop().run_until_complete(asyncio.sleep(0))",
        "import asyncio\nawait asyncio.to_thread(print, 1)",
        "import nest_asyncio, asyncio\nnest_asyncio.apply()\nasyncio.run(asyncio.sleep(0))",
        "import asyncio\nasync def f():\n    return 1\nx = await f()\nawait asyncio.gather(f(), f())",
        "breakpoint()", "import pdb; pdb.set_trace()", "import pdb; pdb.Pdb().set_trace()", "import ipdb; ipdb.set_trace()",
        "from IPython.core.debugger import set_trace; set_trace()", "import IPython; IPython.embed()", "import code; code.interact()",
        "from IPython.core.debugger import Pdb; Pdb().set_trace()",
        "import IPython; IPython.get_ipython().run_line_magic('gui', 'qt')",
        "import subprocess; subprocess.run(['pip', 'install', 'x'], check=True)",
        "import subprocess, sys; subprocess.check_call([sys.executable, '-m', 'pip', 'install', 'x'])",
        "import subprocess; subprocess.check_output('ls', shell=True).decode().split()",
        "import subprocess; print(subprocess.getoutput('nvidia-smi'))",
        "import subprocess\nwith subprocess.Popen(['ls'], stdout=-1, text=True) as p:\n    out, err = p.communicate()",
        "import os; os.system('pip install x'); os.popen('ls').read()",
    ],
)  # fmt: skip
def test_ipython_and_programs_cost_nothing_and_say_nothing(line):
    result = run_cells(f"before = 1\n{line}\nafter = 2", "print(before + after)")
    allowed = ("SystemExit", "ModuleNotFoundError") if "%run" in line else ()
    assert result["printed"] == "3\n"
    assert result["errors"][0] == "" or result["errors"][0].startswith(allowed) or "%run" in line
    assert "/usr/" not in result["errors"][0]


@pytest.mark.parametrize(
    "magic",
    [
        "%%memit",
        "%%wandb",
        "%%heat",
        "%%snakeviz",
        "%%mprun -f f",
        "%%lprun -f f",
        "%%time",
        "%%capture",
        "%%ipytest",
        "%%debug",
    ],
)
def test_cell_magics_that_run_their_cell_do(magic):
    assert run_cells(f"{magic}\nmade = 5", "print(made)")["printed"] == "5\n"


@pytest.mark.parametrize(
    "magic",
    [
        "%%sql",
        "%%R",
        "%%bash",
        "%%html",
        "%%javascript",
        "%%latex",
        "%%script perl",
        "%%cython",
        "%%bigquery x",
        "%%skip",
        "%%python2",
    ],
)
def test_cell_magics_of_other_languages_do_not(magic):
    assert run_cells(f"{magic}\nselect = 1", "print(1)") == {"errors": ["", ""], "printed": "1\n"}


def test_a_file_written_to_a_folder_that_is_not_here_can_be_imported(tmp_path):
    cells = "%%writefile /content/drive/helpers2.py\none = 1", "import helpers2\nprint(helpers2.one)"
    assert run_cells(*cells, folder=tmp_path) == {"errors": ["", ""], "printed": "1\n"}


# ---------------------------------------------------------------- packages, devices


@pytest.mark.parametrize(
    "cell",
    [
        "import seaborn as sns\npalette = sns.color_palette('deep')[0]",
        "import torchvision\nprint(torchvision.__version__)\nassert torchvision.__version__ >= '0.10'",
        "import torchvision\nmajor = int(torchvision.__version__.split('.')[0])",
        "from packaging import version\nimport torchtext\nversion.parse(torchtext.__version__)",
        "import wandb\nx = wandb.config.lr * 2 + 1 - 3 / 4\ny = 2 ** wandb.config['a'][0]\nz = -wandb.run.step",
        "import wandb\nif wandb.run.step > 3 or wandb.run.step <= 2:\n    pass",
        "import pytorch_lightning as pl\nclass Net(pl.LightningModule):\n    def __init__(self):\n        super().__init__()\nNet()",
        "import timm\nclass Block(timm.layers.Mlp):\n    pass\nBlock()",
        "from beartype import beartype\n@beartype\ndef f(x):\n    return x\nassert f(3) == 3",
        "from numba import jit\n@jit(nopython=True)\ndef f(x):\n    return x\nassert f(3) == 3",
        "import os\nfrom google.colab import userdata\nos.environ['KEY'] = userdata.get('KEY')",
        "import os\nfrom dotenv import dotenv_values\nos.environ['KEY'] = dotenv_values()['KEY']",
        "from jaxtyping import Float\ndef f(x: Float[object, 'n']) -> Float[object, 'n'] | None:\n    return x\nassert f(3) == 3",
        "from IPython.core.display import display, HTML\ndisplay(HTML('x'))",
        "from scipy.integrate import simps, trapezoid\ntrapezoid([1, 2])",
        "from collections import Iterable",
        "from torch.utils.data import DataLoader, SomethingOfAnotherYear\nDataLoader([1])",
        "from torch._six import string_classes",
        "import numpy as np\nx = np.float(3) + np.trapz([1, 2]) + np.product([1, 2])",
        "from tqdm.notebook import tqdm, trange\nassert [k for k in tqdm(range(3))] == [0, 1, 2]\nlist(trange(3))",
        "import tqdm.notebook as tq\nbar = tq.tqdm(total=3)\nbar.update(1)\nbar.close()",
        "from tqdm import tqdm_notebook\nlist(tqdm_notebook(range(3)))",
        "from tqdm.autonotebook import tqdm\nlist(tqdm(range(3)))",
        "from torch.utils.tensorboard import SummaryWriter\nw = SummaryWriter('runs')\nw.add_scalar('a', 1.0, 2)\nw.close()",
        "from torch.utils.tensorboard import SummaryWriter\nwith SummaryWriter() as w:\n    w.add_histogram('a', [1.0], 2)",
        "from tensorboardX import SummaryWriter\nSummaryWriter().add_scalar('a', 1.0, 2)",
        "import ipywidgets as widgets\nfrom ipywidgets import interact\n@interact(x=3)\ndef f(x=1):\n    return x",
        "import plotly.express as px\nfig = px.line(x=[1], y=[2])\nfig.update_layout(title='x').show()",
        "import einops.layers.torch as el\nassert isinstance(1, el.Rearrange) is False",
        "from loguru import logger\nlogger.info('x')\n@logger.catch\ndef f():\n    return 1\nassert f() == 1",
        "try:\n    import einops\nexcept ImportError:\n    import subprocess, sys\n    subprocess.check_call([sys.executable, '-m', 'pip', 'install', 'einops'])\n    import einops",
        "import absent_one.two.three as t\nt.four(5).six[7] += 8",
        "import absent_one\nf'{absent_one.a:.3f} {absent_one.b}' + str(absent_one.c) + '%s' % absent_one.d()",
        "import absent_one\nfor a in absent_one.b():\n    1 / 0\nlen(absent_one.c), list(absent_one.d), 3 in absent_one.e",
        "import absent_one\nasync def f():\n    async with absent_one.a() as b:\n        await b.c()\nawait f()",
        "import absent_one\nfloat(absent_one.a), int(absent_one.b()), range(absent_one.c())",
    ],
)
def test_what_is_missing_behaves(cell, tmp_path):
    result = run_cells(cell, "print(7)", folder=tmp_path)
    assert result == {"errors": ["", ""], "printed": "7\n"}


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("import timm_x\nimport torch.nn as nn\nmodel = nn.Sequential(timm_x.layers.Mlp(3))", "it uses timm_x, which"),
        ("import timm_x\nmodel = timm_x.create_model('mlp')\nmodel.weight.shape[0].no + []\nraise ValueError(model[0])", "timm_x"),
        ("from fastai_x.vision.all import *\nlearn = cnn_learner()", "cell 1, line 1: fastai_x is needed, which"),
        ("import pandas as pd\nprint(pd.DataFrame({'a': [1]}).to_markdown())", "tabulate is needed, which"),
    ],
)  # fmt: skip
def test_what_depends_on_a_missing_package_says_so(cell, said):
    error = run_cells(cell)["errors"][0]
    assert said in error
    assert "the grading machine does not have" in error
    assert "Absent" not in error


@pytest.mark.parametrize(
    "cell",
    [
        "torch.set_default_device('cuda')", "torch.set_default_device('mps')", "torch.set_default_device(torch.device('cuda:0'))",
        "torch.set_default_tensor_type('torch.cuda.FloatTensor')", "torch.set_default_dtype(torch.float64)",
        "torch.cuda.synchronize()", "torch.cuda.empty_cache()", "torch.cuda.manual_seed_all(1)", "torch.backends.cudnn.benchmark = True",
        "layer = torch.compile(nn.Linear(2, 3))", "layer = nn.Linear(2, 3)\nlayer.compile()",
        "@torch.compile\ndef f(x):\n    return x\nf(torch.zeros(2))", "@torch.compile(mode='max-autotune')\ndef f(x):\n    return x",
        "layer = nn.Linear(2, 3).double()", "x = torch.zeros(3).pin_memory()", "x = torch.zeros(3).to('cuda', non_blocking=True)",
        "for b in DataLoader(list(range(8)), num_workers=2, persistent_workers=True, prefetch_factor=2, pin_memory=True):\n    pass",
        "for b in DataLoader(list(range(8)), 4, True, None, None, 2, None, True):\n    pass",
        "with torch.device('cuda'):\n    x = torch.zeros(3)", "x = torch.zeros(3, device=torch.device('cuda', 0))",
    ],
)  # fmt: skip
def test_devices_and_compilers_that_are_not_here_cost_nothing(cell):
    first = "import torch\nfrom torch import nn\nfrom torch.utils.data import DataLoader"
    later = "print(nn.Linear(2, 3)(torch.ones(1, 2)).shape[1], torch.zeros(2).device)"
    assert run_cells(first, cell, later) == {"errors": ["", "", ""], "printed": "3 cpu\n"}


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("from torch import no_such_name", None),
        ("import json\njson.loads(open(json.__file__).read())", None),
        ("import torch\ntorch.load(torch.__file__ + 'x')", None),
        ("import os\nopen(os.path.abspath('mine.txt'))", "mine.txt"),
        ("open('/content/drive/MyDrive/x.txt')", "/content/drive/MyDrive/x.txt"),
        ("import os\nopen(os.path.expanduser('~/x.txt'))", "x.txt"),
        ("import sys\nraise ValueError(sys.executable, sys.prefix)", None),
    ],
)
def test_no_message_shows_a_path_of_the_grading_machine(cell, kept):
    error = run_cells(cell)["errors"][0]
    for path in (os.getcwd(), sys.prefix, sys.base_prefix, os.path.expanduser("~")):
        assert path == "/" or path not in error
    assert kept is None or kept in error
