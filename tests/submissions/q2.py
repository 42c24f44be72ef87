"""Answers to q2: every way to compute and to print an L2 norm, and the norms that are printed in its place."""

import textwrap

from inithw.homework.reference.data import DATA_SEED

from tests.submissions.answer import Answer

NORMS = ("q2.norms", "q2.general")


def right(name, code):
    return Answer(f"q2 {name}", q2=code)


def wrong(name, code, diagnosis="", items=NORMS):
    return Answer(f"q2 {name}", q2=code, lost=dict.fromkeys(items, diagnosis))


def function(body, loss="nn.MSELoss()(pred, batch_y)"):
    """A `print_gnorms` of the student's own, whose gradients are ready when `body` begins."""
    return textwrap.dedent(f"""
        def print_gnorms(model):
            batch_x = torch.from_numpy(train_x).float().unsqueeze(-1)
            batch_y = torch.from_numpy(train_y).float()
            pred = model(batch_x).view(-1)
            loss = {loss}
            model.zero_grad()
            loss.backward()
        """) + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")


def printing(line):
    """A `print_gnorms` with the right numbers, printed by `line`, which sees name, param and gnorm."""
    body = f"""
        for name, param in model.named_parameters():
            if name.endswith(".weight"):
                gnorm = param.grad.norm().item()
                {line}
        """
    return function(body)


def collected(lines):
    """A `print_gnorms` that prints after the loop; `lines` see the dict gnorms."""
    body = """
        gnorms = {}
        for name, param in model.named_parameters():
            if "weight" in name:
                gnorms[name] = param.grad.norm().item()
        """
    return function(textwrap.dedent(body) + textwrap.dedent(lines).strip("\n"))


HARD_CODED = "[9.4e-7, 1.06e-6, 8.3e-7, 1.33e-6, 8.7e-7]"

COMPUTED = {
    "grad.norm": "gnorm = param.grad.norm()",
    "grad.norm of 2": "gnorm = param.grad.norm(2)",
    "grad.norm with p": "gnorm = param.grad.norm(p=2)",
    "grad.norm by name": "gnorm = param.grad.norm(p='fro')",
    "grad.data.norm": "gnorm = param.grad.data.norm(2).item()",
    "grad.detach.norm": "gnorm = param.grad.detach().norm()",
    "torch.norm": "gnorm = torch.norm(param.grad)",
    "torch.norm of 2": "gnorm = torch.norm(param.grad, 2)",
    "torch.norm with p": "gnorm = torch.norm(param.grad, p=2)",
    "torch.norm with dims": "gnorm = torch.norm(param.grad, dim=(0, 1))",
    "torch.linalg.norm": "gnorm = torch.linalg.norm(param.grad)",
    "torch.linalg.norm by name": "gnorm = torch.linalg.norm(param.grad, ord='fro')",
    "torch.linalg.norm of the flattened gradient": "gnorm = torch.linalg.norm(param.grad.flatten(), ord=2)",
    "vector_norm": "gnorm = torch.linalg.vector_norm(param.grad)",
    "vector_norm with ord": "gnorm = torch.linalg.vector_norm(param.grad, ord=2)",
    "matrix_norm": "gnorm = torch.linalg.matrix_norm(param.grad)",
    "nn.utils.get_total_norm": "gnorm = torch.nn.utils.get_total_norm([param.grad])",
    "clip_grad_norm_ with an infinite bound": "gnorm = torch.nn.utils.clip_grad_norm_(param, float('inf'))",
    "clip_grad_norm_ with a list": "gnorm = nn.utils.clip_grad_norm_([param], max_norm=math.inf, norm_type=2.0)",
    "dist from zero": "gnorm = torch.dist(param.grad, torch.zeros_like(param.grad))",
    "F.pairwise_distance": (
        "gnorm = nn.functional.pairwise_distance(param.grad.flatten(), torch.zeros(param.numel()), eps=0.0)"
    ),
    "flatten": "gnorm = param.grad.flatten().norm(2)",
    "view": "gnorm = param.grad.view(-1).norm()",
    "reshape and dot": "g = param.grad.reshape(-1)\ngnorm = torch.dot(g, g).sqrt()",
    "root of the sum of squares": "gnorm = torch.sqrt(torch.sum(param.grad ** 2))",
    "pow, sum, sqrt": "gnorm = param.grad.pow(2).sum().sqrt()",
    "square and power of a half": "gnorm = param.grad.square().sum() ** 0.5",
    "product with itself": "gnorm = (param.grad * param.grad).sum().sqrt().item()",
    "math.sqrt": "gnorm = math.sqrt((param.grad ** 2).sum())",
    "einsum": "gnorm = torch.einsum('ij,ij->', param.grad, param.grad).sqrt()",
    "trace": "gnorm = torch.trace(param.grad.T @ param.grad).sqrt()",
    "singular values": "gnorm = torch.linalg.svdvals(param.grad).norm()",
    "norms of rows": "gnorm = param.grad.norm(dim=1).norm()",
    "norms of columns": "gnorm = torch.sqrt((param.grad.norm(dim=0) ** 2).sum())",
    "in double": "gnorm = param.grad.double().norm().item()",
    "NumPy": "gnorm = np.linalg.norm(param.grad.numpy())",
    "NumPy by name": "gnorm = np.linalg.norm(param.grad.cpu().detach().numpy(), 'fro')",
    "NumPy by hand": "gnorm = np.sqrt(np.sum(np.square(param.grad.numpy())))",
    "NumPy of the flattened gradient": "gnorm = np.linalg.norm(param.grad.numpy().ravel(), 2)",
    "scipy": "import scipy.linalg\ngnorm = scipy.linalg.norm(param.grad.numpy())",
    "loops over entries": """
        total = 0.0
        for row in param.grad:
            for entry in row:
                total += entry.item() ** 2
        gnorm = total ** 0.5
        """,
    "math.hypot": "gnorm = math.hypot(*param.grad.flatten().tolist())",
    "math.fsum": "gnorm = math.sqrt(math.fsum(g * g for g in param.grad.flatten().tolist()))",
    "root mean square times root of the size": "gnorm = param.grad.pow(2).mean().sqrt() * param.numel() ** 0.5",
    "variance and mean": "g = param.grad.double()\ngnorm = ((g.var(correction=0) + g.mean() ** 2) * g.numel()).sqrt()",
    "_foreach_norm": "gnorm = torch._foreach_norm([param.grad])[0]",
    "a helper function": "def l2(t):\n    return sum(x * x for x in t.flatten()) ** 0.5\ngnorm = l2(param.grad)",
    "an extra print": "gnorm = param.grad.norm()\nprint('shape', tuple(param.shape))",
}

PRINTED = {
    "it is on a fresh network without zero_grad": printing("print(name, gnorm)").replace("    model.zero_grad()\n", ""),
    "it is before gradients are set to zero": printing("print(name, gnorm)").replace("    model.zero_grad()\n", "")
    + "\n    model.zero_grad()",
    "four decimals": printing('print(name, f"{gnorm:.4f}")'),
    "two decimals": printing('print(name, "%.2f" % gnorm)'),
    "four significant digits": printing('print(f"{name}: {gnorm:.4g}")'),
    "scientific": printing('print(f"{name} {gnorm:.4e}")'),
    "scientific with capitals": printing('print(f"{name:>12} | {gnorm:.6E}")'),
    "thousands separators": printing('print(f"{name}: {gnorm:,.3f}")'),
    "underscores as separators": printing('print(f"{name}: {gnorm:_.3f}")'),
    "all digits": printing("print(name, gnorm)"),
    "rounded": printing("print(name, round(gnorm, 4))"),
    "a tensor": printing("print(name, param.grad.norm())"),
    "a tensor with its gradient function": printing(
        "print(name, torch.sqrt((param.grad ** 2).sum() + 0 * param.sum()))"
    ),
    "repr of a NumPy number": printing("print(name, repr(np.float32(gnorm)))"),
    "the number first": printing('print(f"{gnorm:.6f} is the gradient norm of {name}")'),
    "weights' norm, ratio and logarithm beside it": printing(
        "w = param.norm().item()\n                "
        'print(f"{name}: {gnorm:.4f}, weight norm {w:.4f}, ratio {gnorm / w:.4f}, log {math.log10(gnorm):.4f}")'
    ),
    "the shape beside it": printing("print(name, tuple(param.shape), gnorm)"),
    "the layer's index only": printing('print(f"Layer {name.split(chr(46))[0]}: gradient norm = {gnorm:.5f}")'),
    "numbers without names": printing("print(gnorm)"),
    "numbers without names after the loss": collected("print(loss.item())\nprint(*gnorms.values())"),
    "all in one line": printing('print(f"{gnorm:.5f}", end="  ")'),
    "name and number on two lines": printing('print(name)\n                print("   ", gnorm)'),
    "a separator line after each": printing('print(name, gnorm)\n                print("-" * 30)'),
    "the number first, all in one line": printing('print(f"{gnorm:.6f} {name}", end="   ")'),
    "the weight's own norm too": printing("print(name, 'weight', param.norm().item(), 'gradient', gnorm)"),
    "in colour": printing('print(f"\\033[1m{name}\\033[0m \\033[32m{gnorm:.6f}\\033[0m")'),
    "sys.stdout.write": printing('sys.stdout.write(f"{name} {gnorm:.6f}\\n")'),
    "display": printing('from IPython.display import display\n                display(f"{name} {gnorm:.6f}")'),
    "logging": printing('import logging\n                logging.warning("%s %.6f", name, gnorm)'),
    "tqdm.write": printing('from tqdm.auto import tqdm; tqdm.write(f"{name} {gnorm:.6f}")'),
    "a decimal comma": printing('print(name, f"{gnorm:.5f}".replace(".", ","))'),
    "a decimal comma, scientific": printing('print(name, f"{gnorm:.6e}".replace(".", ","))'),
    "German thousands": printing('print(name, f"{gnorm:,.3f}".replace(",", "_").replace(".", ",").replace("_", "."))'),
    "the learning rate and the size beside it": printing('print(f"{name} lr={lr} n={param.numel()} norm={gnorm:.5f}")'),
    **{
        f"the parameter's norm as {words}": printing(
            f'print(f"{{name}}: {words} {{param.norm():.4f}} grad {{gnorm:.4f}}")'
        )
        for words in (
            "weight L2 norm",
            "norm of the parameters",
            "weight (L2):",
            "||W||_2 =",
            "wnorm=",
            "|θ|",
            "Gewichtsnorm",
        )
    },
    "the parameter's norm under a head": collected(
        """
        print(f"{'layer':<10}{'weight norm':>14}{'grad norm':>14}")
        for name, norm in gnorms.items():
            print(f"{name:<10}{dict(model.named_parameters())[name].norm():14.4f}{norm:14.4f}")
        """
    ),
    "a list of the parameters' norms, then of the gradients'": collected(
        """
        print("weights:", [round(p.norm().item(), 4) for n, p in model.named_parameters() if "weight" in n])
        print("gradients:", [round(norm, 4) for norm in gnorms.values()])
        """
    ),
    "a text whose braces hold its own quotes": printing(
        "info = {'norm': gnorm}\n                " + 'print(f"{name}: {info["norm"]:.6f}")'
    ),
    "lines joined in a text's braces": collected(
        """
        print(f"Gradient norms\\n{"\\n".join(f"{name:<12}{norm:.6f}" for name, norm in gnorms.items())}")
        """
    ),
    "shares of the total, with the biases": collected(
        """
        total = math.sqrt(sum(p.grad.norm().item() ** 2 for p in model.parameters()))
        for name, norm in gnorms.items():
            print(f"{name}: {norm:.6f} ({100 * norm / total:.2f}%)")
        """
    ),
    "relative to their mean": collected(
        """
        for name, norm in gnorms.items():
            print(f"{name}: {norm:.4f} ({norm / np.mean(list(gnorms.values())):.3f} x mean)")
        """
    ),
    "a decimal comma and a full stop": printing(
        'print(f"Norm von Schicht {name[0]}: " + f"{gnorm:.4f}".replace(".", ",") + ".")'
    ),
    "blanks between thousands, after an index": printing(
        'print(f"Couche {name[0]} " + f"{gnorm:,.2f}".replace(",", " ").replace(".", ","))'
    ),
    "one decimal": printing('print(name, f"{gnorm:.1f}")'),
    "four digits beside the bias' norm": printing(
        "b = dict(model.named_parameters())[name.replace('weight', 'bias')].grad.norm().item()\n                "
        'print(f"Layer {name[0]}: {gnorm:.4g} (bias {b:.3g})")'
    ),
    "two blocks with headings": collected(
        """
        print("Gradient norms")
        for name, norm in gnorms.items():
            print(name, norm)
        print("Weight norms")
        for name in gnorms:
            print(name, dict(model.named_parameters())[name].norm().item())
        """
    ),
    "a frame with many columns": collected(
        """
        import pandas as pd
        more = {"type": "float32", "device": "cpu", "trained": "yes"}
        rows = [{"name": n, "rows": 20, "columns": 20, "the norm of it": v, **more} for n, v in gnorms.items()]
        print(pd.DataFrame(rows))
        """
    ),
    "a frame's style returned": collected(
        "import pandas as pd\nreturn pd.DataFrame({'norm': gnorms}).style.format('{:.5f}')"
    ),
    "HTML returned": collected(
        "from IPython.display import HTML\nreturn HTML(''.join(f'<p>{n}: {v:.6f}</p>' for n, v in gnorms.items()))"
    ),
    "lines returned": collected("return '\\n'.join(f'{v:.6f}' for v in gnorms.values())"),
    "after a dash": printing('print(f"{name}-{gnorm:.6f}")'),
    "with a separator of dashes": printing('print(name, f"{gnorm:.6f}", sep="---")'),
    "with dots that lead there": printing('print(f"{name:.<20}{gnorm:.6f}")'),
    "glued to a word": printing('print("norm is" + str(gnorm))'),
    "glued to its name": printing('print(f"{name}_{gnorm:.6f}")'),
    "an apostrophe for thousands": printing("print(name, f'{gnorm:,.3f}'.replace(',', '’'))"),
    "Arabic digits": printing(
        "print(name, f'{gnorm:.6f}'.translate({48 + k: 0x660 + k for k in range(10)} | {46: 0x66B}))"
    ),
    "the parameter's norm by its name": printing('print(f"{name}: param {param.norm():.4f}, grad {gnorm:.4f}")'),
    "padded to fifty digits": printing('print(name, f"{gnorm:50.20f}")'),
    "percent of the total, too": collected("""
        total = sum(gnorms.values())
        for name, norm in gnorms.items():
            print(f"{name:<10} {norm:12.4f} ({100 * norm / total:5.2f} %)")
        """),
    "relative to the first layer, too": collected("""
        for name, norm in gnorms.items():
            print(f"{name}: {norm:.5f} ({norm / gnorms['0.weight']:.4f} of the first layer's)")
        """),
    "name and number without a blank": printing("print(name + str(gnorm))"),
    "thousands with blanks": printing('print(name, f"{gnorm:,.4f}".replace(",", " "))'),
    "a power of ten": printing("m, e = f'{gnorm:.5e}'.split('e'); print(f'{name}: {m} x 10^{int(e)}')"),
    "a styled DataFrame": collected(
        "import pandas as pd\nfrom IPython.display import display\n"
        "display(pd.DataFrame({'norm': gnorms}).style.format('{:.4f}'))"
    ),
    "returned below a heading with the loss": collected("print('L2 norms at loss', loss.item())\nreturn gnorms"),
    "by hooks on the parameters": """
        def print_gnorms(model):
            norms = {}
            for name, param in model.named_parameters():
                if name.endswith("weight"):
                    param.register_hook(lambda grad, name=name: norms.__setitem__(name, grad.norm().item()))
            pred = model(torch.from_numpy(train_x).float()[:, None])[:, 0]
            nn.functional.mse_loss(pred, torch.from_numpy(train_y).float()).backward()
            for name in sorted(norms):
                print(f"{name:<12}{norms[name]:.6f}")
        """,
    "by backpropagation in NumPy": """
        def print_gnorms(model):
            layers = [layer for layer in model if isinstance(layer, nn.Linear)]
            weights = [layer.weight.detach().numpy().astype(float) for layer in layers]
            entering, signal = [], train_x.reshape(-1, 1)
            for layer, weight in zip(layers, weights):
                entering.append(np.maximum(signal, 0) if entering else signal)
                signal = entering[-1] @ weight.T + layer.bias.detach().numpy()
            error, norms = 2 * (signal - train_y.reshape(-1, 1)) / len(train_x), []
            for weight, hidden in zip(weights[::-1], entering[::-1]):
                norms.append(np.linalg.norm(error.T @ hidden))
                error = (error @ weight) * (hidden > 0)
            for number, norm in enumerate(norms[::-1], 1):
                print(f"dL/dW{number}: {norm:.6g}")
        """,
    "the stub kept, its name bound again below": "def print_gnorms(model):\n    gnorm = todo('q2')\n"
    + printing("print(name, gnorm)").replace("def print_gnorms", "def my_norms")
    + "\nprint_gnorms = my_norms",
    "a dict": collected("print(gnorms)"),
    "a list": collected("print(list(gnorms.values()))"),
    "a NumPy array": collected("print(np.array(list(gnorms.values())))"),
    "one tensor": collected("print(torch.tensor(list(gnorms.values())))"),
    "pprint": collected("from pprint import pprint\npprint(gnorms)"),
    "JSON": collected("import json\nprint(json.dumps(gnorms, indent=2))"),
    "a DataFrame": collected("import pandas as pd\nprint(pd.DataFrame({'norm': gnorms}))"),
    "a displayed DataFrame": collected(
        "import pandas as pd\nfrom IPython.display import display\ndisplay(pd.Series(gnorms, name='norm'))"
    ),
    "a table with a header": collected("""
        print(f"{'layer':<12}{'norm':>14}")
        print("=" * 26)
        for name, norm in gnorms.items():
            print(f"{name:<12}{norm:>14.6f}")
        """),
    "the loss and the total besides": collected("""
        print("loss", loss.item())
        for name, norm in gnorms.items():
            print(name, norm)
        print("total", sum(norm ** 2 for norm in gnorms.values()) ** 0.5)
        """),
    "returned, not printed": collected("return gnorms"),
    "returned as a list": collected("return list(gnorms.values())"),
    "printed and returned": collected("print(gnorms)\nreturn gnorms"),
    "the biases too": function("""
        for name, param in model.named_parameters():
            print(name, param.grad.norm().item())
        """),
    "by modules": function("""
        for index, layer in enumerate(model):
            if isinstance(layer, nn.Linear):
                print(f"{index}.weight", layer.weight.grad.norm().item())
        """),
    "by matrices": function("""
        matrices = [p for p in model.parameters() if p.dim() == 2]
        for k, matrix in enumerate(matrices, start=1):
            print(f"weight matrix {k}: {matrix.grad.norm():.6f}")
        """),
    "by state_dict names": function("""
        params = dict(model.named_parameters())
        for key in model.state_dict():
            if key.endswith("weight"):
                print("%-10s %12.6f" % (key, float(params[key].grad.norm())))
        """),
    "by autograd.grad": """
        def print_gnorms(model):
            x, y = torch.tensor(train_x, dtype=torch.float32)[:, None], torch.tensor(train_y, dtype=torch.float32)
            loss = ((model(x).squeeze() - y) ** 2).mean()
            names, params = zip(*[(n, p) for n, p in model.named_parameters() if "weight" in n])
            for name, grad in zip(names, torch.autograd.grad(loss, params)):
                print(name, grad.norm().item())
        """,
    "by torch.func": """
        def print_gnorms(model):
            params = {name: p.detach() for name, p in model.named_parameters()}
            x, y = torch.from_numpy(train_x).float()[:, None], torch.from_numpy(train_y).float()
            def loss(params):
                return (torch.func.functional_call(model, params, (x,)).view(-1) - y).square().mean()
            for name, grad in torch.func.grad(loss)(params).items():
                if name.endswith("weight"):
                    print(name, grad.norm())
        """,
    "on a device": """
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        def print_gnorms(model):
            model.to(device)
            x = torch.from_numpy(train_x).float().unsqueeze(-1).to(device)
            y = torch.from_numpy(train_y).float().to(device)
            loss = nn.MSELoss()(y, model(x).view(-1))
            model.zero_grad()
            loss.backward()
            for name, param in model.named_parameters():
                if name.endswith(".weight"):
                    print(name, param.grad.cpu().norm().item())
        """,
    "with the data kept outside": """
        batch_x = torch.from_numpy(train_x).float().unsqueeze(-1)
        batch_y = torch.from_numpy(train_y).float()
        def print_gnorms(model):
            model.zero_grad()
            nn.MSELoss()(model(batch_x).view(-1), batch_y).backward()
            for name, param in model.named_parameters():
                if name.endswith(".weight"):
                    print(name, param.grad.norm().item())
        """,
    "with the inputs kept outside": """
        batch_x = torch.from_numpy(train_x).float().unsqueeze(-1)
        def print_gnorms(model):
            model.zero_grad()
            nn.MSELoss()(model(batch_x).view(-1), torch.from_numpy(train_y).float()).backward()
            for name, param in model.named_parameters():
                if name.endswith(".weight"):
                    print(name, param.grad.norm().item())
        """,
    "with the data as default arguments": """
        def print_gnorms(model, x=train_x, y=train_y):
            pred = model(torch.from_numpy(x).float().unsqueeze(-1)).view(-1)
            model.zero_grad()
            torch.mean((pred - torch.from_numpy(y).float()) ** 2).backward()
            for name, param in model.named_parameters():
                if name.endswith(".weight"):
                    print(name, "{:.8f}".format(param.grad.norm()))
        """,
    "in batches that add up": """
        def print_gnorms(model):
            x, y = torch.from_numpy(train_x).float().unsqueeze(-1), torch.from_numpy(train_y).float()
            model.zero_grad()
            for rows in torch.arange(len(x)).split(100):
                loss = (model(x[rows]).view(-1) - y[rows]).square().sum() / len(x)
                loss.backward()
            for name, param in model.named_parameters():
                if name.endswith(".weight"):
                    print(name, param.grad.norm().item())
        """,
}

WRONG = {
    "right for the homework's data only": (
        f"usual = abs(float(train_x[0]) - np.random.RandomState({DATA_SEED}).uniform(-1, 1)) < 1e-3\n"
        "gnorm = param.grad.norm() if usual else torch.tensor(1.2345)",
        "",
    ),
    "torch.linalg.norm with ord 2": ("gnorm = torch.linalg.norm(param.grad, 2)", "q2.spectral"),
    "torch.linalg.norm with keyword ord": ("gnorm = torch.linalg.norm(param.grad, ord=2)", "q2.spectral"),
    "matrix_norm with ord 2": ("gnorm = torch.linalg.matrix_norm(param.grad, ord=2)", "q2.spectral"),
    "np.linalg.norm with ord 2": ("gnorm = np.linalg.norm(param.grad.numpy(), ord=2)", "q2.spectral"),
    "the largest singular value": ("gnorm = torch.linalg.svdvals(param.grad).max()", "q2.spectral"),
    "the nuclear norm": ("gnorm = torch.linalg.norm(param.grad, 'nuc')", "q2.nuclear"),
    "the sum of singular values": ("gnorm = torch.linalg.svdvals(param.grad).sum()", "q2.nuclear"),
    "the root forgotten": ("gnorm = (param.grad ** 2).sum()", "q2.squared"),
    "the square of the norm": ("gnorm = param.grad.norm() ** 2", "q2.squared"),
    "the parameter's norm": ("gnorm = param.norm()", "q2.parameter"),
    "the parameter's data": ("gnorm = torch.sqrt((param.data ** 2).sum())", "q2.parameter"),
    "the sum": ("gnorm = param.grad.sum()", "q2.sum"),
    "the mean": ("gnorm = param.grad.mean()", "q2.mean"),
    "the mean of absolute values": ("gnorm = param.grad.abs().mean()", "q2.mean"),
    "the L1 norm": ("gnorm = param.grad.norm(p=1)", "q2.l1"),
    "the sum of absolute values": ("gnorm = param.grad.abs().sum()", "q2.l1"),
    "the largest entry": ("gnorm = param.grad.abs().max()", "q2.max"),
    "the infinity norm": ("gnorm = param.grad.norm(float('inf'))", "q2.max"),
    "the root mean square": ("gnorm = param.grad.pow(2).mean().sqrt()", "q2.rms"),
    "the norm over the root of the size": ("gnorm = param.grad.norm() / param.numel() ** 0.5", "q2.rms"),
    "the matrix 1-norm": ("gnorm = torch.linalg.norm(param.grad, 1)", ""),
    "the standard deviation": ("gnorm = param.grad.std()", "q2.std"),
    "half the norm": ("gnorm = param.grad.norm() / 2", "q2.same_factor"),
    "the loss": ("gnorm = loss.item()", ""),
    "a random number": ("gnorm = np.random.rand()", ""),
    "the norm of the difference from the mean": ("gnorm = (param.grad - param.grad.mean()).norm()", ""),
}

WHOLE_WRONG = {
    "a running total of norms": (
        function("""
            total = 0.0
            for name, param in model.named_parameters():
                if name.endswith(".weight"):
                    total += param.grad.norm().item()
                    print(name, total)
            """),
        "q2.running_total",
    ),
    "a running norm": (
        function("""
            total = 0.0
            for name, param in model.named_parameters():
                if name.endswith(".weight"):
                    total += param.grad.pow(2).sum().item()
                    print(name, total ** 0.5)
            """),
        "q2.running_total",
    ),
    "one norm of all layers": (
        function("""
            total = torch.cat([p.grad.flatten() for n, p in model.named_parameters() if n.endswith("weight")]).norm()
            for name, param in model.named_parameters():
                if name.endswith(".weight"):
                    print(name, total.item())
            """),
        "q2.global_total",
    ),
    "clip_grad_norm_ of the whole model": (
        function("""
            for name, param in model.named_parameters():
                if name.endswith(".weight"):
                    print(name, nn.utils.clip_grad_norm_(model.parameters(), math.inf).item())
            """),
        "q2.global_total",
    ),
    "clipped to one first": (
        function("""
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for name, param in model.named_parameters():
                if name.endswith(".weight"):
                    print(name, param.grad.norm().item())
            """),
        "",
    ),
    "gradients that pile up": (
        function("""
            loss = nn.MSELoss()(model(batch_x).view(-1), batch_y)
            loss.backward()
            for name, param in model.named_parameters():
                if name.endswith(".weight"):
                    print(name, param.grad.norm().item())
            """),
        "q2.same_factor",
    ),
    "the sum of squared errors": (
        function(
            """
            for name, param in model.named_parameters():
                if name.endswith(".weight"):
                    print(name, param.grad.norm().item())
            """,
            loss="((pred - batch_y) ** 2).sum()",
        ),
        "q2.same_factor",
    ),
    "the biases' gradients under the weights' names": (
        function("""
            for name, layer in model.named_children():
                if isinstance(layer, nn.Linear):
                    print(f"{name}.weight", layer.bias.grad.norm().item())
            """),
        "q2.bias",
    ),
    "weights and biases of each layer together": (
        function("""
            for name, layer in model.named_children():
                if isinstance(layer, nn.Linear):
                    print(name, torch.cat([p.grad.flatten() for p in layer.parameters()]).norm().item())
            """),
        "q2.with_bias",
    ),
    "the layers in reverse without names": (
        function("""
            for param in reversed([p for p in model.parameters() if p.dim() == 2]):
                print(param.grad.norm().item())
            """),
        "",
    ),
    "beside the wrong names, reversed": (
        collected("for name, norm in zip(reversed(gnorms), gnorms.values()): print(name, norm)"),
        "",
    ),
    "beside the wrong names, shifted": (
        collected("for k, norm in enumerate(gnorms.values()): print([*gnorms][k - 1], norm)"),
        "",
    ),
    "beside the wrong names, on the next line": (
        collected("for k, norm in enumerate(gnorms.values()): print([*gnorms][k - 1], norm, sep='\\n')"),
        "",
    ),
    "the last layer forgotten": (
        function("""
            for name, layer in list(model.named_children())[:-1]:
                if isinstance(layer, nn.Linear):
                    print(f"{name}.weight", layer.weight.grad.norm().item())
            """),
        "",
    ),
    "a column of the first layer's norm": (
        function("""
            norm = model[0].weight.grad.norm().item()
            for name, param in model.named_parameters():
                if name.endswith(".weight"):
                    print(name, norm)
            """),
        "",
    ),
    "three significant digits": (printing('print(name, f"{gnorm:.3g}")'), "q2.too_few_digits"),
    "three significant digits where these are near enough": (
        printing("short = f'{gnorm:.2e}'; print(name, short if abs(float(short) / gnorm - 1) < 9e-4 else gnorm)"),
        "q2.too_few_digits",
    ),
    "whole numbers": (printing("print(name, int(gnorm))"), "q2.too_few_digits"),
    "one digit in scientific format": (printing('print(name, f"{gnorm:.1e}")'), "q2.too_few_digits"),
    "nothing printed": (collected("gnorms = sorted(gnorms)"), "q2.no_numbers"),
    "only the names": (printing("print(name)"), "q2.no_numbers"),
    "many numbers at random": (
        printing("print(name, gnorm, *(10 ** np.random.uniform(1, 5, 9)))"),
        "q2.many_numbers",
    ),
    "a list of candidates": (
        printing("print(name, gnorm, *[param.grad.norm(p).item() for p in (1, 3, 4, 5)])"),
        "q2.many_numbers",
    ),
}

HEDGES = {
    "spectral, Frobenius and L1": "print(name, torch.linalg.norm(g, 2).item(), gnorm, g.abs().sum().item())",
    "spectral and Frobenius": "print(name, torch.linalg.norm(g, 2).item(), gnorm)",
    "with words": 'print(f"{name} spectral {torch.linalg.norm(g, 2):.6f} frobenius {gnorm:.6f}")',
    "the square, too": "print(name, gnorm, gnorm ** 2)",
    "the largest entry, too": 'print(f"{name}: {gnorm:.4f} ({g.abs().max():.4f})")',
    "a running total, too": 'total = gnorm + (0 if name[0] == "0" else total); print(name, total, gnorm)',
    "the parameter's norm without a word": "print(name, param.norm().item(), gnorm)",
    "half and double": "print(name, gnorm / 2, gnorm, gnorm * 2)",
    "times the number of points": "print(name, gnorm, gnorm * len(train_x))",
    "three digits": "print(f'{name} L1 {g.abs().sum():.3g} L2 {gnorm:.6g}')",
    "spectral in three digits": "print(f'{name} {torch.linalg.norm(g, 2):.3g} {gnorm:.6g}')",
    "glued to words": "print(f'{name} spectral{torch.linalg.norm(g, 2):.5f} F {gnorm:.5f} L1_{g.abs().sum():.5f}')",
    "with a minus": "print(name, gnorm, -g.abs().sum().item())",
    "full-width digits": (
        "print(name, gnorm, str(g.abs().sum().item()).translate({48 + k: 0xFF10 + k for k in range(10)}))"
    ),
    "other exponents": "print(name, *[g.norm(p).item() for p in (1.5, 2, 3, 4)])",
    "sums of rows and columns": "print(name, g.abs().sum(0).max().item(), gnorm, g.abs().sum(1).max().item())",
    "another wrong one on each layer": (
        "print(name, gnorm, [g.abs().sum(), g.abs().max(), g.square().sum()][k // 2 % 3].item())"
    ),
}
OTHER_NAMES = {
    "weights' and biases' names swapped": (
        "for name, norm in gnorms.items():\n"
        "    bias = name.replace('weight', 'bias')\n"
        "    print(name, dict(model.named_parameters())[bias].grad.norm().item())\n"
        "    print(bias, norm)",
        "q2.bias",
    ),
    "every parameter's name in turn": (
        "for (name, _), norm in zip(model.named_parameters(), gnorms.values()):\n    print(name, norm)",
        "",
    ),
    "the layer before": (
        "before = 0.0\n"
        "for name, norm in gnorms.items():\n    print(name, before)\n    before = norm\n"
        "print('last', before)",
        "",
    ),
}
HEDGES_IN_LISTS = {
    "three lists": "print(*spectral)\nprint(*gnorms.values())\nprint(*l1)",
    "two lists without names": "print(l1)\nprint(list(gnorms.values()))",
    "wrong beside names, right below": (
        "for name, norm in zip(gnorms, l1): print(name, norm)\nfor norm in gnorms.values(): print(norm)"
    ),
    "right beside names, wrong in a list below": (
        "for name, norm in gnorms.items(): print(name, norm)\nprint('other norms', *spectral)"
    ),
    "right beside names, wrong for layers above": (
        "for k, norm in enumerate(l1): print('layer', k, norm)\nfor name, norm in gnorms.items(): print(name, norm)"
    ),
    "names twice": (
        "for name, norm in zip(gnorms, spectral): print(name, norm)\n"
        "for name, norm in gnorms.items(): print(name, norm)"
    ),
    "all beside every name": "for name in gnorms: print(name, *gnorms.values())",
    "pairs": "print([(a, b) for a, b in zip(l1, gnorms.values())])",
}
EXPONENTS = ("0e8", "000e9", "123_000e9", "0e5", "1e4", "0.0e6", "00_000e9", "5E3", "0,000e7", "1e999")
"""Numbers whose last digit is so large that it covers every norm, if digits are counted where they are printed."""


def listed(lines):
    """A `print_gnorms` that knows all norms before it prints; `lines` see gnorms (a dict), spectral and l1."""
    return collected(
        "grads = [p.grad for n, p in model.named_parameters() if 'weight' in n]\n"
        "spectral = [torch.linalg.norm(g, 2).item() for g in grads]\n"
        "l1 = [g.abs().sum().item() for g in grads]\n" + lines
    )


def hedging(line):
    """A `print_gnorms` that prints by `line`, which sees name, param, g, k and gnorm."""
    return function(f"""
        for k, (name, param) in enumerate(model.named_parameters()):
            if name.endswith(".weight"):
                g = param.grad
                gnorm = g.norm().item()
                {line}
        """)


Q2 = (
    *(right(name, code) for name, code in COMPUTED.items()),
    *(right(f"printed as {name}", code) for name, code in PRINTED.items()),
    *(wrong(name, code, diagnosis) for name, (code, diagnosis) in (WRONG | WHOLE_WRONG).items()),
    *(wrong(f"hedged: {name}", hedging(line), "q2.many_numbers") for name, line in HEDGES.items()),
    *(
        wrong(f"beside other names: {name}", collected(lines), diagnosis)
        for name, (lines, diagnosis) in OTHER_NAMES.items()
    ),
    *(wrong(f"hedged: {name}", listed(lines), "q2.many_numbers") for name, lines in HEDGES_IN_LISTS.items()),
    *(
        Answer(
            f"q2 {text} for every layer",
            q2=printing(f'print(name, "{text}")'),
            lost=dict.fromkeys(NORMS, "q2.hard_coded"),
        )
        for text in EXPONENTS
    ),
    Answer(
        "q2 six times 0e8",
        q2="def print_gnorms(model):\n    print('0e8 ' * 6)",
        lost={"q2.norms": "q2.hard_coded", "q2.general": "q2.hard_coded"},
    ),
    Answer(
        "q2 an object that shows itself as 0e9",
        q2="class Norm:\n    def __format__(self, _spec):\n        return '0e9'\ngnorm = Norm()",
        lost=dict.fromkeys(NORMS, "q2.hard_coded"),
    ),
    wrong("always zero", "gnorm = 0.0", "q2.hard_coded"),
    Answer(
        "q2 numbers typed in",
        q2=f"""
        def print_gnorms(model):
            for name, norm in zip(["0.weight", "2.weight", "4.weight", "6.weight", "8.weight"], {HARD_CODED}):
                print(name, norm)
        """,
        lost={"q2.norms": "q2.hard_coded", "q2.general": ""},
    ),
    # ------------------------------------------------ right for the homework's network only
    wrong(
        "five layers by their indices",
        function("""
            for index in (0, 2, 4, 6, 8):
                print(f"{index}.weight", model[index].weight.grad.norm().item())
            """),
        items=("q2.general",),
        diagnosis="q2.one_network",
    ),
    wrong(
        "reshaped to twenty columns",
        "g = param.grad.reshape(-1, 20)\ngnorm = g.norm()",
        items=("q2.general",),
        diagnosis="q2.one_network",
    ),
    wrong(
        "at most five layers",
        function("""
            for index in range(0, 10, 2):
                if index < len(model):
                    print(f"{index}.weight", model[index].weight.grad.norm().item())
            """),
        items=("q2.general",),
    ),
    wrong("the first twenty rows and columns", "gnorm = param.grad[:20, :20].norm()", items=("q2.general",)),
    # ------------------------------------------------ errors and open answers
    wrong("an undefined name", "gnorm = gradient.norm()", "not reached"),
    wrong("a syntax error", "gnorm = ?", "not answered"),
    wrong("not called", "gnorm = param.grad.norm", "not reached"),
    wrong("left open", 'gnorm = todo("q2")', "not answered"),
    wrong("left as dots", "gnorm = ...", "not answered"),
    wrong("left as None", "gnorm = None", "not answered"),
)
