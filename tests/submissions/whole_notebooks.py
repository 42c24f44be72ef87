"""Whole notebooks as they come in: what Colab, editors, operating systems and people do to a right answer."""

import copy
import json
import re
import shutil
import zipfile
from pathlib import Path

import jupytext
import nbformat
from inithw.homework.reference.data import WIDTHS
from inithw.homework.rubric import POINTS
from nbconvert import PythonExporter

from tests.submissions.answer import NAME, REFERENCE, Answer, Insertion, code_cells, save, text

CHILDREN = 2 * (len(WIDTHS) - 1) - 1
EXPERIMENT = "nn.Linear(1, 20), nn.Tanh(), " + (len(WIDTHS) - 3) * "nn.Linear(20, 20), nn.Tanh(), " + "nn.Linear(20, 1)"
HANDOUT = Path(__file__).parents[2] / "assignment/homework.ipynb"


def right(name, change, **answers):
    return Answer(f"notebook {name}", transform=change, **answers)


def wrong(name, change, lost, **answers):
    return Answer(f"notebook {name}", transform=change, lost=lost, **answers)


def refused(name, change):
    return Answer(f"file {name}", transform=change, status="not_gradable")


def items(question, label):
    return {item: label for item in POINTS if item.startswith(question)}


# ---------------------------------------------------------------- cells


def code(source):
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source}


def place(notebook, words):
    """Index of the first code cell that holds `words`."""
    for k, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code" and words in text(cell):
            return k
    raise ValueError(f"no code cell holds {words!r}")


DEEP = (
    "nn.Sequential(*[layer for fan_in in (1, width, width, width) for layer in (nn.Linear(fan_in, width), nn.ReLU())], "
    "nn.Linear(width, 1))"
)
Q1_CELL, Q2_CELL, Q3_CELL = "nn.Linear(width, width)", "def print_gnorms", "def better_init"


def edited(change):
    """A transform that changes the notebook's dict in place and saves it."""

    def transform(notebook, folder):
        change(notebook)
        return save(notebook, folder / NAME)

    return transform


def first(*sources):
    """New cells at the top."""
    return Insertion(lambda notebook: notebook["cells"].__setitem__(slice(0, 0), [code(source) for source in sources]))


def last(*sources):
    """New cells at the end."""
    return Insertion(lambda notebook: notebook["cells"].extend(code(source) for source in sources))


def above(words, *sources):
    """New cells above the one that holds `words`."""

    def change(notebook):
        index = place(notebook, words)
        notebook["cells"][index:index] = [code(source) for source in sources]

    return Insertion(change)


def replaced(*pairs):
    """Text replaced in all code cells, as by an editor: (old, new)."""

    def change(notebook):
        for old, new in pairs:
            assert any(old in text(cell) for cell in code_cells(notebook)), old
            for cell in code_cells(notebook):
                cell["source"] = text(cell).replace(old, new)

    return edited(change)


def moved(words, to):
    """The cell that holds `words` put above the one that holds `to`, or at the end."""

    def change(notebook):
        cell = notebook["cells"].pop(place(notebook, words))
        notebook["cells"].insert(len(notebook["cells"]) if to is None else place(notebook, to), cell)

    return edited(change)


def deleted(keep):
    """Code cells that `keep` refuses are taken out."""

    def change(notebook):
        notebook["cells"] = [cell for cell in notebook["cells"] if cell["cell_type"] != "code" or keep(text(cell))]

    return edited(change)


def turned_to_markdown(words):
    def change(notebook):
        cell = notebook["cells"][place(notebook, words)]
        notebook["cells"][place(notebook, words)] = {"cell_type": "markdown", "metadata": {}, "source": text(cell)}

    return edited(change)


def split(notebook):
    """Every answer cell cut where the function ends."""
    for words in (Q1_CELL, Q2_CELL, Q3_CELL):
        index = place(notebook, words)
        source = text(notebook["cells"][index])
        cut = source.index("\n\nassert") if words == Q1_CELL else source.index("\n\n\n")
        notebook["cells"][index : index + 1] = [code(source[:cut]), code(source[cut:].strip("\n"))]


def twice(notebook):
    """Every answer cell copied below itself, with the same id, as by copy and paste."""
    for words in (Q1_CELL, Q2_CELL, Q3_CELL):
        index = place(notebook, words)
        notebook["cells"].insert(index, copy.deepcopy(notebook["cells"][index]))


def one_cell(notebook):
    source = "\n\n".join(text(cell) for cell in code_cells(notebook))
    notebook["cells"] = [code(source)]


def bare_script(notebook):
    """The answers in one cell without anything of the handout besides the data."""
    data = [text(notebook["cells"][place(notebook, words)]) for words in ("def f_true", "TRAIN_N = ")]
    answers = [text(notebook["cells"][place(notebook, words)]) for words in (Q1_CELL, Q2_CELL, Q3_CELL)]
    functions = [re.split(r"\n\n\n(?=\w)", answer)[0] for answer in answers]
    imports = "import torch, torch.nn as nn, numpy as np, functools, math"
    notebook["cells"] = [code("\n\n".join([imports, *data, *functions]))]


def run_outputs(notebook):
    """Outputs and execution counts of a run that failed, in disorder."""
    for number, cell in enumerate(code_cells(notebook)):
        cell["execution_count"] = 100 - number
        cell["outputs"] = [
            {"output_type": "stream", "name": "stdout", "text": ["0.weight 0.00000094\n"]},
            {
                "output_type": "error",
                "ename": "NotImplementedError",
                "evalue": "q1 is not answered yet",
                "traceback": ["\u001b[0;31mNotImplementedError\u001b[0m"],
            },
        ]


def large_outputs(notebook):
    picture = "iVBORw0KGgo" + "A" * 1_000_000
    for cell in code_cells(notebook)[:20]:
        cell["outputs"] = [{"output_type": "display_data", "data": {"image/png": picture}, "metadata": {}}]


def colab(notebook):
    notebook["metadata"] = {
        "accelerator": "GPU",
        "colab": {"name": "homework.ipynb", "provenance": [], "gpuType": "T4", "toc_visible": True},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook["cells"]):
        cell.pop("id", None)
        cell["metadata"] = {"id": f"aB{number}_x", "colab": {"base_uri": "https://localhost:8080/"}}
    badge = '<a href="https://colab.research.google.com/github/x/y"><img src="https://colab.research.google.com/assets/colab-badge.svg"/></a>'
    notebook["cells"].insert(
        0, {"cell_type": "markdown", "metadata": {"id": "view-in-github", "colab_type": "text"}, "source": [badge]}
    )
    notebook["nbformat_minor"] = 0


def widgets_without_state(notebook):
    notebook["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"abc": {"model_name": "x"}}}


def duplicate_ids(notebook):
    for cell in notebook["cells"]:
        cell["id"] = "same"


def without_ids(notebook):
    for cell in notebook["cells"]:
        cell.pop("id", None)


def windows_newlines(notebook):
    for cell in notebook["cells"]:
        cell["source"] = text(cell).replace("\n", "\r\n")


def single_strings(notebook):
    for cell in notebook["cells"]:
        cell["source"] = text(cell)


def commented_answers(notebook):
    """A first wrong attempt left above each answer as a comment."""
    for cell in code_cells(notebook):
        cell["source"] = text(cell).replace(
            "                gnorm =",
            "                # gnorm = torch.linalg.norm(param.grad, 2)\n                gnorm =",
        )


def answers_below(notebook):
    """The stubs left as they were, the answers in new cells below them."""
    for words in (Q1_CELL, Q2_CELL, Q3_CELL):
        index = place(notebook, words)
        stub = re.sub(r"nn\.Linear\(1, width\).*width, 1\),?", 'todo("q1")', text(notebook["cells"][index]), flags=re.S)
        stub = stub.replace("param.grad.norm()", 'todo("q2")')
        stub = stub.replace("nn.init.kaiming_normal_(module.weight)", 'todo("q3")')
        notebook["cells"].insert(index, code(stub))


def old_format(notebook):
    """As notebooks were stored up to 2015: worksheets, `input`, `prompt_number`."""
    cells = [
        {"cell_type": "code", "input": text(cell).splitlines(True), "language": "python", "metadata": {}, "outputs": []}
        for cell in code_cells(notebook)
    ]
    worksheets = [{"cells": cells, "metadata": {}}]
    content = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": worksheets}
    notebook.clear()
    notebook.update(content)


# ---------------------------------------------------------------- files


def encoded(encoding):
    def transform(notebook, folder):
        path = folder / NAME
        path.write_bytes(json.dumps(notebook).encode(encoding))
        return path

    return transform


def named(name):
    return lambda notebook, folder: save(notebook, folder / name)


def percent_script(notebook, folder):
    path = folder / "homework.py"
    path.write_text(
        jupytext.writes(nbformat.reads(json.dumps(notebook), as_version=4), fmt="py:percent"), encoding="utf-8"
    )
    return path


def exported_script(notebook, folder):
    """nbconvert's File > Save and Export As > Executable Script."""
    notebook["cells"].insert(1, {**code("%matplotlib inline\n!pip install torch"), "id": "setup"})
    path = folder / "homework.py"
    path.write_text(
        PythonExporter().from_notebook_node(nbformat.reads(json.dumps(notebook), as_version=4))[0], encoding="utf-8"
    )
    return path


def plain_script(notebook, folder):
    path = folder / "homework.py"
    path.write_text("\n\n".join(text(cell) for cell in code_cells(notebook)), encoding="utf-8")
    return path


def zipped(**more):
    """A zip of the notebook and other files, named with `__` for a slash and `_dot_` for a dot."""

    def transform(notebook, folder):
        path = folder / "submission.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in more.items():
                archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
            archive.writestr("my homework/homework.ipynb", json.dumps(notebook))
        return path

    return transform


def macos_zip(notebook, folder):
    path = folder / "submission.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("homework/homework.ipynb", json.dumps(notebook))
        archive.writestr("__MACOSX/homework/._homework.ipynb", b"\0\x05\x16\x07\0\x02\0\0Mac OS X")
        archive.writestr("homework/._homework.ipynb", b"\0\x05\x16\x07\0\x02\0\0Mac OS X")
        archive.writestr("homework/.DS_Store", b"\0\0\0\1Bud1")
        archive.writestr("homework/.ipynb_checkpoints/homework-checkpoint.ipynb", json.dumps({"cells": []}))
    return path


def beside_the_skeleton(notebook, folder):
    """A folder with the answered notebook, the untouched handout and other files."""
    save(notebook, folder / "my answers.ipynb")
    shutil.copy(HANDOUT, folder / "homework.ipynb")
    (folder / "notes.txt").write_text("some notes", encoding="utf-8")
    (folder / "figure.png").write_bytes(b"\x89PNG\r\n")
    return folder


def two_answers(notebook, folder):
    save(notebook, folder / "first.ipynb")
    notebook["cells"].append(code("print('another version')"))
    save(notebook, folder / "second.ipynb")
    return folder


def written(name, content):
    def transform(_notebook, folder):
        path = folder / name
        path.write_bytes(content)
        return path

    return transform


def damaged(notebook, folder):
    path = save(notebook, folder / NAME)
    path.write_bytes(path.read_bytes()[:-1000])
    return path


def empty_folder(_notebook, folder):
    return folder


def another_homework(_notebook, folder):
    cells = [code("import numpy as np"), code("def softmax(x):\n    return np.exp(x) / np.exp(x).sum()")]
    return save({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}, folder / "hw1.ipynb")


DRIVE = """
from google.colab import drive
drive.mount('/content/drive')
%cd /content/drive/MyDrive/Deep Learning/hw2
import sys
sys.path.append('/content/drive/MyDrive/Deep Learning')
"""
RENAME = re.compile(r"\bmodel\b")


def renamed(notebook):
    """The deep network is called net from q1 on."""
    for cell in notebook["cells"][place(notebook, Q1_CELL) :]:
        if cell["cell_type"] == "code" and "def train_many" not in text(cell):
            definition, call, rest = text(cell).partition("\n\n\n")
            if not definition.startswith("def "):
                definition = RENAME.sub("net", definition)
            cell["source"] = definition + call + RENAME.sub("net", rest)


NOT_Q1 = items("q1", "not answered")

WHOLE_NOTEBOOKS = (
    right("the reference's answers", named(NAME)),
    # ------------------------------------------------ cells moved, split, deleted, inserted
    right("q3 above q1", moved(Q3_CELL, Q1_CELL)),
    right("q2 at the end", moved(Q2_CELL, None)),
    right("q1 at the end", moved(Q1_CELL, None)),
    right(
        "functions at the top",
        edited(lambda n: [n["cells"].insert(5, n["cells"].pop(place(n, w))) for w in (Q2_CELL, Q3_CELL)]),
    ),
    right("answer cells split", edited(split), q2=REFERENCE["q2"]),
    right("answer cells copied", edited(twice)),
    right("everything in one cell", edited(one_cell)),
    right("nothing but the answers", edited(bare_script)),
    right("figures and training deleted", deleted(lambda s: "show" not in s or Q2_CELL in s or "def " in s)),
    right("text cells deleted", edited(lambda n: n.update(cells=code_cells(n)))),
    right("data cell deleted", deleted(lambda s: "train_x = np.random.uniform" not in s)),
    right("the shallow network deleted", deleted(lambda s: "nn.Linear(width, 1)\n)" not in s)),
    right("a given function turned to markdown", turned_to_markdown("def train_model")),
    right("a figure turned to markdown", turned_to_markdown("figure, ax = subplots(2.5, width=7")),
    wrong("q1 turned to markdown", turned_to_markdown(Q1_CELL), NOT_Q1),
    wrong("q2 turned to markdown", turned_to_markdown(Q2_CELL), items("q2", "not answered")),
    wrong("q3 turned to markdown", turned_to_markdown(Q3_CELL), items("q3", "not answered")),
    wrong("q1 deleted", deleted(lambda s: Q1_CELL not in s), NOT_Q1),
    right("answers in new cells below the stubs", edited(answers_below)),
    right("an attempt left as a comment", edited(commented_answers)),
    right("an extra network at the end", last("model = nn.Sequential(nn.Linear(1, 50), nn.Tanh(), nn.Linear(50, 1))")),
    right(
        "an extra experiment with another network",
        above(
            Q3_CELL,
            "import copy\nmodel2 = copy.deepcopy(model)\nmodel2.append(nn.Sigmoid())\nmodel2(torch.zeros(1, 1))",
        ),
    ),
    *(
        right(f"a later experiment with assertions: {name}", last(cell))
        for name, cell in {
            "another name": f"model_tanh = nn.Sequential({EXPERIMENT})\nassert len(model_tanh) == {CHILDREN}",
            "the same name": f"model = nn.Sequential({EXPERIMENT})\nassert len(model) == {CHILDREN}",
            "three widths": (
                "for w in (5, 20, 80):\n    net = nn.Sequential(nn.Linear(1, w), nn.ReLU(), nn.Linear(w, w), nn.ReLU(),"
                " nn.Linear(w, 1))\n    assert len(net) == 5"
            ),
            "the number elsewhere": (
                f"big = nn.Sequential(nn.Linear(1, {CHILDREN}), nn.ReLU(), nn.Linear({CHILDREN}, 1))\n"
                f"assert big[0].out_features == {CHILDREN}"
            ),
            "either": f"wide = nn.Sequential(nn.Tanh())\nn = 5\nassert n == 5 or len(wide) != {CHILDREN}",
        }.items()
    ),
    right(
        "assertions within a function",
        above(Q1_CELL, f"model = nn.Sequential({EXPERIMENT})\ndef check(model):\n    assert len(model) == {CHILDREN}"),
    ),
    right(
        "a helper cell that the answers need",
        above(
            Q1_CELL,
            "def l2(t):\n    return t.pow(2).sum().sqrt()",
            "def he(w):\n    w.data.normal_(0, (2 / w.shape[1]) ** 0.5)",
        ),
        q2="gnorm = l2(param.grad)",
        q3="he(module.weight)",
    ),
    right("the scratch cell that stops on purpose", above(Q3_CELL, "raise RuntimeError('stop here')")),
    # ------------------------------------------------ given code edited
    right(
        "markers and comments deleted",
        replaced(
            ("                # TODO q2: the norm of this weight matrix's gradient\n", ""),
            ("        # TODO q3: draw module.weight\n", ""),
        ),
        q2=REFERENCE["q2"],
    ),
    right(
        "assertions deleted",
        replaced(
            ("assert len(model) == 9\n", ""),
            ("assert sum(p.numel() for p in model.parameters()) == 1321\n", ""),
            ("assert list(model(torch.randn(10, 1)).shape) == [10, 1]", ""),
        ),
    ),
    right(
        "seeds and steps changed",
        replaced(
            ("np.random.seed(600)", "np.random.seed(1)"),
            ("torch.manual_seed(600)", "torch.manual_seed(1)"),
            ("* 10)", "* 20)"),
        ),
    ),
    right("the network renamed", edited(renamed)),
    right(
        "print format changed",
        replaced(('print(name, "{:.8f}".format(gnorm))', 'print(f"{name}: {gnorm:.4e}")')),
        q2=REFERENCE["q2"],
    ),
    right(
        "extra prints",
        replaced(("    gnorms = {}\n", "    gnorms = {}\n    print('loss:', loss.item())\n")),
        q2=REFERENCE["q2"],
    ),
    right(
        "the data as tensors",
        edited(
            lambda n: (
                n["cells"].insert(
                    place(n, "def train_model"),
                    code("train_x = torch.from_numpy(train_x).float()\ntrain_y = torch.from_numpy(train_y).float()"),
                ),
                n["cells"].__setitem__(
                    place(n, Q2_CELL),
                    code(
                        text(n["cells"][place(n, Q2_CELL)])
                        .replace("torch.from_numpy(train_x).float()", "train_x")
                        .replace("torch.from_numpy(train_y).float()", "train_y")
                    ),
                ),
            )
        ),
        q2=REFERENCE["q2"],
    ),
    right(
        "the data as a column of tensors",
        edited(
            lambda n: (
                n["cells"].insert(
                    place(n, "def train_model"), code("train_x = torch.from_numpy(train_x).float().unsqueeze(-1)")
                ),
                n["cells"].__setitem__(
                    place(n, Q2_CELL),
                    code(
                        text(n["cells"][place(n, Q2_CELL)]).replace(
                            "torch.from_numpy(train_x).float().unsqueeze(-1)", "train_x"
                        )
                    ),
                ),
            )
        ),
        q2=REFERENCE["q2"],
    ),
    right(
        "a class instead of the given function",
        replaced(("class NotAnswered(NotImplementedError):", "class NotAnswered(RuntimeError):")),
    ),
    right(
        "an import deleted and done later",
        edited(
            lambda n: (
                n["cells"].__setitem__(
                    k := place(n, "import functools\n"), code(text(n["cells"][k]).replace("import functools\n", ""))
                ),
                n["cells"].insert(place(n, "def naive_init"), code("import functools")),
            )
        ),
    ),
    right(
        "many threads, used",
        first(
            "import torch\ntorch.set_num_interop_threads(4)\ntorch.set_num_threads(4)",
            "large = torch.ones(1000, 1000, requires_grad=True)\n(large @ large).relu().sum().backward()",
        ),
        q2="torch.set_num_threads(8)\ngnorm = (torch.eye(999) @ torch.ones(999, 999)).mean() * param.grad.norm()",
    ),
    # ------------------------------------------------ Colab, Jupyter, VS Code
    right("from Colab", edited(colab)),
    right("on Google Drive", first(DRIVE)),
    right(
        "uploaded files on Colab",
        first(
            "from google.colab import files\nuploaded = files.upload()",
            "for name in uploaded.keys():\n    print(name, len(uploaded[name]))",
        ),
    ),
    right("a Colab form", first("#@title Setup { run: 'auto' }\nseed = 3 #@param {type:'integer'}")),
    right("pip with an exclamation mark", first("!pip install -q torch torchvision matplotlib")),
    right("pip as a magic", first("%pip install otter-grader --quiet")),
    right(
        "pip above the imports",
        replaced(("import math\n", "!pip install torch\nimport math\n")),
    ),
    right(
        "shell output assigned",
        first("files = !ls -la\nprint(len(files))\n!nvidia-smi\n!wget -q https://example.org/data.csv"),
    ),
    right("a bash cell", first("%%bash\nmkdir -p figures\necho done")),
    right("%matplotlib widget", first("%matplotlib widget")),
    right(
        "%matplotlib inline and settings",
        first(
            "%matplotlib inline\n%config InlineBackend.figure_format = 'retina'",
            "%load_ext autoreload\n%autoreload 2\n%env OMP_NUM_THREADS=4",
        ),
    ),
    right(
        "%%time on the answers",
        replaced(
            ("width = 20\nmodel = None", "%%time\nwidth = 20\nmodel = None"), (Q2_CELL, "%%time\ndef print_gnorms")
        ),
    ),
    right(
        "%%capture on the answers",
        edited(
            lambda n: n["cells"].__setitem__(
                place(n, Q3_CELL), code("%%capture\n" + text(n["cells"][place(n, Q3_CELL)]))
            )
        ),
    ),
    right(
        "%time on the calls",
        replaced(("print_gnorms(model);", "%time print_gnorms(model)")),
    ),
    right("help with a question mark", above(Q3_CELL, "nn.init.kaiming_normal_?", "?nn.Linear", "%whos")),
    right("an unknown magic", first("%load_ext tensorboard\n%tensorboard --logdir runs", "%%sql\nselect 1")),
    right("an HTML cell", first("%%html\n<style>.a {color: red}</style>", "%%latex\n$x$", "%%javascript\nalert(1)")),
    right(
        "a file written and imported",
        above(
            Q3_CELL,
            "%%writefile my_inits.py\nimport torch\ndef he(w):\n    torch.nn.init.kaiming_normal_(w)",
            "import my_inits",
        ),
        q3="my_inits.he(module.weight)",
    ),
    right("another notebook run", first("%run helpers.ipynb", "%load solution.py")),
    # ------------------------------------------------ what a grading machine has not got
    right("input() for a name", first("name = input('Your name: ')\nprint('Hello', name)")),
    right("input() for a number", first("seed = int(input('seed? '))")),
    right("a missing package", first("import wandb\nwandb.init(project='hw2', config={'lr': 0.1})")),
    right(
        "a missing package among the imports",
        replaced(
            (
                "import matplotlib.pyplot as plt",
                "import matplotlib.pyplot as plt\nimport seaborn as sns\nimport torchvision\nsns.set_theme()",
            )
        ),
    ),
    right(
        "missing packages that show the network",
        above(
            "def naive_init",
            "from torchsummary import summary\nsummary(model, (1,))",
            "from torchviz import make_dot\nmake_dot(model(torch.zeros(1, 1)))",
        ),
    ),
    right(
        "a missing package around the training loop",
        first("from fastprogress import progress_bar\nfor _ in progress_bar(range(3)):\n    pass"),
    ),
    right(
        "a device chosen by availability",
        first(
            "import torch\ndevice = torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
            "device = 'mps' if torch.backends.mps.is_available() else device",
        ),
        q1=f"model = {DEEP}.to(device)",
    ),
    right(
        "a network sent to the GPU",
        named(NAME),
        q1=f"model = {DEEP}.cuda()",
    ),
    right(
        "everything sent to the GPU",
        replaced(
            (
                "batch_x = torch.from_numpy(train_x).float().unsqueeze(-1)\n",
                "batch_x = torch.from_numpy(train_x).float().unsqueeze(-1).to('cuda')\n    model = model.to('cuda')\n",
            ),
            ("batch_y = torch.from_numpy(train_y).float()\n", "batch_y = torch.from_numpy(train_y).float().cuda()\n"),
        ),
        q2="gnorm = param.grad.cpu().norm()",
        q3="module.weight.data = torch.randn(module.weight.shape, device='cuda') * math.sqrt(2 / module.in_features)",
    ),
    right(
        "missing data files",
        first("import pandas as pd\ndata = pd.read_csv('data.csv')", "weights = torch.load('weights.pt')"),
    ),
    right(
        "files written",
        last(
            "torch.save(model.state_dict(), 'model.pt')\nplt.savefig('figure.png')",
            "open('answers.txt', 'w').write('done')",
        ),
    ),
    right(
        "a folder that is not there",
        last(
            "import os\nos.makedirs('/content/drive/MyDrive/out', exist_ok=True)",
            "torch.save(model, '/content/drive/MyDrive/out/model.pt')",
        ),
    ),
    right(
        "worker processes",
        last(
            "from torch.utils.data import DataLoader\nfor batch in DataLoader(list(range(8)), num_workers=2):\n    pass"
        ),
    ),
    right("top-level await", first("import asyncio\nawait asyncio.sleep(0)")),
    right("exit in a cell", last("exit()")),
    right("sys.exit in a cell", above(Q3_CELL, "import sys\nsys.exit()")),
    right("os._exit in a cell", last("import os\nos._exit(0)")),
    right("recursion without end", above(Q2_CELL, "def f(n):\n    return f(n + 1)\nf(0)")),
    right("an old matplotlib style", first("import matplotlib.pyplot as plt\nplt.style.use('seaborn')")),
    right("names of Python taken", last("sum = 0\nlist = [1, 2]\nmax = 3\nlen = 4\ntype = 'x'\nid = 7")),
    right("warnings silenced and a debugger", first("import warnings\nwarnings.filterwarnings('ignore')\nimport pdb")),
    right("the namespace cleared at the start", first("%reset -f")),
    # ------------------------------------------------ one question broken, the others kept
    wrong(
        "a syntax error in q1",
        named(NAME),
        items("q1", "not reached"),
        q1="model = nn.Sequential(nn.Linear(1, width), nn.ReLU() nn.Linear(width, 1))",
    ),
    wrong("an error in q1", named(NAME), items("q1", "not reached"), q1="model = nn.Sequential(nn.linear(1, width))"),
    wrong("a syntax error in q2", named(NAME), items("q2", "not reached"), q2="gnorm = (param.grad.norm()"),
    wrong(
        "a syntax error in q3", named(NAME), items("q3", "not reached"), q3="nn.init.kaiming_normal_(module.weight))"
    ),
    wrong(
        "a wrong attempt below the right one",
        last("def print_gnorms(model):\n    for name, p in model.named_parameters():\n        print(name, p.norm())"),
        items("q2", "q2.parameter"),
    ),
    wrong(
        "q1 only",
        named(NAME),
        items("q2", "not answered") | items("q3", "not answered"),
        q2='gnorm = todo("q2")',
        q3='todo("q3")',
    ),
    wrong(
        "q3 only",
        named(NAME),
        NOT_Q1 | items("q2", "not answered"),
        q1='model = nn.Sequential(\n    todo("q1")\n)',
        q2='gnorm = todo("q2")',
    ),
    wrong(
        "three mistakes",
        named(NAME),
        {
            "q1.layers": "q1.activation",
            "q1.forward": "q1.activation",
            "q2.norms": "q2.squared",
            "q2.general": "q2.squared",
            "q3.scale": "q3.gpt_scale",
            "q3.gradients": "q3.gpt_scale",
            "q3.training": "q3.gpt_scale",
        },
        q1="model = " + DEEP.replace("ReLU", "GELU"),
        q2="gnorm = (param.grad ** 2).sum()",
        q3="nn.init.normal_(module.weight, std=0.02)",
    ),
    wrong(
        "the handout untouched",
        named(NAME),
        dict.fromkeys(POINTS, "not answered"),
        q1='model = nn.Sequential(\n    todo("q1")\n)',
        q2='gnorm = todo("q2")',
        q3='todo("q3")',
    ),
    wrong("another homework", another_homework, dict.fromkeys(POINTS, "not answered")),
    wrong(
        "no code at all",
        edited(lambda n: n.update(cells=[c for c in n["cells"] if c["cell_type"] != "code"])),
        dict.fromkeys(POINTS, "not answered"),
    ),
    # ------------------------------------------------ files
    right("with stale outputs", edited(run_outputs)),
    right("with 20 MB of outputs", edited(large_outputs)),
    right("with a byte order mark", encoded("utf-8-sig")),
    right("in UTF-16", encoded("utf-16")),
    right("of nbformat 3", edited(old_format)),
    right("without cell ids", edited(without_ids)),
    right("with duplicate cell ids", edited(duplicate_ids)),
    right("with widgets without state", edited(widgets_without_state)),
    right("without metadata", edited(lambda n: n.pop("metadata"))),
    right("with Windows newlines", edited(windows_newlines)),
    right("with sources as single strings", edited(single_strings)),
    right("renamed", named("Müller_Anna (1) final FINAL.ipynb")),
    right("without an extension", named("homework")),
    right("named .txt by the browser", named("homework.ipynb.txt")),
    right("zipped on a Mac", macos_zip),
    right("zipped with other files", zipped(**{"README_dot_md": "hello", "data__x_dot_csv": "1,2"})),
    right("in a folder beside the handout", beside_the_skeleton),
    right("as a percent script", percent_script),
    right("as a script exported by nbconvert", exported_script),
    right("as one plain script", plain_script),
    # ------------------------------------------------ nothing to grade
    refused("of two different answers", two_answers),
    refused("that is damaged", damaged),
    refused("that is empty", written("homework.ipynb", b"")),
    refused("that is a PDF", written("homework.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")),
    refused("that is a web page", written("homework.html", b"<!DOCTYPE html><html><body>print_gnorms</body></html>")),
    refused("that is JSON of something else", written("data.json", b'{"train": [1, 2, 3]}')),
    refused("that is an empty folder", empty_folder),
)
