"""Right answers from elsewhere: Colab, a laptop, another year. By kind, each varied in position, cell, package, form."""

import json
import textwrap
import zipfile

from tests.submissions.answer import NAME, REFERENCE, Answer, Insertion, save, text
from tests.submissions.whole_notebooks import (
    DEEP,
    Q1_CELL,
    Q2_CELL,
    Q3_CELL,
    above,
    edited,
    first,
    items,
    last,
    place,
    plain_script,
)

IMPORTS = "import matplotlib.pyplot as plt"


def right(kind, name, change=None, **answers):
    return Answer(f"{kind}: {name}", transform=change, **answers)


def lost(kind, name, what, change=None, **answers):
    return Answer(f"{kind}: {name}", transform=change, lost=what, **answers)


def within(words, statement, where):
    """A statement put into the cell that holds `words`: above it all, below it all, or above its second statement."""

    def change(notebook):
        cell = notebook["cells"][place(notebook, words)]
        source = text(cell)
        at = {"above": 0, "below": len(source), "between": source.find("\n\n") + 1}[where]
        cell["source"] = f"{source[:at]}\n{statement}\n{source[at:]}".strip("\n")

    return Insertion(change)


def together(*changes):
    """Several changes, one after the other."""

    def transform(notebook, folder):
        for change in changes:
            path = change(notebook, folder)
        return path

    return transform


# ---------------------------------------------------------------- 1: a statement that fails costs itself only

FAILING = {
    "a version printed": "print(torchvision.__version__)",
    "a backend with a window": 'import matplotlib; matplotlib.use("TkAgg")',
    "display of another year": "from IPython.core.display import display, HTML",
    "a GPU's name": "print(torch.cuda.get_device_name(0))",
    "pip by subprocess": 'import subprocess; subprocess.run(["pip", "install", "torchinfo"], check=True)',
    "a file on Drive": 'open("/content/drive/MyDrive/x.txt").read()',
    "a palette": 'import seaborn as sns; palette = sns.color_palette("deep")[0]',
    "a GPU demanded": "assert torch.cuda.is_available()",
    "a name that is not there": "device = DEVICE",
    "Python 2": 'print "hello"',
    "a bracket left open": "options = dict(a=1,",
    "a loop": "for k in range(3):\n    1 / 0",
    "sys.exit": "import sys\nif not torch.cuda.is_available():\n    sys.exit('no GPU')",
    "a merge": "<<<<<<< HEAD",
    "a note": "These lines are my notes.",
}
PLACES = [(IMPORTS, "above"), (IMPORTS, "below"), (Q1_CELL, "above"), (Q2_CELL, "above"), (Q3_CELL, "above")]
STATEMENTS = [
    right("fails", f"{name}, {where} {words[:20]}", within(words, statement, where))
    for number, (name, statement) in enumerate(FAILING.items())
    for words, where in (PLACES[number % len(PLACES)],)
]
SCRIPTS_DAMAGED = [
    lost(
        "fails",
        "one script, q2 and q3 damaged",
        items("q2", "not reached") | items("q3", "not reached"),
        plain_script,
        q2="gnorm = (param.grad.norm()",
        q3="nn.init.zeros_(module.weight",
    ),
    lost(
        "fails", "one script, q1 damaged", items("q1", "not reached"), plain_script, q1="model = nn.Sequential(nn.ReLU("
    ),
    lost(
        "fails",
        "an answer that needs a name which failed",
        items("q3", "not reached"),
        first("gain = open('/content/gain.txt').read()"),
        q3="nn.init.normal_(module.weight, std=gain / module.in_features ** 0.5)",
    ),
]

# ---------------------------------------------------------------- 2, 11: IPython, debuggers

IPYTHON = [
    right("IPython", line.replace("\n", "; "), within(words, line, "above"))
    for words, line in [
        (IMPORTS, "%cd /content/drive/MyDrive"),
        (IMPORTS, "%alias ll ls -l\n%bookmark here\n%history\n%pushd /content"),
        (Q1_CELL, "import asyncio\nawait asyncio.sleep(0)"),
        (Q2_CELL, "import asyncio\nasyncio.run(asyncio.sleep(0))"),
        (IMPORTS, "get_ipython().magic('matplotlib inline')"),
        (Q3_CELL, "listing = !ls\nsize = !du -sh ."),
        (Q1_CELL, "%%memit"),
        (Q2_CELL, "%%wandb"),
        (Q3_CELL, "%%heat -o x.png"),
        (Q3_CELL, "%%capture\n%%time"),
        (Q2_CELL, "breakpoint()"),
        (Q3_CELL, "import pdb; pdb.set_trace()"),
    ]
] + [
    right("IPython", "breakpoint in q2", q2="breakpoint()\ngnorm = param.grad.norm()"),
    right("IPython", "set_trace in q3", q3="import pdb; pdb.set_trace()\nnn.init.kaiming_normal_(module.weight)"),
]

# ---------------------------------------------------------------- 3: missing packages, helper files

PACKAGES = [
    right("package", name, first(*cells), **answers)
    for name, cells, answers in [
        ("tqdm.notebook in q2", ["from tqdm.notebook import tqdm"], {"q2": "for _ in tqdm(range(2)):\n    gnorm = param.grad.norm()"}),
        ("tensorboard in q2", ["from torch.utils.tensorboard import SummaryWriter\nwriter = SummaryWriter('runs')"], {"q2": "gnorm = param.grad.norm()\nwriter.add_scalar(name, gnorm, 0)\nwriter.add_histogram(name, param, 0)"}),
        ("wandb in q2", ["import wandb\nwandb.init(project='x')"], {"q2": "gnorm = param.grad.norm()\nwandb.log({name: gnorm.item()})"}),
        ("wandb imported in q2", [], {"q2": "import wandb\ngnorm = param.grad.norm()\nwandb.log({name: gnorm.item()})"}),
        ("beartype on q3", ["from beartype import beartype"], {"q3": "@beartype\ndef better_init(module):\n    if isinstance(module, nn.Linear):\n        nn.init.kaiming_normal_(module.weight)\n        nn.init.zeros_(module.bias)"}),
        ("jaxtyping", ["from jaxtyping import Float\nfrom torch import Tensor\nWeights = Float[Tensor, 'out in']"], {}),
        ("icecream in q3", ["from icecream import ic"], {"q3": "nn.init.kaiming_normal_(module.weight)\nic(module.weight.std())"}),
        ("loguru in q2", ["from loguru import logger"], {"q2": "gnorm = param.grad.norm()\nlogger.debug('{}', gnorm)"}),
        ("a key from Colab", ["import os\nfrom google.colab import userdata\nos.environ['WANDB_API_KEY'] = userdata.get('k')"], {}),
        ("omegaconf in q3", ["from omegaconf import OmegaConf\ncfg = OmegaConf.create({'init': {'gain': 2.0}})"], {"q3": "nn.init.normal_(module.weight, std=(cfg.init.gain / module.in_features) ** 0.5)"}),
        ("easydict in q3", ["from easydict import EasyDict\ncfg = EasyDict({'gain': 2.0})"], {"q3": "nn.init.normal_(module.weight, std=(cfg.gain / module.in_features) ** 0.5)"}),
        ("prettytable beside the print in q2", ["from prettytable import PrettyTable\ntable = PrettyTable(['layer', 'norm'])"], {"q2": "gnorm = param.grad.norm()\ntable.add_row([name, gnorm.item()])"}),
        ("torchinfo in q1's cell", ["from torchinfo import summary"], {"q1": f"model = {DEEP}\nsummary(model, (1, 1))"}),
    ]
] + [
    lost("package", f"{name} inside q{question}", items(f"q{question}", "not reached"), first(cell), **{f"q{question}": answer})
    for name, question, cell, answer in [
        ("timm", 3, "import timm", "timm.layers.trunc_normal_(module.weight, std=0.1)"),
        ("lightning's", 3, "from lightning.init import he", "module.weight.data = he(module.weight.data)"),
        ("einops", 2, "import einops", "gnorm = float(einops.reduce(param.grad ** 2, 'a b -> ', 'sum')) ** 0.5"),
        ("my_utils", 3, "from my_utils import he_init", "he_init(module.weight)"),
        ("timm", 1, "import timm", "model = timm.create_model('mlp')"),
        ("jax", 2, "import jax.numpy as jnp", "gnorm = jnp.linalg.norm(param.grad.numpy())"),
        ("a layer of timm", 1, "import timm", "model = nn.Sequential(timm.layers.Mlp(1, 20))"),
        ("fastai", 3, "from fastai.vision.all import *", "init_default(module, nn.init.kaiming_normal_)"),
    ]
]  # fmt: skip


def beside(files, where=""):
    """A zip of the notebook and Python files."""

    def transform(notebook, folder):
        path = folder / "submission.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{where}{NAME}", json.dumps(notebook))
            for name, content in files.items():
                archive.writestr(f"{where}{name}", content)
        return path

    return transform


HE = "import torch\n\n\ndef he(weight):\n    torch.nn.init.kaiming_normal_(weight)\n\n\ndef norm(t):\n    return t.norm()\n"
USES_HE = {"q3": "from helpers import he\nhe(module.weight)", "q2": "import helpers\ngnorm = helpers.norm(param.grad)"}
HELPERS = [
    right("helper file", "beside the notebook", beside({"helpers.py": HE}), **USES_HE),
    right("helper file", "in a folder of the zip", beside({"helpers.py": HE}, "hw2/anna/"), **USES_HE),
    right("helper file", "in a package", beside({"mine/__init__.py": "", "mine/he.py": HE}), q3="from mine.he import he\nhe(module.weight)"),
    right("helper file", "in a folder without __init__", beside({"mine/he.py": HE}), q3="from mine.he import he\nhe(module.weight)"),
    right("helper file", "run by %run", together(first("%run helpers.py"), beside({"helpers.py": HE})), q3="he(module.weight)"),
    right("helper file", "written and run in Colab's folder", first(f"%%writefile /content/inits.py\n{HE}", "%run /content/inits.py"), q3="he(module.weight)"),
    right("helper file", "named utils", beside({"utils.py": HE}), q3="import utils\nutils.he(module.weight)"),
    right("helper file", "star import", together(first("from helpers import *"), beside({"helpers.py": HE})), q3="he(module.weight)"),
    right("helper file", "by importlib", together(first("import importlib\nh = importlib.import_module('helpers')"), beside({"helpers.py": HE})), q3="h.he(module.weight)"),
]  # fmt: skip

# ---------------------------------------------------------------- 4: functions in the state in which their cell left them

GAIN = "nn.init.normal_(module.weight, std=gain / module.in_features ** 0.5)"
L2 = "gnorm = l2(param.grad)"
REBOUND = [
    right("later cell", name, together(*( [above(Q2_CELL, before)] if before else []), last(*after)), **answers)
    for name, before, after, answers in [
        ("gain in a loop", "gain = 2 ** 0.5", ["for gain in (0.1, 1.0, 30.0):\n    pass"], {"q3": GAIN}),
        ("another criterion", "", ["criterion = nn.L1Loss()"], {}),
        ("a helper's name", "def l2(t):\n    return t.norm()", ["def l2(t):\n    return t.abs().sum()"], {"q2": L2}),
        ("gradients off", "", ["torch.set_grad_enabled(False)"], {}),
        ("another default dtype", "", ["torch.set_default_dtype(torch.float64)"], {}),
        ("stdout redirected", "", ["import sys\nsys.stdout = open('log.txt', 'w')"], {}),
        ("stdout closed", "", ["import sys\nwith sys.stdout as out:\n    out.write('done')"], {}),
        ("switches of torch taken", "", ["torch.no_grad = torch.enable_grad = None"], {}),
        ("stdout dropped", "", ["import io, sys\nsys.stdout = io.StringIO()"], {}),
        ("a setting changed in place", "config = {'gain': 2 ** 0.5}", ["config['gain'] = 50"], {"q3": GAIN.replace("gain /", "config['gain'] /")}),
        ("an attribute changed", "class Config:\n    gain = 2 ** 0.5", ["Config.gain = 50"], {"q3": GAIN.replace("gain /", "Config.gain /")}),
        ("names of libraries", "", ["nn = torch = np = math = None"], {}),
        ("names of Python", "", ["print = len = enumerate = float = isinstance = None"], {}),
        ("data halved", "", ["train_x, train_y = train_x[:10], train_y[:10]"], {}),
        ("printing shortened", "", ["torch.set_printoptions(precision=1)\nnp.set_printoptions(precision=1)"], {"q2": "gnorm = param.grad.norm()\nprint(name, gnorm)"}),
        ("warnings as errors", "", ["import warnings\nwarnings.simplefilter('error')\nnp.seterr(all='raise')"], {}),
        ("nn.init replaced", "", ["nn.init.kaiming_normal_ = nn.init.zeros_"], {}),
        ("anomalies detected", "", ["torch.autograd.set_detect_anomaly(True)"], {}),
        ("the meta device", "", ["torch.set_default_device('meta')"], {}),
        ("an activation of one's own", "act = torch.relu\nclass Act(nn.Module):\n    def forward(self, x):\n        return act(x)", ["act = torch.tanh"], {}),
    ]
] + [
    right("later cell", "defines what q3 needs", last("gain = 2 ** 0.5"), q3=GAIN),
    right("later cell", "defines what q2 needs", last("def l2(t):\n    return t.norm()"), q2=L2),
    right("later cell", "imports what q3 needs", last("from math import sqrt"), q3="nn.init.normal_(module.weight, std=sqrt(2 / module.in_features))"),
    right("later cell", "the stub again below the answer", last("def better_init(module):\n    if isinstance(module, nn.Linear):\n        todo('q3')\n        nn.init.zeros_(module.bias)")),
]  # fmt: skip

# ---------------------------------------------------------------- 6: what was printed before an error counts


def q2_ends(statement):
    def change(notebook):
        cell = notebook["cells"][place(notebook, Q2_CELL)]
        cell["source"] = text(cell).replace(
            "    return gnorms\n", textwrap.indent(statement, "    ") + "\n    return gnorms\n"
        )

    return edited(change)


PRINTED = [
    right("printed before", name, q2_ends(statement), q2=REFERENCE["q2"])
    for name, statement in [
        ("a figure on Drive", "plt.figure()\nplt.bar(list(gnorms), list(gnorms.values()))\nplt.savefig('/content/drive/MyDrive/norms.png')"),
        ("LaTeX", "with plt.rc_context({'text.usetex': True}):\n    plt.figure()\n    plt.title(r'$x$')\n    plt.savefig('x.png')"),
        ("a log file", "with open('/content/drive/MyDrive/log.txt', 'a') as log:\n    log.write(str(gnorms))"),
        ("a missing folder", "torch.save(gnorms, 'results/gnorms.pt')"),
        ("an assertion", "assert max(gnorms.values()) < 1e-30, 'exploding'"),
        ("a name", "history.append(gnorms)"),
        ("a division", "ratio = 1 / 0"),
        ("a GPU", "torch.cuda.reset_peak_memory_stats()\nprint(torch.cuda.get_device_name(0))"),
        ("a window", "import tkinter\ntkinter.Tk()"),
        ("sys.exit", "import sys\nsys.exit(0)"),
        ("a loader with workers", "from torch.utils.data import DataLoader, TensorDataset\nfor b in DataLoader(TensorDataset(batch_x), batch_size=500, num_workers=2):\n    pass"),
    ]
]  # fmt: skip

# ---------------------------------------------------------------- 7: dtype and device

DTYPES = [
    right("dtype", "q1 in float64", q1=f"model = {DEEP}.double()"),
    right("dtype", "float64 from the top", together(first("import torch\ntorch.set_default_dtype(torch.float64)"), lambda n, f: doubled(n, f))),
    right("dtype", "the network and the data in float64", lambda n, f: doubled(n, f), q1=f"model = {DEEP}.double()"),
    right("dtype", "default device cuda", first("import torch\ntorch.set_default_device('cuda')")),
    right("dtype", "default device mps", first("import torch\ntorch.set_default_device('mps')")),
    right("dtype", "default device by availability", first("import torch\ntorch.set_default_device('cuda' if torch.cuda.is_available() else 'cpu')")),
    right("dtype", "tensor type of CUDA", first("import torch\ntorch.set_default_tensor_type('torch.cuda.FloatTensor')")),
    right("dtype", "q1 compiled", q1=f"model = torch.compile({DEEP})"),
    right("dtype", "q1 compiled below", q1=f"model = {DEEP}\nmodel.compile(mode='reduce-overhead')"),
    right("dtype", "q3 compiled", q3="@torch.compile\ndef better_init(module):\n    if isinstance(module, nn.Linear):\n        nn.init.kaiming_normal_(module.weight)\n        nn.init.zeros_(module.bias)"),
    right("dtype", "q3 in float64", q3="w = torch.randn(module.weight.shape, dtype=torch.float64) * (2 / module.in_features) ** 0.5\nmodule.weight.data.copy_(w)"),
    right("dtype", "q2 in float64", q2="gnorm = param.grad.double().norm()"),
]  # fmt: skip


def doubled(notebook, folder):
    """The data of print_gnorms kept in float64."""
    cell = notebook["cells"][place(notebook, Q2_CELL)]
    cell["source"] = text(cell).replace("(train_x).float()", "(train_x)").replace("(train_y).float()", "(train_y)")
    return save(notebook, folder / NAME)


# ---------------------------------------------------------------- 8: scripts


def script(head, before, after="", comment="# "):
    """A Python file with every code cell below `before`, and text cells as comments or strings."""

    def transform(notebook, folder):
        parts = [head]
        for number, cell in enumerate(notebook["cells"], 1):
            source = text(cell)
            if cell["cell_type"] == "code":
                parts.append(before.format(number) + source + after)
            elif comment == '"""':
                parts.append('"""' + source.replace("\\", " ").replace('"', "'") + '"""')
            else:
                parts.append("\n".join(comment + line for line in source.split("\n")))
        path = folder / "homework.py"
        path.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
        return path

    return transform


FORMS = {
    "Colab": script(
        '# -*- coding: utf-8 -*-\n"""homework.ipynb\n\nOriginal file is located at\n    x\n"""', "", comment='"""'
    ),
    "light": script("# ---\n# jupyter:\n#   jupytext:\n#     formats: py:light\n# ---", ""),
    "Databricks": script("# Databricks notebook source", "# COMMAND ----------\n\n", comment="# MAGIC "),
    "codecell": script("# <nbformat>3.0</nbformat>", "# <codecell>\n\n"),
    "In[3]": script("#!/usr/bin/env python\n# coding: utf-8", "# In[{}]:\n\n\n"),
    "VS Code": script("# To add a new cell, type '# %%'", "# %%\n"),
    "light with marks": script("", "# +\n", "\n# -"),
}
SMALL = dict.fromkeys(["q3.scale", "q3.gradients", "q3.training"], "q3.gpt_scale")
SCRIPTS = [right("script", form, change) for form, change in FORMS.items()] + [
    lost(
        "script",
        f"{form}, q2 damaged, q3 wrong",
        items("q2", "not reached") | SMALL,
        change,
        q2="gnorm = (param.grad.norm(",
        q3="nn.init.normal_(module.weight, std=0.02)",
    )
    for form, change in FORMS.items()
]

# ---------------------------------------------------------------- 9: not answered

OLD_Q2 = (
    "def print_gnorms(model):\n    batch_x = torch.from_numpy(train_x).float().unsqueeze(-1)\n"
    "    batch_y = torch.from_numpy(train_y).float()\n    pred = model(batch_x).view(-1)\n    criterion = nn.MSELoss()\n"
    "    loss = criterion(batch_y, pred)\n    model.zero_grad()\n    loss.backward()\n\n"
    "    for name, param in model.named_parameters():\n        if name.endswith('.weight'):\n"
    "            with torch.no_grad():\n                gnorm = ?\n                print(name, '{:.8f}'.format(gnorm))"
)
OLD_Q3 = "def better_init(module):\n    if isinstance(module, nn.Linear):\n        raise NotImplementedError()\n        nn.init.zeros_(module.bias)"
EMPTIED = {
    "q1": (
        "model = nn.Sequential()",
        "model = nn.Sequential(\n    # TODO q1\n)",
        "model = nn.Sequential(NotImplementedError())",
        "model = None",
        "model = ...",
        "model = nn.Sequential(...)",
        "model = ?",
        "pass",
        "# model = nn.Sequential(nn.Linear(1, width))",
    ),
    "q2": (
        "pass",
        "gnorm = None",
        "gnorm = ...",
        "gnorm = ?",
        "# gnorm =",
        "gnorm = NotImplementedError()",
        "gnorm = # TODO",
        "gnorm = ____",
        "raise NotImplementedError",
        OLD_Q2,
        "def print_gnorms(model):\n    pass",
    ),
    "q3": (
        "pass",
        "...",
        "# todo('q3')",
        "raise NotImplementedError()",
        "module.weight = ?",
        OLD_Q3,
        "def better_init(module):\n    pass",
        "def better_init(module):\n    return None",
        "return",
    ),
}
UNANSWERED = [
    lost("not answered", f"{question}, way {way}", items(question, "not answered"), **{question: answer})
    for question, answers in EMPTIED.items()
    for way, answer in enumerate(answers, 1)
]

# ---------------------------------------------------------------- 11: read and judged as written

WRITTEN = [
    right("decimal comma", f"way {way}", q2=f"gnorm = param.grad.norm().item()\n{line}")
    for way, line in enumerate(
        [
            "print(name, f'{gnorm:.8f}'.replace('.', ','))",
            "print(name + ':', f'{gnorm:.6e}'.replace('.', ','))",
            "print(f'{name} = {gnorm:.10g}'.replace('.', ',').replace(',weight', '.weight'))",
        ],
        1,
    )
] + [
    lost(
        "NaN in the biases",
        name,
        dict.fromkeys(["q3.draws", "q3.gradients", "q3.training"], "q3.bias"),
        q3=f"def better_init(module):\n    if isinstance(module, nn.Linear):\n        nn.init.kaiming_normal_(module.weight)\n{rest}",
    )
    for name, rest in [("left", ""), ("written", "        module.bias.data.fill_(float('nan'))")]
]

ELSEWHERE = (
    *STATEMENTS,
    *SCRIPTS_DAMAGED,
    *IPYTHON,
    *PACKAGES,
    *HELPERS,
    *REBOUND,
    *PRINTED,
    *DTYPES,
    *SCRIPTS,
    *UNANSWERED,
    *WRITTEN,
)
