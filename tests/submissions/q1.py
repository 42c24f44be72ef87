"""Answers to q1: every way to build the network, and what only passes the three assertions."""

import textwrap

from inithw.homework.reference.data import WIDTHS

from tests.submissions.answer import Answer

BOTH = ("q1.layers", "q1.forward")
CHAIN = "".join(["nn.Linear(1, 20), {0}, ", *(len(WIDTHS) - 3) * ["nn.Linear(20, 20), {0}, "], "nn.Linear(20, 1)"])
"""Of today's depth; `terms.rebuilt` puts today's width in the place of 20."""


ACTIVATIONS = [
    "Tanh", "Sigmoid", "GELU", "LeakyReLU", "ReLU6", "ELU", "SELU", "CELU", "SiLU", "Mish", "Softplus", "Hardtanh",
    "Hardswish", "Softsign", "LogSigmoid", "RReLU", "Hardsigmoid", "Tanhshrink",
]  # fmt: skip


def stack(*layers):
    """`model` as one Sequential: a pair of numbers is a linear layer, R a ReLU, other text itself."""
    written = {"R": "nn.ReLU()"}
    listed = [written.get(layer, layer) if isinstance(layer, str) else f"nn.Linear{layer}" for layer in layers]
    return f"model = nn.Sequential({', '.join(listed)})"


IN, MID, OUT = (1, 20), (20, 20), (20, 1)


def chain(activation):
    return f"model = nn.Sequential({CHAIN.format(activation)})"


def right(name, code):
    return Answer(f"q1 {name}", q1=code)


def wrong(name, code, diagnosis="", items=BOTH):
    return Answer(f"q1 {name}", q1=code, lost=dict.fromkeys(items, diagnosis))


def own(body):
    """The chain with an activation of the student's own, which sees x."""
    return f"class Act(nn.Module):\n    def forward(self, x):\n        return {body}\n" + chain("Act()")


def subclass(body):
    """A subclass of Sequential with a forward of its own."""
    return f"""
        class Net(nn.Sequential):
            def forward(self, x):
                {body}
        model = Net({CHAIN.format("nn.ReLU()")})
        """


OWN_LINEAR = [
    ("matrix product", "nn.Linear", "def forward(self, x):\n    return x @ self.weight.T + self.bias"),
    ("its parent's", "nn.Linear", "def forward(self, x):\n    return super().forward(x)"),
    ("functional", "nn.Linear", "def forward(self, x):\n    return nn.functional.linear(x, self.weight, self.bias)"),
    (
        "from scratch",
        "nn.Module",
        """
        def __init__(self, a, b):
            super().__init__()
            self.W = nn.Parameter(torch.randn(b, a))
            self.b = nn.Parameter(torch.zeros(b))
        def forward(self, x):
            return x @ self.W.t() + self.b
        """,
    ),
]
RIGHT_FOR_SOME_SIZES = {
    "nothing below a hundredth": own("x * (x > 0.01)"),
    "the identity close to zero": own("torch.where(x.abs() > 1e-3, x.clamp(min=0), x)"),
    "a sharp softplus": own("nn.functional.softplus(x, beta=200.0)"),
    "smooth around zero": own("0.5 * (x + torch.sqrt(x * x + 1e-4)) * (x.abs() > 1e-9)"),
    "cut off at a thousand": own("x.clamp(0, 1000)"),
    "leaky far below zero": own("torch.where(x > -1000, x.clamp(min=0), x)"),
    "only while numbers are large": own("x.clamp(min=0) if x.abs().max() > 0.5 else x"),
}
RIGHT_FOR_SOME_WEIGHTS = {
    "nothing for small weights": subclass("return super().forward(x) * (self[0].weight.abs().max() > 0.3)"),
    "tanh for small weights": subclass(
        "return super().forward(x) if self[2].weight.abs().max() > 0.1 else torch.tanh(super().forward(x) + 1)"
    ),
    "one for large weights": subclass("return super().forward(x) if self[0].weight.abs().max() < 4 else x * 0 + 1"),
}
CHANGED_IN_PLACE = {
    "a method of the object's": "m.forward = torch.tanh",
    "a hook": "m.register_forward_hook(lambda m, i, o: torch.tanh(i[0]))",
}
Q1 = (
    right("written out", chain("nn.ReLU()")),
    right("in place", chain("nn.ReLU(inplace=True)")),
    right("LeakyReLU with slope zero", chain("nn.LeakyReLU(0.0)")),
    right("RReLU with slopes zero", chain("nn.RReLU(0.0, 0.0)")),
    right("Hardtanh without an upper end", chain("nn.Hardtanh(0.0, float('inf'))")),
    right(
        "from torch.nn names", "from torch.nn import Linear, ReLU, Sequential\n" + chain("ReLU()").replace("nn.", "")
    ),
    right(
        "an own ReLU by another module's name",
        "class Identity(nn.Module):\n    def forward(self, x):\n        return x.clamp(min=0)\n" + chain("Identity()"),
    ),
    right("one shared ReLU", "act = nn.ReLU()\n" + chain("act")),
    right(
        "a list in a loop",
        """
        layers = []
        for fan_in, fan_out in [(1, width), (width, width), (width, width), (width, width)]:
            layers.append(nn.Linear(fan_in, fan_out))
            layers.append(nn.ReLU())
        layers.append(nn.Linear(width, 1))
        model = nn.Sequential(*layers)
        """,
    ),
    right(
        "a comprehension",
        "sizes = [1] + [width] * 4 + [1]\n"
        "blocks = [[nn.Linear(a, b), nn.ReLU()] for a, b in zip(sizes, sizes[1:])]\n"
        "model = nn.Sequential(*sum(blocks, [])[:-1])",
    ),
    right(
        "OrderedDict with names",
        """
        from collections import OrderedDict
        model = nn.Sequential(OrderedDict([
            ("input", nn.Linear(1, width)), ("relu1", nn.ReLU()), ("hidden2", nn.Linear(width, width)),
            ("relu2", nn.ReLU()), ("hidden3", nn.Linear(width, width)), ("relu3", nn.ReLU()),
            ("hidden4", nn.Linear(width, width)), ("relu4", nn.ReLU()), ("output", nn.Linear(width, 1)),
        ]))
        """,
    ),
    right(
        "add_module",
        """
        model = nn.Sequential()
        for k in range(4):
            model.add_module(f"fc{k}", nn.Linear(width if k else 1, width))
            model.add_module(f"act{k}", nn.ReLU())
        model.add_module("out", nn.Linear(width, 1))
        """,
    ),
    right(
        "append",
        """
        model = nn.Sequential()
        for k in range(4):
            model.append(nn.Linear(1 if k == 0 else width, width)).append(nn.ReLU())
        model.append(nn.Linear(width, 1))
        """,
    ),
    right(
        "extend",
        f"model = nn.Sequential(nn.Linear(1, 20))\nmodel.extend(nn.Sequential({CHAIN.format('nn.ReLU()')})[1:])",
    ),
    right(
        "a subclass of Sequential",
        f"""
        class Deep(nn.Sequential):
            def __init__(self):
                super().__init__({CHAIN.format("nn.ReLU()")})
        model = Deep()
        """,
    ),
    right(
        "a function that makes it",
        """
        def make(depth, width):
            layers = [nn.Linear(1, width), nn.ReLU()]
            for _ in range(depth - 1):
                layers += [nn.Linear(width, width), nn.ReLU()]
            return nn.Sequential(*layers, nn.Linear(width, 1))
        model = make(4, width)
        """,
    ),
    right("slices of a longer network", f"model = nn.Sequential({CHAIN.format('nn.ReLU()')}, nn.ReLU())[:9]"),
    right("copied blocks", "import copy\nr = nn.ReLU()\n" + chain("copy.deepcopy(r)")),
    right(
        "on the device",
        "device = 'cuda' if torch.cuda.is_available() else 'cpu'\n" + chain("nn.ReLU()") + ".to(device)",
    ),
    right(
        "LazyLinear",
        chain("nn.ReLU()").replace("nn.Linear(20, 20)", "nn.LazyLinear(20)") + "\nmodel(torch.zeros(1, 1))",
    ),
    right(
        "own ReLU by clamp",
        "class Rectifier(nn.Module):\n    def forward(self, x):\n        return x.clamp(min=0)\n"
        + chain("Rectifier()"),
    ),
    right(
        "own ReLU by torch.maximum",
        "class Positive(nn.Module):\n    def forward(self, x):\n        return torch.maximum(x, torch.zeros_like(x))\n"
        + chain("Positive()"),
    ),
    right(
        "own ReLU by functional",
        "import torch.nn.functional as F\nclass Act(nn.Module):\n    def forward(self, x):\n        return F.relu(x)\n"
        + chain("Act()"),
    ),
    right("subclass of ReLU", "class MyReLU(nn.ReLU):\n    pass\n" + chain("MyReLU()")),
    right("initialized at once", chain("nn.ReLU()") + "\nfor p in model.parameters():\n    nn.init.normal_(p)"),
    right(
        "built without memory first",
        f"with torch.device('meta'):\n    {chain('nn.ReLU()')}\nmodel = model.to_empty(device='cpu')",
    ),
    right(
        "with hooks that record",
        chain("nn.ReLU()")
        + "\nseen = []\nfor m in model:\n    m.register_forward_hook(lambda m, i, o: seen.append(o.shape))",
    ),
    right(
        "own ReLU as a function with its own gradient",
        """
        class Rectify(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x.clamp(min=0)
            @staticmethod
            def backward(ctx, g):
                return g * (ctx.saved_tensors[0] > 0)
        class Act(nn.Module):
            def forward(self, x):
                return Rectify.apply(x)
        """
        + chain("Act()"),
    ),
    right("rebuilt after a first try", chain("nn.Tanh()") + "\n" + chain("nn.ReLU()")),
    # ------------------------------------------------ another activation: fifteen classes pass the three assertions
    *(wrong(f"{kind} instead of ReLU", chain(f"nn.{kind}()"), "q1.activation") for kind in ACTIVATIONS),
    wrong(
        "one activation is LeakyReLU",
        "nn.LeakyReLU()".join(chain("nn.ReLU()").rsplit("nn.ReLU()", 1)),
        "q1.activation",
    ),
    wrong(
        "own activation that is not ReLU",
        "class Swish(nn.Module):\n    def forward(self, x):\n        return x * torch.sigmoid(x)\n" + chain("Swish()"),
        "q1.activation",
    ),
    # ------------------------------------------------ other structures
    wrong(
        "three hidden layers",
        stack(IN, "R", MID, "R", MID, "R", OUT),
        "q1.too_few_layers",
    ),
    wrong(
        "five hidden layers",
        chain("nn.ReLU()").replace("nn.Linear(20, 1)", "nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 1)"),
        "q1.too_many_layers",
    ),
    wrong("ReLU after the output", chain("nn.ReLU()")[:-1] + ", nn.ReLU())", "q1.relu_after_output"),
    wrong(
        "ReLU moved behind the output",
        stack(IN, MID, "R", MID, "R", MID, "R", OUT, "R"),
        "q1.relu_after_output",
    ),
    wrong("ReLU before the first layer", stack("R", IN, "R", MID, "R", MID, "R", MID, "R", OUT), "q1.relu_misplaced"),
    wrong(
        "no activations",
        stack(IN, MID, MID, MID, OUT),
        "q1.relu_missing",
    ),
    wrong(
        "one ReLU forgotten",
        chain("nn.ReLU()").replace("nn.ReLU(), nn.Linear(20, 1)", "nn.Linear(20, 1)"),
        "q1.relu_missing",
    ),
    wrong(
        "padded with Identity",
        chain("nn.ReLU()").replace("nn.ReLU(), nn.Linear(20, 1)", "nn.Identity(), nn.Linear(20, 1)"),
        "q1.padding",
    ),
    wrong(
        "padded with Dropout",
        chain("nn.ReLU()").replace("nn.ReLU(), nn.Linear(20, 1)", "nn.Dropout(0.5), nn.Linear(20, 1)"),
        "q1.padding",
    ),
    wrong(
        "shared linear layers",
        "h = nn.Linear(20, 20)\n" + chain("nn.ReLU()").replace("nn.Linear(20, 20)", "h"),
        "q1.shared_layers",
    ),
    *(
        wrong(f"right values, wrong gradient: {name}", code, items=("q1.forward",))
        for name, code in {
            "detached": own("x.clamp(min=0).detach()"),
            "straight through": own("x + (x.clamp(min=0) - x).detach()"),
            "none above one": own("torch.where(x > 1, x.detach(), x.clamp(min=0))"),
            "of a tanh": own("torch.tanh(x) + (x.clamp(min=0) - torch.tanh(x)).detach()"),
            "without a graph": subclass("with torch.no_grad():\n                    return super().forward(x)"),
            "frozen": chain("nn.ReLU()") + "\nmodel.requires_grad_(False)",
            "none in the homework's range": subclass(
                "y = super().forward(x)\n                return torch.where(x.abs() < 2, y.detach(), y)"
            ),
            "none by hooks": chain("nn.ReLU()")
            + "\nfor p in model.parameters():\n    p.register_hook(lambda g: 0 * g)",
            "biases frozen": chain("nn.ReLU()") + "\nfor layer in model[::2]:\n    layer.bias.requires_grad_(False)",
            "one layer frozen": chain("nn.ReLU()") + "\nmodel[2].weight.requires_grad = False",
        }.items()
    ),
    wrong(
        "changed below: a skip connection switched on",
        subclass("return super().forward(x) + (3 * x if hasattr(self, 'skip') else 0)") + "model.skip = True",
        items=("q1.forward",),
    ),
    wrong(
        "changed below: thresholds of activations",
        chain("nn.Threshold(0.0, 0.0)") + "\nfor act in model[1::2]:\n    act.threshold, act.value = 0.5, 0.5",
        "q1.activation",
    ),
    *(
        wrong(f"one array: {name}", chain("nn.ReLU()") + "\n" + code, "q1.shared_layers", items=("q1.layers",))
        for name, code in {
            "of two layers": "model[4].weight.data = model[2].weight.data",
            "of two biases": "model[4].bias.data = model[2].bias.data",
            "of all rows": "model[2].weight.data = torch.randn(1, 20).expand(20, 20)",
            "of a row and the bias": "model[4].bias.data = model[4].weight.data[0]",
            "of two layers, one transposed": "model[4].weight.data = model[2].weight.data.T",
        }.items()
    ),
    right(
        "all parameters parts of one array",
        chain("nn.ReLU()")
        + "\nflat, at = torch.randn(sum(p.numel() for p in model.parameters())), 0\nfor p in model.parameters():\n"
        + "    p.data = flat[at:at + p.numel()].view_as(p)\n    at += p.numel()",
    ),
    *(
        right(
            f"own linear layer: {name}",
            f"class Dense({base}):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"
            + chain("nn.ReLU()").replace("nn.Linear(", "Dense("),
        )
        for name, base, body in OWN_LINEAR
    ),
    *(
        right(
            f"widths as {name}",
            f"sizes = {sizes}\nlayers = []\nfor a, b in zip(sizes[:-1], sizes[1:]):\n"
            "    layers += [nn.Linear(a, b), nn.ReLU()]\nmodel = nn.Sequential(*layers[:-1])",
        )
        for name, sizes in {
            "NumPy's integers": f"np.array([1] + [width] * {len(WIDTHS) - 2} + [1])",
            "torch's integers": f"torch.tensor([1] + [width] * {len(WIDTHS) - 2} + [1])",
            "32 bits": f"[np.int32(n) for n in [1] + [width] * {len(WIDTHS) - 2} + [1]]",
        }.items()
    ),
    right(
        "for a moment without gradients", chain("nn.ReLU()") + "\nwith torch.no_grad():\n    model(torch.zeros(1, 1))"
    ),
    wrong("tied weights", chain("nn.ReLU()") + "\nmodel[4].weight = model[2].weight", "q1.shared_layers"),
    *(
        wrong(f"ReLU changed by {name}", f"{chain('nn.ReLU()')}\nfor m in model[1::2]:\n    {change}", "q1.activation")
        for name, change in CHANGED_IN_PLACE.items()
    ),
    wrong(
        "no bias in the output",
        chain("nn.ReLU()").replace("nn.Linear(20, 1)", "nn.Linear(20, 1, bias=False)"),
        "q1.no_bias",
    ),
    wrong(
        "no biases", chain("nn.ReLU()").replace("20)", "20, bias=False)").replace("1)", "1, bias=False)"), "q1.no_bias"
    ),
    wrong("width 10", chain("nn.ReLU()").replace("20", "10"), "q1.widths"),
    wrong(
        "other widths that sum to 1321",
        stack((1, 4), "R", (4, 41), "R", (41, 24), "R", (24, 4), "R", (4, 1)),
        "q1.widths",
    ),
    # ------------------------------------------------ the right function in another form: only the layers are lost
    wrong(
        "nested blocks",
        "block = lambda a: nn.Sequential(nn.Linear(a, 20), nn.ReLU())\n"
        "model = nn.Sequential(block(1), block(20), block(20), block(20), nn.Linear(20, 1))",
        "q1.nested",
        items=("q1.layers",),
    ),
    wrong(
        "a Module with its own forward",
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc1, self.fc2, self.fc3 = nn.Linear(1, 20), nn.Linear(20, 20), nn.Linear(20, 20)
                self.fc4, self.out, self.act = nn.Linear(20, 20), nn.Linear(20, 1), nn.ReLU()
            def forward(self, x):
                for layer in (self.fc1, self.fc2, self.fc3, self.fc4):
                    x = self.act(layer(x))
                return self.out(x)
        model = Net()
        """,
        "q1.nested",
        items=("q1.layers",),
    ),
    wrong(
        "a ReLU twice",
        stack(IN, "R", "R", MID, "R", MID, "R", MID, "R", OUT),
        "q1.relu_misplaced",
        items=("q1.layers",),
    ),
    wrong("a trailing Identity", chain("nn.ReLU()")[:-1] + ", nn.Identity())", "q1.padding", items=("q1.layers",)),
    # ------------------------------------------------ right for large or for small numbers only
    *(wrong(f"own activation: {name}", code, "q1.activation") for name, code in RIGHT_FOR_SOME_SIZES.items()),
    *(wrong(f"own forward: {name}", code, "", ("q1.forward",)) for name, code in RIGHT_FOR_SOME_WEIGHTS.items()),
)
