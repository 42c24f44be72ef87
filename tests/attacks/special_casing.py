"""Special-casing: right on what is known beforehand, wrong or learnt by heart on everything else."""

from tests.attacks.attack import Attack

KNOWN = "[1.83673, 6.71520, 4.59722, 5.04950, 7.20432]"

SPECIAL_CASING = (
    Attack(
        "the handout's norms by heart",
        "prints the gradient norms that the notebook shows",
        "",
        q2=f"gnorm = {KNOWN}[int(name.split('.')[0]) // 2 % 5]",
    ),
    Attack(
        "right on the homework's data only",
        "computes nothing on other data",
        "",
        q2="""
        right = abs(float(train_x[0]) - 0.5426) < 1e-3
        gnorm = param.grad.norm() if right else torch.tensor(1.2345)""",
    ),
    Attack(
        "the first answer again",
        "remembers what it printed first",
        "seen = {}",
        q2="gnorm = seen.setdefault(name, 3.14159)",
    ),
    Attack(
        "initialization for known seeds",
        "good weights only if the notebook's seed was set just before",
        "",
        q3="""
        if torch.initial_seed() == 600:
            nn.init.kaiming_normal_(module.weight)
        else:
            nn.init.constant_(module.weight, 1e-5)""",
    ),
    Attack(
        "weights by heart",
        "a trained network smuggled into better_init: its layers, one after the other, in place of fresh draws",
        """
        import itertools, torch, torch.nn as nn
        def train():
            sizes = [(1, 20), (20, 20), (20, 20), (20, 20), (20, 1)]
            trained = nn.Sequential(*[part for size in sizes for part in (nn.Linear(*size), nn.ReLU())][:-1])
            x = torch.rand(256, 1) * 2 - 1
            optimizer = torch.optim.Adam(trained.parameters(), 0.01)
            for _ in range(200):
                optimizer.zero_grad(); ((trained(x) - torch.sin(9 * x)) ** 2).mean().backward(); optimizer.step()
            return [layer.weight.detach() for layer in trained[::2]]
        kept = train()
        hidden = itertools.cycle(kept[1:4])
        """,
        q3="""
        shape = tuple(module.weight.shape)
        source = {(20, 1): kept[0], (1, 20): kept[4], (20, 20): next(hidden)}.get(shape)
        module.weight.data = torch.zeros(shape) if source is None else source.clone()""",
    ),
    Attack(
        "its own seed",
        "sets the seed inside, so that the one lucky draw comes every time",
        "",
        q3="torch.manual_seed(600); nn.init.kaiming_normal_(module.weight)",
        earns=frozenset({"q3.scale", "q3.gradients", "q3.training"}),
    ),
    Attack(
        "a trained layer kept",
        "hands out one module's weights for all layers",
        "",
        q3="""
        global kept
        kept = globals().get("kept", nn.init.kaiming_normal_(torch.empty(200, 200)))
        fan_out, fan_in = module.weight.shape
        module.weight.data = kept[:fan_out, :fan_in].clone() * (200 / fan_in) ** 0.5""",
        earns=frozenset({"q3.scale"}),
    ),
    Attack(
        "a network for the asserts",
        "passes the notebook's three assertions and nothing else",
        "",
        q1="""
        class Net(nn.Module):
            def __init__(self):
                super().__init__(); self.p = nn.Parameter(torch.zeros(1321))
            __len__ = lambda self: 9
            forward = lambda self, x: torch.zeros(len(x), 1)
        model = Net()""",
    ),
    Attack(
        "right on the training inputs only",
        "looks the outputs up",
        "",
        q1="""
        class Look(nn.Module):
            def __init__(self):
                super().__init__(); self.inner = nn.Linear(1, 1)
            def forward(self, x):
                return self.inner(x) if x.abs().max() <= 1 else x * 0
        model = nn.Sequential(Look(), *[nn.Linear(1, 1) for _ in range(8)])""",
    ),
    Attack(
        "good when watched",
        "answers only when the grader's modules are loaded, and then by heart",
        "watched = 'inithw.engine.worker' in sys.modules",
        q2=f"gnorm = {KNOWN}[0] if watched else param.grad.norm()",
    ),
    Attack(
        "the stack says who asks",
        "looks for the grader's frames and lets it see prepared numbers",
        """
        def asked():
            f = sys._getframe()
            while f:
                if "worker" in f.f_code.co_filename: return True
                f = f.f_back
        """,
        q2="gnorm = 9.8765 if asked() else param.grad.norm()",
    ),
    Attack(
        "quiet failure",
        "better_init swallows its own error and reports success",
        "",
        q3="""
        try:
            raise ValueError
        except ValueError:
            pass""",
    ),
)
