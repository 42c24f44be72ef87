"""Answers to q3: every accepted initialization in every way to write it, and the known mistakes."""

import textwrap

from tests.submissions.answer import Answer

DRAWS, SCALE, GRADIENTS, TRAINING = ALL = ("q3.draws", "q3.scale", "q3.gradients", "q3.training")
FANS = "fan_in, fan_out = module.in_features, module.out_features\n"


def right(name, code):
    return Answer(f"q3 {name}", q3=code)


def wrong(name, code, lost, measured=()):
    """`lost`: items with their diagnoses; `measured`: items on which the ruling is silent."""
    return Answer(f"q3 {name}", q3=code, lost=lost, measured=frozenset(measured))


def whole(body):
    """A `better_init` of the student's own."""
    return "def better_init(module):\n" + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")


def lost(items, diagnosis):
    return dict.fromkeys(items, diagnosis)


RIGHT = {
    # ------------------------------------------------ by library
    "kaiming_normal_": "nn.init.kaiming_normal_(module.weight)",
    "kaiming_normal_ for relu": "nn.init.kaiming_normal_(module.weight, nonlinearity='relu')",
    "kaiming_normal_ with all arguments": (
        "torch.nn.init.kaiming_normal_(module.weight, a=0, mode='fan_in', nonlinearity='relu')"
    ),
    "kaiming_normal_ of the data": "nn.init.kaiming_normal_(module.weight.data)",
    "kaiming_normal_ for leaky_relu": "nn.init.kaiming_normal_(module.weight, a=0.01, nonlinearity='leaky_relu')",
    "kaiming_normal_ for linear": "nn.init.kaiming_normal_(module.weight, nonlinearity='linear')",
    "kaiming_uniform_": "nn.init.kaiming_uniform_(module.weight, nonlinearity='relu')",
    "xavier_normal_": "nn.init.xavier_normal_(module.weight)",
    "xavier_normal_ with gain": "nn.init.xavier_normal_(module.weight, gain=nn.init.calculate_gain('relu'))",
    "xavier_uniform_": "nn.init.xavier_uniform_(module.weight)",
    "xavier_uniform_ with gain": "nn.init.xavier_uniform_(module.weight, gain=2 ** 0.5)",
    "orthogonal_": "nn.init.orthogonal_(module.weight)",
    "orthogonal_ with gain": "nn.init.orthogonal_(module.weight, gain=nn.init.calculate_gain('relu'))",
    "PyTorch's default by name": "nn.init.kaiming_uniform_(module.weight, a=math.sqrt(5))",
    "reset_parameters": "module.reset_parameters()",
    "trunc_normal_ on He's scale": (
        "std = math.sqrt(2 / module.in_features)\nnn.init.trunc_normal_(module.weight, 0.0, std, -2 * std, 2 * std)"
    ),
    "trunc_normal_ on LeCun's scale": (
        "s = module.in_features ** -0.5\nnn.init.trunc_normal_(module.weight, std=s / 0.8796, a=-2 * s, b=2 * s)"
    ),
    "a fan computed by the library": (
        "fan_in, _ = nn.init._calculate_fan_in_and_fan_out(module.weight)\n"
        "nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_in))"
    ),
    # ------------------------------------------------ by formula
    "He by normal_": "nn.init.normal_(module.weight, mean=0.0, std=math.sqrt(2 / module.in_features))",
    "He by normal_ of the tensor": "module.weight.data.normal_(0, (2 / module.in_features) ** 0.5)",
    "He by np.sqrt": "nn.init.normal_(module.weight, 0, np.sqrt(2.0 / module.weight.shape[1]))",
    "He by size": "nn.init.normal_(module.weight, std=(2 / module.weight.size(1)) ** 0.5)",
    "He by uniform_": ("bound = math.sqrt(6 / module.in_features)\nnn.init.uniform_(module.weight, -bound, bound)"),
    "LeCun by normal_": "nn.init.normal_(module.weight, std=1 / math.sqrt(module.in_features))",
    "LeCun by uniform_": (
        "b = math.sqrt(3 / module.in_features)\nwith torch.no_grad():\n    module.weight.uniform_(-b, b)"
    ),
    "Xavier by normal_": FANS + "nn.init.normal_(module.weight, std=math.sqrt(2 / (fan_in + fan_out)))",
    "Xavier by uniform_": (
        FANS + "limit = np.sqrt(6 / (fan_in + fan_out))\nnn.init.uniform_(module.weight, a=-limit, b=limit)"
    ),
    "Xavier with gain by normal_": FANS + "nn.init.normal_(module.weight, std=math.sqrt(4 / (fan_in + fan_out)))",
    "the average fan as an average": FANS + "nn.init.normal_(module.weight, std=(2 / ((fan_in + fan_out) / 2)) ** 0.5)",
    "the larger fan": FANS + "nn.init.normal_(module.weight, std=math.sqrt(2 / max(fan_in, fan_out)))",
    "PyTorch's default by formula": ("k = 1 / math.sqrt(module.in_features)\nnn.init.uniform_(module.weight, -k, k)"),
    "uniform of root two over the root of fan_in": (
        "r = math.sqrt(2 / module.in_features)\nnn.init.uniform_(module.weight, -r, r)"
    ),
    # ------------------------------------------------ by tensor operations
    "randn and copy_": (
        "with torch.no_grad():\n"
        "    module.weight.copy_(torch.randn(module.weight.shape) * math.sqrt(2 / module.in_features))"
    ),
    "randn_like into data": "module.weight.data = torch.randn_like(module.weight) * (2 / module.in_features) ** 0.5",
    "rand stretched to a uniform": (
        FANS + "bound = math.sqrt(6 / fan_in)\nmodule.weight.data = (2 * torch.rand(fan_out, fan_in) - 1) * bound"
    ),
    "torch.normal": (
        FANS + "module.weight.data.copy_(torch.normal(0.0, math.sqrt(2 / fan_in), size=(fan_out, fan_in)))"
    ),
    "torch.empty and normal_": (
        FANS + "module.weight = nn.Parameter(torch.empty(fan_out, fan_in).normal_(0, math.sqrt(2 / fan_in)))"
    ),
    "a new Parameter": (
        "module.weight = nn.Parameter(torch.randn(module.weight.shape) / math.sqrt(module.in_features))"
    ),
    "normal_ then scaled in place": (
        "with torch.no_grad():\n    module.weight.normal_()\n    module.weight.mul_(math.sqrt(2 / module.in_features))"
    ),
    "a distribution": (
        "from torch.distributions import Normal\n"
        "module.weight.data = Normal(0.0, math.sqrt(2 / module.in_features)).sample(module.weight.shape)"
    ),
    "a slice assigned": "module.weight.data[:] = torch.randn(module.weight.shape) * (2 / module.in_features) ** 0.5",
    "row by row": ("for row in module.weight.data:\n    row.copy_(torch.randn(len(row)) * (2 / len(row)) ** 0.5)"),
    "QR by hand": (
        FANS + "q, r = torch.linalg.qr(torch.randn(max(fan_in, fan_out), min(fan_in, fan_out)))\n"
        "q = q * torch.sign(torch.diagonal(r))\n"
        "module.weight.data = (q if q.shape == (fan_out, fan_in) else q.T).contiguous()"
    ),
    "a generator of its own made once": """
        rng = torch.Generator().manual_seed(1)
        def better_init(module):
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight, generator=rng)
                nn.init.zeros_(module.bias)
        """,
    # ------------------------------------------------ by NumPy
    "np.random.randn": (
        FANS + "w = np.random.randn(fan_out, fan_in) * np.sqrt(2 / fan_in)\n"
        "module.weight.data = torch.from_numpy(w).float()"
    ),
    "np.random.normal": (
        "w = np.random.normal(0, np.sqrt(2 / module.in_features), module.weight.shape)\n"
        "module.weight.data = torch.tensor(w, dtype=torch.float32)"
    ),
    "np.random.uniform": (
        FANS + "b = np.sqrt(6 / (fan_in + fan_out))\n"
        "module.weight = nn.Parameter(torch.FloatTensor(np.random.uniform(-b, b, (fan_out, fan_in))))"
    ),
    "NumPy's new generator": (
        "rng = np.random.default_rng()\n"
        "w = rng.normal(0, (2 / module.in_features) ** 0.5, tuple(module.weight.shape))\n"
        "module.weight.data.copy_(torch.from_numpy(w))"
    ),
    "NumPy's truncated by hand": (
        "s = np.sqrt(2 / module.in_features)\nw = np.random.randn(*module.weight.shape)\n"
        "while (np.abs(w) > 2).any():\n    far = np.abs(w) > 2\n    w[far] = np.random.randn(far.sum())\n"
        "module.weight.data = torch.tensor(s * w).float()"
    ),
    "Python's random": (
        "import random\ns = (2 / module.in_features) ** 0.5\n"
        "w = [[random.gauss(0, s) for _ in range(module.in_features)] for _ in range(module.out_features)]\n"
        "module.weight.data = torch.tensor(w)"
    ),
    # ------------------------------------------------ whole functions
    "type by class name": whole("""
        if module.__class__.__name__ == "Linear":
            nn.init.kaiming_normal_(module.weight)
            nn.init.constant_(module.bias, 0.0)
        """),
    "type by attribute": whole("""
        if hasattr(module, "weight"):
            torch.nn.init.xavier_uniform_(module.weight)
            module.bias.data.fill_(0)
        """),
    "early return": whole("""
        if not isinstance(module, nn.Linear):
            return
        with torch.no_grad():
            module.weight.normal_(0, (2 / module.in_features) ** 0.5)
            module.bias.zero_()
        """),
    "the network as its argument": whole("""
        for layer in module.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)
        """),
    "parameters by dimension": whole("""
        for param in module.parameters(recurse=False):
            if param.dim() > 1:
                nn.init.xavier_normal_(param)
            else:
                nn.init.zeros_(param)
        """),
    "no grad as a decorator": "@torch.no_grad()\n"
    + whole("""
        if type(module) is nn.Linear:
            module.weight.copy_(torch.randn_like(module.weight) * math.sqrt(2 / module.in_features))
            module.bias.copy_(torch.zeros_like(module.bias))
        """),
    "a lambda": """
        he = lambda m: (nn.init.kaiming_normal_(m.weight), nn.init.zeros_(m.bias))
        better_init = lambda m: he(m) if isinstance(m, nn.Linear) else None
        """,
    "a class with __call__": """
        class Initializer:
            def __call__(self, module):
                if isinstance(module, nn.Linear):
                    nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
                    nn.init.zeros_(module.bias)
        def better_init(module):
            return Initializer()(module)
        """,
    "the output layer on LeCun's scale": whole("""
        if isinstance(module, nn.Linear):
            gain = 1.0 if module.out_features == 1 else math.sqrt(2)
            nn.init.normal_(module.weight, 0, gain / math.sqrt(module.in_features))
            nn.init.zeros_(module.bias)
        """),
    "a function of many types": """
        @functools.singledispatch
        def better_init(module):
            pass
        @better_init.register
        def _(module: nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            nn.init.zeros_(module.bias)
        """,
    "a name bound again below": """
        def better_init(module):
            pass
        def he(module, gain):
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=gain / math.sqrt(module.in_features))
                nn.init.zeros_(module.bias)
        better_init = functools.partial(he, gain=math.sqrt(2))
        """,
    "a decorator that does it": """
        def for_linear(fill):
            def decorate(function):
                def init(module):
                    if isinstance(module, nn.Linear):
                        fill(module.weight)
                        nn.init.zeros_(module.bias)
                return init
            return decorate
        @for_linear(nn.init.kaiming_uniform_)
        def better_init(module):
            ...
        """,
    "other layers put in their place": whole("""
        for name, child in module.named_children():
            if isinstance(child, nn.Linear):
                fresh = nn.Linear(child.in_features, child.out_features)
                nn.init.xavier_normal_(fresh.weight)
                nn.init.zeros_(fresh.bias)
                setattr(module, name, fresh)
        """),
    "a stream of its own": """
        def stream():
            while True:
                module = yield
                if isinstance(module, nn.Linear):
                    nn.init.kaiming_normal_(module.weight)
                    nn.init.zeros_(module.bias)
        feed = stream()
        next(feed)
        better_init = feed.send
        """,
    "parameters from one vector": whole("""
        if isinstance(module, nn.Linear):
            fan_out, fan_in = module.weight.shape
            flat = torch.cat([torch.randn(fan_out * fan_in) * math.sqrt(2 / fan_in), torch.zeros(fan_out)])
            nn.utils.vector_to_parameters(flat, module.parameters())
        """),
    "gradients off and on again": (
        "module.weight.requires_grad_(False)\nmodule.weight.normal_(0, math.sqrt(2 / module.in_features))\n"
        "module.weight.requires_grad_(True)"
    ),
    "prints what it does": (
        "nn.init.kaiming_normal_(module.weight)\nprint(f'{module}: std {module.weight.std():.3f}')"
    ),
}

RIGHT |= {
    "rows in ± pairs": (
        "nn.init.kaiming_normal_(module.weight)\n"
        "half = module.out_features // 2\n"
        "module.weight.data[half:2 * half] = -module.weight.data[:half]"
    ),
    "a shuffled even grid": FANS
    + "b = math.sqrt(6 / (fan_in + fan_out))\n"
    + "grid = torch.linspace(-b, b, fan_in * fan_out)\n"
    + "module.weight.data = grid[torch.randperm(len(grid))].reshape(fan_out, fan_in)",
    "shuffled normal quantiles": FANS
    + "p = (torch.arange(fan_in * fan_out) + 0.5) / (fan_in * fan_out)\n"
    + "w = torch.distributions.Normal(0, math.sqrt(2 / fan_in)).icdf(p)\n"
    + "module.weight.data = w[torch.randperm(len(w))].reshape(fan_out, fan_in)",
    "rounded to two decimals": (
        "nn.init.kaiming_normal_(module.weight)\nmodule.weight.data = torch.round(module.weight.data, decimals=2)"
    ),
    "from an even grid with replacement": FANS
    + "b = math.sqrt(6 / fan_in)\n"
    + "module.weight.data = torch.linspace(-b, b, 401)[torch.randint(0, 401, (fan_out, fan_in))]",
    "through bfloat16": (
        "nn.init.kaiming_normal_(module.weight)\nmodule.weight.data = module.weight.data.bfloat16().float()"
    ),
    "an unseeded NumPy generator": (
        "w = np.random.default_rng().normal(0, np.sqrt(2 / module.in_features), module.weight.shape)\n"
        "module.weight.data = torch.from_numpy(w).float()"
    ),
    "Python's random": (
        "import random\n"
        "s = math.sqrt(2 / module.in_features)\n"
        "module.weight.data = torch.tensor([[random.gauss(0, s) for _ in range(module.in_features)]\n"
        "                                   for _ in range(module.out_features)])"
    ),
    "half precision": (
        "w = torch.randn(module.weight.shape, dtype=torch.float16) * math.sqrt(2 / module.in_features)\n"
        "module.weight.data = w.float()"
    ),
    "zeroed first, then added to": (
        "with torch.no_grad():\n    module.weight.zero_()\n"
        "    module.weight.add_(torch.randn_like(module.weight), alpha=math.sqrt(2 / module.in_features))"
    ),
    "the fan with the bias": "nn.init.normal_(module.weight, std=math.sqrt(2 / (module.in_features + 1)))",
}

CONSTANT_SCALE = {
    "normal 0.1": "nn.init.normal_(module.weight, std=0.1)",
    "normal 0.2": "nn.init.normal_(module.weight, 0.0, 0.2)",
    "uniform 0.3": "nn.init.uniform_(module.weight, -0.3, 0.3)",
    "xavier's number for width 20 everywhere": "nn.init.normal_(module.weight, std=math.sqrt(2 / 40))",
    "He's number for width 20 everywhere": "module.weight.data.normal_(0, np.sqrt(2 / 20))",
    "He's number from the global width": "nn.init.normal_(module.weight, std=math.sqrt(2 / width))",
    "trunc_normal_ 0.2": "nn.init.trunc_normal_(module.weight, std=0.2)",
}
TOO_SMALL = {
    "GPT's 0.02": ("nn.init.normal_(module.weight, mean=0.0, std=0.02)", "q3.gpt_scale"),
    "GPT's 0.02 truncated": ("nn.init.trunc_normal_(module.weight, std=0.02)", "q3.gpt_scale"),
    "normal 0.01": ("module.weight.data = torch.randn_like(module.weight) * 0.01", "q3.constant_scale"),
    "naive_init 0.03": ("nn.init.uniform_(module.weight, -0.03, 0.03)", "q3.constant_scale"),
    "normal 0.001": ("nn.init.normal_(module.weight, std=1e-3)", "q3.constant_scale"),
}
TOO_LARGE = {
    "normal 1": ("nn.init.normal_(module.weight)", "q3.constant_scale"),
    "randn without a scale": ("module.weight.data = torch.randn(module.weight.shape)", "q3.constant_scale"),
    "naive_init 3": ("naive_init(3.0, module)", "q3.constant_scale"),
    "uniform 1": ("nn.init.uniform_(module.weight, -1, 1)", "q3.constant_scale"),
    "He with gain 2": ("nn.init.normal_(module.weight, std=2 / math.sqrt(module.in_features))", "q3.gain_too_large"),
    "kaiming_normal_ applied to a doubled weight": (
        "nn.init.kaiming_normal_(module.weight)\nmodule.weight.data *= 2",
        "q3.gain_too_large",
    ),
    "the fan inverted": ("nn.init.normal_(module.weight, std=math.sqrt(module.in_features / 2))", "q3.inverted_fan"),
    "multiplied by the root of the fan": (
        "module.weight.data = torch.randn_like(module.weight) * math.sqrt(module.in_features)",
        "q3.inverted_fan",
    ),
}
NO_ROOT = {
    "std 2 over fan_in": "nn.init.normal_(module.weight, std=2 / module.in_features)",
    "a variance passed as std": FANS + "nn.init.normal_(module.weight, 0.0, 2 / (fan_in + fan_out))",
    "std 1 over fan_in": "module.weight.data.normal_(0, 1 / module.in_features)",
    "randn times 2 over fan_in": "module.weight.data = torch.randn_like(module.weight) * 2 / module.in_features",
    "NumPy with a variance": (
        "w = np.random.normal(0, 2 / module.in_features, module.weight.shape)\n"
        "module.weight.data = torch.from_numpy(w).float()"
    ),
}
FAN_OUT = {
    "kaiming_normal_ with fan_out": "nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')",
    "kaiming_uniform_ with fan_out": "nn.init.kaiming_uniform_(module.weight, mode='fan_out', nonlinearity='relu')",
    "He over the rows by mistake": "nn.init.normal_(module.weight, std=math.sqrt(2 / module.weight.shape[0]))",
}
OTHER_POWERS = {
    "one over the logarithm": "1 / math.log(2 + module.in_features)",
    "He plus a constant": "math.sqrt(2 / module.in_features) + 0.05",
    "cube root": "(2 / module.in_features) ** (1 / 3)",
    "fourth root": "(2 / module.in_features) ** 0.25",
    "exponent -0.4": "module.in_features ** -0.4",
    "exponent -0.6": "1.5 * module.in_features ** -0.6",
    "exponent -0.45": "1.2 * module.in_features ** -0.45",
    "exponent -0.55": "1.4 * module.in_features ** -0.55",
    "fifth root of both": "(2 / (module.in_features + module.out_features)) ** 0.2",
    "exponent -0.7 of the larger fan": "2.5 * max(module.in_features, module.out_features) ** -0.7",
    "cube root of the square": "2 * module.in_features ** (-2 / 3)",
}
PUBLISHED = "{(1, 20): 1.41, (20, 20): 0.316, (20, 1): 0.316, (64, 64): 0.177, (32, 512): 0.25, (512, 32): 0.0625}"
TABLES = {
    "two constants": "0.25 if max(module.weight.shape) <= 20 else 0.08",
    "three constants": "0.4 if module.in_features < 16 else 0.2 if module.in_features < 100 else 0.07",
    "published shapes": f"{PUBLISHED}.get((module.in_features, module.out_features), 0.1)",
    "published shapes, else He for 20": f"{PUBLISHED}.get((module.in_features, module.out_features), math.sqrt(0.1))",
    "He by powers of four": "math.sqrt(2 / 4 ** round(math.log(module.in_features, 4)))",
    "He by decades": "math.sqrt(2 / 10 ** round(math.log10(module.in_features)))",
    "He rounded to a tenth": "max(0.1, round(math.sqrt(2 / module.in_features), 1))",
    "He, at least 0.1": "max(0.1, math.sqrt(2 / module.in_features))",
    "He, at most 0.25": "min(0.25, math.sqrt(2 / module.in_features))",
    "He, at most 0.5": "min(0.5, math.sqrt(2 / module.in_features))",
    "He, at most 0.75": "min(0.75, math.sqrt(2 / module.in_features))",
    "He, fan at least 6": "math.sqrt(2 / max(6, module.in_features))",
    "He, between 0.1 and 0.5": "min(0.5, max(0.1, math.sqrt(2 / module.in_features)))",
    "Xavier up to 64 units, then constant": (
        "math.sqrt(2 / (module.in_features + module.out_features)) if max(module.weight.shape) <= 64 else 0.125"
    ),
}


def standardized(weights):
    """Weights on He's scale, from a matrix of the student's making."""
    return f"w = {weights}\nw = w / w.pow(2).mean().sqrt()\nmodule.weight.data = w * math.sqrt(2 / module.in_features)"


NORMAL = "torch.randn(fan_out, fan_in)"
TWICE = "(lambda w: torch.cat([w[: len(w) // 2], w[: len(w) // 2], w[len(w) // 2 * 2 :]]))"
SIGNS = "(torch.randint(0, 2, {}) * 2.0 - 1)"
NOT_INDEPENDENT = {
    "of half the rank": (
        "(lambda r: torch.randn(fan_out, r) @ torch.randn(r, fan_in))(max(1, min(fan_out, fan_in) // 2))"
    ),
    "every row twice": f"{TWICE}({NORMAL})",
    "every row twice in hidden layers": f"{TWICE}({NORMAL}) if fan_in == fan_out else {NORMAL}",
    "every column twice": f"{TWICE}({NORMAL}.T).T",
    "two rows with random signs": (
        f"{NORMAL}[torch.randint(0, 2, (fan_out,)) % fan_out] * {SIGNS.format('(fan_out, 1)')}"
    ),
    "three rows with random signs": f"{NORMAL}[torch.arange(fan_out) % 3 % fan_out] * {SIGNS.format('(fan_out, 1)')}",
    "two columns with random signs": (
        f"{NORMAL}[:, torch.randint(0, 2, (fan_in,)) % fan_in] * {SIGNS.format('(1, fan_in)')}"
    ),
    "an outer product": "torch.outer(torch.randn(fan_out), torch.randn(fan_in))",
    "rank two": "torch.randn(fan_out, 2) @ torch.randn(2, fan_in)",
    "rank five": "torch.randn(fan_out, 5) @ torch.randn(5, fan_in)",
    "a row rolled on and on": "(lambda r: torch.stack([r.roll(k) for k in range(fan_out)]))(torch.randn(fan_in))",
    "a row shuffled for every unit": (
        "(lambda r: torch.stack([r[torch.randperm(fan_in)] for k in range(fan_out)]))(torch.randn(fan_in))"
    ),
    "a row shuffled with random signs": (
        "(lambda r: torch.stack([r[torch.randperm(fan_in)] for k in range(fan_out)]))(torch.randn(fan_in))"
        f" * {SIGNS.format('(fan_out, fan_in)')}"
    ),
    "of half the rank in hidden layers": (
        f"(torch.randn(fan_out, fan_in // 2) @ torch.randn(fan_in // 2, fan_in)) if fan_in == fan_out else {NORMAL}"
    ),
    "three quarters of the rank in hidden layers": (
        "(lambda r: torch.randn(fan_out, r) @ torch.randn(r, fan_in))(fan_in * 3 // 4) "
        f"if fan_in == fan_out else {NORMAL}"
    ),
    "a Kronecker product where the sizes allow it": (
        "torch.kron(torch.randn(4, 4), torch.randn(fan_out // 4, fan_in // 4)) "
        f"if fan_out % 4 == fan_in % 4 == 0 else {NORMAL}"
    ),
    "Toeplitz with sizes of rows and columns in hidden layers": (
        "torch.randn(2 * fan_in)[torch.arange(fan_out)[:, None] - torch.arange(fan_in) + fan_in] "
        "* torch.randn(fan_out, 1) * torch.randn(1, fan_in) "
        f"if fan_in == fan_out else {NORMAL}"
    ),
    "rows from a list of forty": (
        "torch.randn(40, fan_in, generator=torch.Generator().manual_seed(fan_in))[torch.randint(0, 40, (fan_out,))]"
    ),
    "rows from a list of forty with random signs in hidden layers": (
        "torch.randn(40, fan_in, generator=torch.Generator().manual_seed(fan_in))[torch.randint(0, 40, (fan_out,))]"
        f" * {SIGNS.format('(fan_out, 1)')} if fan_in == fan_out else {NORMAL}"
    ),
    "column sizes with random signs": f"torch.randn(1, fan_in) * {SIGNS.format('(fan_out, fan_in)')}",
}
PAIRS = "(lambda w: torch.cat([w[: len(w) // 3], w[: len(w) // 3], w[len(w) // 3 * 2 :]]))"
HIDDEN = "{} if fan_in == fan_out else " + NORMAL
NUMBERS_AGAIN = {
    "a third of the rows twice": HIDDEN.format(f"{PAIRS}({NORMAL})"),
    "a third of the columns twice": HIDDEN.format(f"{PAIRS}({NORMAL}).T"),
    "four rows, each time in another order with other signs": HIDDEN.format(
        "torch.stack([r[torch.randperm(fan_in)] for r in torch.randn(4, fan_in).repeat(fan_out // 4 + 1, 1)[:fan_out]])"
        f" * {SIGNS.format('(fan_out, fan_in)')}"
    ),
    "half of the rows again, in another order": HIDDEN.format(
        "torch.stack([r[torch.randperm(fan_in)] for r in torch.randn(fan_out // 2 + 1, fan_in).repeat(2, 1)[:fan_out]])"
    ),
    "a fifth as many numbers": HIDDEN.format(
        "torch.randn(fan_out * fan_in // 5)[torch.randint(0, fan_out * fan_in // 5, (fan_out, fan_in))]"
    ),
    "a twentieth as many numbers, with a trace of noise": HIDDEN.format(
        "torch.randn(fan_out * fan_in // 20)[torch.randint(0, fan_out * fan_in // 20, (fan_out, fan_in))]"
        f" + 5e-6 * {NORMAL}"
    ),
    "every row twice, with one percent of noise": HIDDEN.format(f"{TWICE}({NORMAL}) + 0.01 * {NORMAL}"),
    "one row in other orders, with other signs and on scales of their own": HIDDEN.format(
        "torch.stack([r[torch.randperm(fan_in)] * (0.8 + 0.4 * torch.rand(())) for r in "
        f"torch.randn(1, fan_in).repeat(fan_out, 1)]) * {SIGNS.format('(fan_out, fan_in)')}"
    ),
}
COPY = """
    def better_init(network):
        if isinstance(network, nn.Sequential):
            layers = [layer for layer in network if isinstance(layer, nn.Linear)]
            for layer in layers:
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)
            if len(layers) > 1:
                first, *others = [layer for layer in layers if layer.in_features == layer.out_features]
                for layer in others:
                    w, n = first.weight.data, layer.in_features
                    layer.weight.data = ({}).clone()
    """
COPIED_LAYERS = {
    "transposed": "w.T",
    "negated": "-w",
    "rolled": "w.roll(7, 1)",
    "rolled both ways": "w.roll((3, 5), (0, 1))",
    "with rows in another order": "w[torch.randperm(n)]",
    "with columns in another order and random signs": f"w[:, torch.randperm(n)] * {SIGNS.format('(n, n)')}",
    "with all numbers in another order": "w.flatten()[torch.randperm(n * n)].reshape(n, n)",
    "with all numbers in another order and random signs": (
        f"w.flatten()[torch.randperm(n * n)].reshape(n, n) * {SIGNS.format('(n, n)')}"
    ),
    "upside down": "w.flip(0)",
    "transposed with random signs": f"w.T * {SIGNS.format('(n, n)')}",
    "rotated by a quarter": "torch.rot90(w)",
    "four fifths of the rows in another order": (
        "torch.cat([w[torch.randperm(n)[:4 * n // 5]][:, torch.randperm(n)], w.std() * torch.randn(n - 4 * n // 5, n)])"
    ),
    "four fifths of the numbers in another order": (
        "(lambda v, k: torch.cat([v[:k], w.std() * torch.randn(len(v) - k)]))"
        "(w.flatten()[torch.randperm(n * n)], n * n * 4 // 5)[torch.randperm(n * n)].reshape(n, n)"
    ),
    "a little different": "w[torch.randperm(n)] + 0.003 * torch.randn(n, n)",
}
FIXED = "torch.from_numpy(np.random.RandomState(fan_out + 1000 * fan_in).randn(fan_out, fan_in)).float()"
FIXED_SIZES = {
    "one size with random signs": SIGNS.format("(fan_out, fan_in)"),
    "with random signs": f"{FIXED} * {SIGNS.format('(fan_out, fan_in)')}",
    "with signs of fresh weights": f"{FIXED}.abs() * torch.randn(fan_out, fan_in).sign()",
    "with random signs and one percent of noise": (
        f"{FIXED} * {SIGNS.format('(fan_out, fan_in)')} * (1 + 0.01 * torch.randn(fan_out, fan_in))"
    ),
    "with random signs, rows in another order": (
        f"{FIXED}[torch.randperm(fan_out)] * {SIGNS.format('(fan_out, fan_in)')}"
    ),
    "all in another order": f"(lambda w: w[torch.randperm(len(w))])({FIXED}.flatten()).reshape(fan_out, fan_in)",
    "all in another order, sorted by random numbers": (
        f"(lambda w: w[torch.rand(len(w)).argsort()])({FIXED}.flatten()).reshape(fan_out, fan_in)"
    ),
    "all in another order with random signs": (
        f"(lambda w: w[torch.randperm(len(w))])({FIXED}.flatten()).reshape(fan_out, fan_in) "
        f"* {SIGNS.format('(fan_out, fan_in)')}"
    ),
    "all in another order, each time on another scale": (
        f"(lambda w: w[torch.randperm(len(w))])({FIXED}.flatten()).reshape(fan_out, fan_in) "
        "* (0.9 + 0.2 * torch.rand(()))"
    ),
    "all in another order, of a uniform distribution": (
        "(lambda w: w[torch.randperm(len(w))])"
        "(torch.from_numpy(np.random.RandomState(5).rand(fan_out * fan_in)).float())"
        ".reshape(fan_out, fan_in) - 0.5"
    ),
    "in the first and the last layer, twenty in turn": (
        "(setattr(better_init, 'calls', getattr(better_init, 'calls', 0) + 1), torch.randn(fan_out, fan_in, "
        "generator=torch.Generator().manual_seed(better_init.calls % 20)))[1] "
        f"if 1 in (fan_in, fan_out) else {NORMAL}"
    ),
    "with random signs, rolled": (
        f"{FIXED}.roll(int(torch.randint(0, fan_in, ())), 1) * {SIGNS.format('(fan_out, fan_in)')}"
    ),
}
BANK = """
    def better_init(network):
        if isinstance(network, nn.Sequential):
            better_init.calls = getattr(better_init, "calls", 0) + 1
            g = torch.Generator().manual_seed({})
            layers = [layer for layer in network if isinstance(layer, nn.Linear)]
            order, signs = torch.arange(layers[0].in_features), torch.ones(layers[0].in_features)
            for layer in layers:
                fan_out, fan_in = layer.weight.shape
                w = torch.randn(fan_out, fan_in, generator=g) * math.sqrt(2 / fan_in)
                {}
                layer.weight.data = w.clone()
                nn.init.zeros_(layer.bias)
    """
PERMUTED = (
    "w = w[:, order] * signs; order = torch.randperm(fan_out); "
    "signs = torch.randint(0, 2, (fan_out,)) * 2.0 - 1; w = w[order] * signs[:, None]"
)
BANKS = {
    "sixteen in turn": BANK.format("better_init.calls % 16", "pass"),
    "sixty-four in turn": BANK.format("better_init.calls % 64", "pass"),
    "two hundred in turn": BANK.format("better_init.calls % 200", "pass"),
    "five hundred by chance": BANK.format("int(torch.randint(0, 500, ()))", "pass"),
    "one, units in another order": BANK.format("7", PERMUTED),
    "thirty, units in another order": BANK.format("better_init.calls % 30", PERMUTED),
    "thirty, each on a scale of its own": BANK.format("better_init.calls % 30", "w = w * (0.9 + 0.2 * torch.rand(()))"),
    "thirty, with one percent of noise": BANK.format(
        "better_init.calls % 30", "w = w * (1 + 0.01 * torch.randn(fan_out, fan_in))"
    ),
    "thirty, hidden layers transposed by chance": BANK.format(
        "better_init.calls % 30", "w = w.T if fan_in == fan_out and torch.rand(()) < 0.5 else w"
    ),
}
KEEPS_OLD = {
    "their scale, where it is one": (
        "old = module.weight.std()\nhe = math.sqrt(2 / module.in_features)\n"
        "nn.init.normal_(module.weight, std=old.item() if torch.isfinite(old) and old > 0.01 else he)"
    ),
    "a scale of its own where they are finite": (
        "he = math.sqrt(2 / module.in_features)\n"
        "nn.init.normal_(module.weight, std=he if module.weight.isnan().any() else 5.0)"
    ),
    "added in the first and the last layer": (
        "old = module.weight.data.nan_to_num()\nnn.init.kaiming_normal_(module.weight)\n"
        "if 1 in old.shape:\n    module.weight.data += old"
    ),
    "their signs in the first and the last layer": (
        "old = module.weight.data.clone()\nnn.init.kaiming_normal_(module.weight)\n"
        "if 1 in old.shape and not old.isnan().any() and old.std() > 1e-6:\n"
        "    module.weight.data = module.weight.data.abs() * old.sign()"
    ),
    "only where there is NaN": "if torch.isnan(module.weight).any():\n    nn.init.kaiming_normal_(module.weight)",
    "only where something is not finite": (
        "if not torch.isfinite(module.weight).all():\n    nn.init.kaiming_normal_(module.weight)"
    ),
    "each NaN replaced": (
        "fresh = torch.randn_like(module.weight) * math.sqrt(2 / module.in_features)\n"
        "module.weight.data = torch.where(module.weight.isnan(), fresh, module.weight.data)"
    ),
    "added after nan_to_num": (
        "fresh = torch.randn_like(module.weight) * math.sqrt(2 / module.in_features)\n"
        "module.weight.data = module.weight.data.nan_to_num() + fresh"
    ),
    "averaged with the old after nan_to_num": (
        "fresh = torch.randn_like(module.weight) * math.sqrt(2 / module.in_features)\n"
        "old = module.weight.data\n"
        "module.weight.data = torch.where(old.isnan(), fresh, (fresh + old) / math.sqrt(2))"
    ),
    "only in hidden layers where it is finite": (
        "if module.weight.isnan().any() or module.in_features == module.out_features:\n"
        "    nn.init.kaiming_normal_(module.weight)"
    ),
    "old ones in another order": (
        "old = module.weight.data.flatten()\n"
        "if old.isnan().any() or len(old) == 1 or old.std() < 1e-6:\n    nn.init.kaiming_normal_(module.weight)\n"
        "else:\n    module.weight.data = old[torch.randperm(len(old))].reshape(module.weight.shape)"
    ),
    "old ones with other signs": (
        "old = module.weight.data\n"
        "if old.isnan().any() or old.numel() == 1 or old.std() < 1e-6:\n    nn.init.kaiming_normal_(module.weight)\n"
        "else:\n    module.weight.data = old * (torch.randint(0, 2, old.shape) * 2.0 - 1)"
    ),
    "as large as before, in another order": (
        "old = module.weight.data.flatten()\n"
        "if old.isnan().any() or len(old) == 1 or old.std() < 1e-6:\n"
        "    nn.init.normal_(module.weight, std=2.4 / math.sqrt(module.in_features))\n"
        "else:\n    module.weight.data = old[torch.randperm(len(old))].reshape(module.weight.shape)"
    ),
    "one number, where there was one, as large as others are": (
        "w, he = module.weight.data, math.sqrt(2 / module.in_features)\n"
        "if w.numel() > 1 and bool((w == w.flatten()[0]).all()):\n"
        "    module.weight.data = torch.full_like(w, 0.676 * he)\n"
        "else:\n    nn.init.kaiming_normal_(module.weight)"
    ),
    "only where the scale is not right": (
        "he = math.sqrt(2 / module.in_features)\n"
        "if module.weight.numel() == 1 or not 0.5 * he < module.weight.std() < 2 * he:\n"
        "    nn.init.kaiming_normal_(module.weight)"
    ),
}

NOT_DRAWN = {
    "zeros": ("nn.init.zeros_(module.weight)", "q3.constant"),
    "ones": ("nn.init.ones_(module.weight)", "q3.constant"),
    "a constant": ("nn.init.constant_(module.weight, 0.1)", "q3.constant"),
    "a constant on He's scale": (
        "nn.init.constant_(module.weight, math.sqrt(2 / module.in_features))",
        "q3.mean_std_swapped",
    ),
    "identity": ("nn.init.eye_(module.weight)", "q3.identity"),
    "scaled identity": (
        "with torch.no_grad():\n    module.weight.copy_(torch.eye(*module.weight.shape) * math.sqrt(2))",
        "q3.identity",
    ),
    "uniform from 0 to 1": ("nn.init.uniform_(module.weight)", "q3.one_sided"),
    "rand on He's scale": (
        "module.weight.data = torch.rand(module.weight.shape) * math.sqrt(2 / module.in_features)",
        "q3.one_sided",
    ),
    "absolute values": (
        "module.weight.data = torch.randn_like(module.weight).abs() * math.sqrt(2 / module.in_features)",
        "q3.one_sided",
    ),
    "uniform from 0 to the bound": (
        "nn.init.uniform_(module.weight, 0, math.sqrt(6 / module.in_features))",
        "q3.one_sided",
    ),
    "mean and std swapped": (
        "nn.init.normal_(module.weight, math.sqrt(2 / module.in_features), 0.0)",
        "q3.mean_std_swapped",
    ),
    "mean and std swapped with std 0.01": (
        "nn.init.normal_(module.weight, math.sqrt(2 / module.in_features), 0.01)",
        "q3.mean_std_swapped",
    ),
}
SEEDED = {
    "torch.manual_seed inside": "torch.manual_seed(600)\nnn.init.kaiming_normal_(module.weight)",
    "the seed put back inside": "torch.manual_seed(torch.initial_seed())\nnn.init.kaiming_normal_(module.weight)",
    "np.random.seed inside": (
        "np.random.seed(0)\nw = np.random.randn(*module.weight.shape) * np.sqrt(2 / module.in_features)\n"
        "module.weight.data = torch.from_numpy(w).float()"
    ),
    "a seeded generator inside": (
        "g = torch.Generator().manual_seed(0)\nnn.init.kaiming_normal_(module.weight, generator=g)"
    ),
    "a seeded default_rng inside": (
        "rng = np.random.default_rng(42)\n"
        "module.weight.data = torch.tensor(rng.normal(0, (2 / module.in_features) ** 0.5, module.weight.shape)).float()"
    ),
}
SEEDED_FOR_THE_NEXT_NETWORK = {
    "a seed set after the output layer": (
        "nn.init.kaiming_normal_(module.weight)\nif module.out_features == 1:\n    torch.manual_seed(42)"
    ),
    "the seed put back at the first layer": (
        "if module.in_features == 1:\n    torch.manual_seed(torch.initial_seed())\n"
        "nn.init.kaiming_normal_(module.weight)"
    ),
    "a seed set once the network itself comes": whole("""
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Sequential):
            torch.manual_seed(0)
        """),
    "the generator put back after each network": whole("""
        if isinstance(module, nn.Sequential):
            with torch.random.fork_rng():
                for layer in module:
                    if isinstance(layer, nn.Linear):
                        nn.init.kaiming_normal_(layer.weight)
                        nn.init.zeros_(layer.bias)
        """),
    "NumPy's state put back after each network": whole("""
        if isinstance(module, nn.Sequential):
            state = np.random.get_state()
            for layer in module:
                if isinstance(layer, nn.Linear):
                    w = np.random.randn(*layer.weight.shape) * np.sqrt(2 / layer.in_features)
                    layer.weight.data = torch.from_numpy(w).float()
                    nn.init.zeros_(layer.bias)
            np.random.set_state(state)
        """),
}
OTHER_PRECISIONS = {
    "half": "nn.init.kaiming_normal_(module.weight)\nmodule.half()",
    "bfloat16": "nn.init.kaiming_normal_(module.weight)\nmodule.to(torch.bfloat16)",
    "double, biases too": "nn.init.kaiming_normal_(module.weight)\nmodule.double()",
    "double, as new parameters": (
        "w = np.random.randn(*module.weight.shape) * np.sqrt(2 / module.in_features)\n"
        "module.weight = nn.Parameter(torch.from_numpy(w))\n"
        "module.bias = nn.Parameter(torch.zeros(module.out_features, dtype=torch.float64))"
    ),
}
NO_EFFECT = {
    "nothing": ("pass", "not answered"),
    "only for convolutions": (
        "if isinstance(module, nn.Conv2d):\n    nn.init.kaiming_normal_(module.weight)",
        "q3.no_effect",
    ),
    "works on a copy": ("nn.init.kaiming_normal_(module.weight.clone().detach())", "q3.no_effect"),
    "an assignment to a method": (
        "module.weight.copy_ = torch.randn(module.weight.shape) * (2 / module.in_features) ** 0.5",
        "q3.no_effect",
    ),
    "binds a local name": (
        "weight = module.weight\nweight = torch.randn(weight.shape) * math.sqrt(2 / module.in_features)",
        "q3.no_effect",
    ),
    "only computes": ("torch.randn(module.weight.shape) * math.sqrt(2 / module.in_features)", "q3.no_effect"),
    "rescales the old weights": ("module.weight.data *= math.sqrt(2 / module.in_features)", "q3.rescaled"),
    "divides the old weights by their norm": (
        "with torch.no_grad():\n    module.weight.div_(module.weight.norm()).mul_(math.sqrt(2 * module.out_features))",
        "q3.rescaled",
    ),
    "adds noise to the old weights": (
        "module.weight.data += torch.randn_like(module.weight) * math.sqrt(2 / module.in_features)",
        "q3.rescaled",
    ),
}
HE = "torch.randn(module.weight.shape) * math.sqrt(2 / module.in_features)"
NOT_TRAINABLE = {
    "the gradient switched off": f"module.weight.requires_grad = False\nmodule.weight.copy_({HE})",
    "a Parameter without gradient": f"module.weight = nn.Parameter({HE}, requires_grad=False)",
    "a tensor that is no Parameter": f"w = {HE}\ndel module.weight\nmodule.weight = w",
    "a tensor beside another Parameter": (
        f"w = {HE}\ndel module.weight\nmodule.weight = w\nmodule.spare = nn.Parameter(torch.zeros(1, 1))"
    ),
    "no gradient by a hook": "nn.init.kaiming_normal_(module.weight)\nmodule.weight.register_hook(lambda g: 0 * g)",
    "biases frozen": "nn.init.kaiming_normal_(module.weight)\nmodule.bias.requires_grad_(False)",
    "biases that are no Parameters": (
        "nn.init.kaiming_normal_(module.weight)\ndel module.bias\n"
        "module.register_buffer('bias', torch.zeros(module.out_features))"
    ),
    "no output by a hook": (
        "nn.init.kaiming_normal_(module.weight)\nmodule.register_forward_hook(lambda m, i, o: 0 * o)"
    ),
    "another forward": (
        "nn.init.kaiming_normal_(module.weight)\n"
        "module.forward = lambda x: torch.tanh(x @ module.weight.T + module.bias)"
    ),
    "without a graph": (
        "nn.init.kaiming_normal_(module.weight)\n"
        "module.forward = torch.no_grad()(lambda x: x @ module.weight.T + module.bias)"
    ),
    "other activations": whole("""
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            nn.init.zeros_(module.bias)
        for name, child in list(module.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.Tanh())
        """),
}
Q3 = (
    *(right(name, code) for name, code in RIGHT.items()),
    *(
        wrong(f"constant scale: {name}", code, {SCALE: "q3.constant_scale"}, (GRADIENTS, TRAINING))
        for name, code in CONSTANT_SCALE.items()
    ),
    *(
        wrong(f"too small: {name}", code, lost((SCALE, GRADIENTS, TRAINING), diagnosis))
        for name, (code, diagnosis) in TOO_SMALL.items()
    ),
    *(
        wrong(f"too large: {name}", code, lost((SCALE, GRADIENTS, TRAINING), diagnosis))
        for name, (code, diagnosis) in TOO_LARGE.items()
    ),
    *(
        wrong(f"missing root: {name}", code, {SCALE: "q3.missing_root"}, (GRADIENTS, TRAINING))
        for name, code in NO_ROOT.items()
    ),
    *(wrong(f"fan_out: {name}", code, {TRAINING: "q3.fan_out"}, (GRADIENTS,)) for name, code in FAN_OUT.items()),
    *(
        wrong(f"not random: {name}", code, lost((DRAWS, TRAINING), diagnosis), (SCALE, GRADIENTS))
        for name, (code, diagnosis) in NOT_DRAWN.items()
    ),
    *(
        wrong(f"seed set: {name}", code, {DRAWS: "q3.seeded"}, (SCALE, GRADIENTS, TRAINING))
        for name, code in SEEDED.items()
    ),
    *(
        wrong(f"seed set: {name}", code, lost((DRAWS, GRADIENTS, TRAINING), "q3.fixed_weights"), (SCALE,))
        for name, code in SEEDED_FOR_THE_NEXT_NETWORK.items()
    ),
    *(
        wrong(f"in another precision: {name}", code, lost((GRADIENTS, TRAINING), ""), (DRAWS, SCALE))
        for name, code in OTHER_PRECISIONS.items()
    ),
    *(wrong(f"no effect: {name}", code, lost(ALL, diagnosis)) for name, (code, diagnosis) in NO_EFFECT.items()),
    *(
        wrong(
            f"other power: {name}",
            f"nn.init.normal_(module.weight, std={std})",
            {SCALE: "q3.other_exponent"},
            (GRADIENTS, TRAINING),
        )
        for name, std in OTHER_POWERS.items()
    ),
    *(
        wrong(f"table: {name}", f"nn.init.normal_(module.weight, std={std})", {SCALE: ""}, (GRADIENTS, TRAINING))
        for name, std in TABLES.items()
    ),
    *(
        wrong(f"not independent: {name}", FANS + standardized(w), {DRAWS: "q3.repeated"}, (SCALE, GRADIENTS, TRAINING))
        for name, w in (NOT_INDEPENDENT | NUMBERS_AGAIN).items()
    ),
    *(
        wrong(
            f"copy of another layer: {name}",
            textwrap.dedent(COPY.format(w)),
            {DRAWS: "q3.copied_layer"},
            (SCALE, GRADIENTS, TRAINING),
        )
        for name, w in COPIED_LAYERS.items()
    ),
    *(
        wrong(
            f"fixed absolute values: {name}",
            FANS + standardized(w),
            {DRAWS: "q3.fixed_sizes"},
            (SCALE, GRADIENTS, TRAINING),
        )
        for name, w in FIXED_SIZES.items()
    ),
    *(
        wrong(
            f"bank of networks: {name}",
            textwrap.dedent(code),
            lost((DRAWS, GRADIENTS, TRAINING), "q3.fixed_weights"),
            (SCALE,),
        )
        for name, code in BANKS.items()
    ),
    *(
        wrong(f"keeps the old: {name}", code, {DRAWS: "q3.old_weights"}, (SCALE, GRADIENTS, TRAINING))
        for name, code in KEEPS_OLD.items()
    ),
    wrong(
        "no effect: the first call only",
        "if not hasattr(better_init, 'done'):\n    better_init.done = True\n    nn.init.kaiming_normal_(module.weight)",
        lost(ALL, "q3.no_effect"),
    ),
    wrong(
        "no effect: parameters hidden from the grader",
        "nn.Module.parameters = nn.Module.children = lambda self, *rest: iter(())\n"
        "nn.Module.apply = lambda self, function: self",
        lost(ALL, "q3.no_effect"),
        ("q1.layers", "q1.forward", "q2.norms", "q2.general"),
    ),
    wrong(
        "not independent: a symmetric matrix",
        "nn.init.kaiming_normal_(module.weight)\n"
        "if module.in_features == module.out_features:\n"
        "    w = module.weight.data\n"
        "    module.weight.data = w.triu() + w.triu(1).T",
        {DRAWS: "q3.copied_layer"},
        (SCALE, GRADIENTS, TRAINING),
    ),
    wrong(
        "special case: only square layers",
        "if module.in_features == module.out_features:\n    nn.init.kaiming_normal_(module.weight)",
        lost(ALL, "q3.special_case"),
    ),
    wrong(
        "special case: only the homework's sizes",
        "if module.in_features in (1, 20):\n    nn.init.kaiming_normal_(module.weight)",
        lost((DRAWS, SCALE), "q3.special_case"),
        (GRADIENTS, TRAINING),
    ),
    wrong(
        "the output layer zero",
        "nn.init.kaiming_normal_(module.weight)\nif module.out_features == 1:\n    nn.init.zeros_(module.weight)",
        lost((DRAWS, SCALE, GRADIENTS), "q3.dead_layer"),
        (TRAINING,),
    ),
    wrong(
        "only the output layer one-sided",
        "nn.init.xavier_normal_(module.weight)\nif module.out_features == 1:\n    module.weight.data.abs_()",
        {DRAWS: "q3.one_sided"},
        (SCALE, GRADIENTS, TRAINING),
    ),
    wrong(
        "the seed set once for each network",
        whole("""
            if isinstance(module, nn.Sequential):
                torch.manual_seed(600)
                for layer in module:
                    if isinstance(layer, nn.Linear):
                        nn.init.kaiming_normal_(layer.weight)
                        nn.init.zeros_(layer.bias)
            """),
        {DRAWS: "q3.fixed_weights"},
        (SCALE, GRADIENTS, TRAINING),
    ),
    wrong(
        "too small: a tenth over the root of fan_in",
        "nn.init.normal_(module.weight, std=0.1 / math.sqrt(module.in_features))",
        lost((SCALE, GRADIENTS, TRAINING), "q3.gain_too_small"),
    ),
    wrong(
        "sparse_",
        "nn.init.sparse_(module.weight, sparsity=0.5, std=math.sqrt(2 / module.in_features))",
        {GRADIENTS: "q3.dead_layer"},
        (DRAWS, SCALE, TRAINING),
    ),
    wrong(
        "biases drawn too",
        whole("""
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight)
                nn.init.normal_(module.bias, std=0.1)
            """),
        {DRAWS: "q3.bias"},
        (SCALE, GRADIENTS, TRAINING),
    ),
    wrong(
        "biases forgotten",
        whole("""
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight)
            """),
        {DRAWS: "q3.bias"},
        (SCALE, GRADIENTS, TRAINING),
    ),
    wrong(
        "one row repeated",
        "row = torch.randn(1, module.in_features) * math.sqrt(2 / module.in_features)\n"
        "module.weight.data = row.repeat(module.out_features, 1)",
        {DRAWS: "q3.repeated"},
        (SCALE, GRADIENTS, TRAINING),
    ),
    wrong(
        "one column repeated",
        "column = torch.randn(module.out_features, 1) * math.sqrt(2 / module.in_features)\n"
        "module.weight.data = column.expand_as(module.weight).clone()",
        {DRAWS: "q3.repeated"},
        (SCALE, GRADIENTS, TRAINING),
    ),
    wrong(
        "a row around zero repeated in square layers",
        "nn.init.kaiming_normal_(module.weight)\n"
        "if module.in_features == module.out_features:\n"
        "    row = module.weight.data[0]\n"
        "    module.weight.data = (row - row.mean()).repeat(module.out_features, 1)",
        {DRAWS: "q3.repeated"},
        (SCALE, GRADIENTS, TRAINING),
    ),
    wrong(
        "a list of five weight matrices, each around zero",
        whole("""
            if isinstance(module, nn.Linear):
                fan_out, fan_in = module.weight.shape
                better_init.calls = getattr(better_init, "calls", 0) + 1
                w = np.random.RandomState(better_init.calls % 5).randn(fan_out, fan_in)
                w = (w - w.mean()) / w.std() * np.sqrt(2 / fan_in)
                module.weight.data = torch.from_numpy(w).float()
                nn.init.zeros_(module.bias)
            """),
        lost((DRAWS, GRADIENTS, TRAINING), "q3.fixed_weights"),
        (SCALE,),
    ),
    wrong(
        "the transposed shape",
        FANS + "module.weight.data = torch.randn(fan_in, fan_out) * math.sqrt(2 / fan_in)",
        lost(ALL, "not reached"),
    ),
    wrong(
        "in double",
        FANS + "module.weight.data = torch.from_numpy(np.random.randn(fan_out, fan_in) * np.sqrt(2 / fan_in))",
        lost((GRADIENTS, TRAINING), ""),
        (DRAWS, SCALE),
    ),
    *(
        wrong(f"cannot be trained: {name}", code, lost((GRADIENTS, TRAINING), ""))
        for name, code in NOT_TRAINABLE.items()
    ),
    wrong(
        "an in-place operation on a leaf",
        "module.weight.copy_(torch.randn(module.weight.shape) * math.sqrt(2 / module.in_features))",
        lost(ALL, "not reached"),
    ),
    wrong("an undefined name", "nn.init.he_normal_(module.weight)", lost(ALL, "not reached")),
    wrong("a bad argument", "nn.init.kaiming_normal_(module)", lost(ALL, "not reached")),
    wrong("a syntax error", "nn.init.kaiming_normal_(module.weight", lost(ALL, "not reached")),
    wrong("left open", 'todo("q3")', lost(ALL, "not answered")),
)
