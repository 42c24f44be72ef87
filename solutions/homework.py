# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Initialization and local linearization of a deep ReLU network
#
# You train the same small network from several initializations, and for each of them look at three things:
# the **gradient norm of every layer**, the **singular values and features of the network's linearization**,
# and the **function it learns**. At the end you can tell from the first two what the third will be.
#
# | what you hand in | where | how it is graded |
# |---|---|---|
# | three code answers, **q1**, **q2**, **q3** | at `todo("q1")`, `todo("q2")`, `todo("q3")` | automatically, 10 points |
# | eleven written answers, **W1** to **W11** | in the cell under each question | by the staff |
#
# Everything else is given. Run the cells from top to bottom; the whole notebook takes a few seconds.
# A cell that needs an answer you have not written yet stops with `q1 is not answered yet`, and says where to write it.

# %% tags=["demonstration"]
# On Google Colab this installs the local checks; anywhere else it does nothing (see README.md for installing).
import importlib.util
import subprocess
import sys

if "google.colab" in sys.modules and importlib.util.find_spec("otter") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "otter-grader>=6"], check=False)

# %%
import functools
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim


def todo(question):
    """Stand where an answer is missing, and say so."""
    raise NotImplementedError(
        f'{question} is not answered yet: find todo("{question}") in this notebook and put your code in its place.'
    )


# %% tags=["demonstration"]
# Local checks: grader.check("q1") looks at your answer to q1. Nothing to do in this cell.
from pathlib import Path


class LocalChecks:
    """Runs the public Otter tests in the folder `tests`, or says in one line why it cannot."""

    def __init__(self, folder="tests"):
        self.folder = Path(folder)

    def check(self, question):
        if not (self.folder / f"{question}.py").is_file():
            print(f"{question}: not checked, no file {self.folder}/{question}.py beside this notebook. Put the folder there and try again.")
            return
        try:
            import otter

            result = otter.Notebook(tests_dir=str(self.folder)).check(question, global_env=globals())
        except ImportError:
            print(f'{question}: not checked, Otter is not installed. To get it: pip install "otter-grader>=6"')
            return
        except Exception as error:
            print(f"{question}: not checked, Otter stopped with {type(error).__name__}: {error}")
            return
        for case in result.test_case_results:
            verdict = "as expected" if case.passed else "LOOK AGAIN: " + case.message.rsplit("Error: ", 1)[-1].strip()
            print(f"{case.test_case.name}: {verdict}")
        for case in result.test_case_results:
            if case.test_case.success_message and result.passed_all:
                print(case.test_case.success_message)


grader = LocalChecks()

# %%
# How the figures look: a palette that colour-blind readers can tell apart (Okabe and Ito), never colour alone.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8C8C8C"
plt.rcParams.update(
    {
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": "medium",
        "figure.dpi": 90,
        "grid.alpha": 0.3,
        "legend.frameon": False,
    }
)


def show(figure, description):
    """Display a figure with `description` as its alternative text."""
    from IPython.display import display

    display(figure, metadata={"image/png": {"alt": description}})
    plt.close(figure)


# %% [markdown]
# ## Training and test data
#
# The function to learn is a sum of sine waves,
#
# $$f_\text{true}(x) = \sum_{k=0}^{4} a_k \sin(k \pi x), \qquad x \in [-1, 1],$$
#
# with fixed amplitudes $a_k$ (the term $k = 0$ is zero, which leaves four waves). It is smooth and odd.
# The training data are noisy, $y_i = f_\text{true}(x_i) + \epsilon_i$ with $\epsilon_i \sim \mathcal{N}(0, \sigma^2)$
# and $\sigma = 0.1$. The test data have no noise, so a perfect model reaches test loss 0.

# %%
np.random.seed(0)
F_TRUE_PARAMS = np.random.rand(5) * 2.0 - 1.0


def f_true(x):
    """The function to learn, at the points x of shape (n,)."""
    k = np.arange(F_TRUE_PARAMS.shape[0])
    return (np.sin(x[:, None] * k[None, :] * math.pi) * F_TRUE_PARAMS).sum(axis=-1)


# %%
# Noisy training data
np.random.seed(10)
TRAIN_N = 1500
TRAIN_SIGMA = 0.1
train_x = np.random.uniform(low=-1.0, high=1.0, size=TRAIN_N)
train_y = f_true(train_x) + np.random.randn(TRAIN_N) * TRAIN_SIGMA

# Noise-free test data
np.random.seed(10)
TEST_N = 500
test_x = np.linspace(-1, 1, TEST_N)
test_y = f_true(test_x)

# %% tags=["demonstration"]
figure, axes = plt.subplots(figsize=(7, 3.2))
axes.scatter(train_x, train_y, s=3, color=GREY, label="training data (noisy)")
axes.plot(test_x, test_y, color=BLUE, linewidth=2, label="true function")
axes.set(xlabel="x", ylabel="y", title=f"{TRAIN_N} training points around the true function")
axes.legend()
show(figure, "Scatter of the training points around the smooth odd curve of the true function on the interval -1 to 1")

# %% [markdown]
# ## A network with one hidden layer
#
# The first network has one hidden layer of 20 ReLU units. It is trained by stochastic gradient descent with momentum,
# on mini-batches of 32 points, for about ten passes through the data.
#
# `train_model` returns the model and its predictions on the test points. Give it a list as `log`, and it also
# records the losses there: one entry every ten steps with the loss on that mini-batch, one per epoch with the test loss.

# %%
def train_model(model, n_steps, batch_size, lr, seed, train_x=train_x, train_y=train_y, log=None):
    """Train `model` in place on the mean squared error.

    Returns the model, the test points, shape (TEST_N,), and its predictions there, same shape.
    Appends {"step", "train_loss"} and {"step", "test_loss"} records to the list `log`.
    """
    np.random.seed(seed)
    torch.manual_seed(seed)
    log = [] if log is None else log
    log_interval = 10
    eval_interval = int(TRAIN_N / batch_size) + 1
    optimizer = optim.SGD(model.parameters(), lr, momentum=0.9)
    criterion = nn.MSELoss()

    inputs = torch.from_numpy(train_x).float().unsqueeze(-1)
    targets = torch.from_numpy(train_y).float()
    test_inputs = torch.from_numpy(test_x).float().unsqueeze(-1)
    test_targets = torch.from_numpy(test_y).float()

    # Every epoch visits the points in a new order; a batch may straddle two epochs.
    epochs = math.ceil(n_steps * batch_size / TRAIN_N)
    order = torch.from_numpy(np.concatenate([np.random.permutation(TRAIN_N) for _ in range(epochs)]))

    for step in range(n_steps):
        batch = order[step * batch_size : (step + 1) * batch_size]
        loss = criterion(model(inputs[batch]).view(-1), targets[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % log_interval == 0:
            log.append({"step": step, "train_loss": loss.item()})
        if (step + 1) % eval_interval == 0 or step + 1 == n_steps:
            with torch.no_grad():
                pred = model(test_inputs).view(-1)
                log.append({"step": step, "test_loss": criterion(pred, test_targets).item()})
    return model, test_inputs.view(-1).numpy(), pred.numpy()


def show_training(log, evaluated_x, evaluated_pred, title, train_x=train_x, train_y=train_y):
    """Draw the losses of a run and the function that it learned, and print the final test loss."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
    for key, style in {
        "train_loss": {"color": GREY, "label": "training (one batch, noisy targets)"},
        "test_loss": {"color": BLUE, "marker": "o", "label": "test (noise-free)"},
    }.items():
        steps, losses = np.array([(entry["step"] + 1, entry[key]) for entry in log if key in entry]).T
        left.plot(steps, np.where(np.isfinite(losses), losses, np.nan), **style)
        lost = steps[~np.isfinite(losses)]
    final = losses[-1]
    left.set(xlabel="training step", ylabel="mean squared error", yscale="log", xlim=(0, steps[-1] * 1.02), title="Loss")
    if len(lost):
        left.text(0.5, 0.5, f"not a number by step {int(lost[0])}", transform=left.transAxes, ha="center", color=ORANGE)
    else:
        left.legend()

    right.scatter(train_x, train_y, s=2, color=GREY, alpha=0.4, label="training data")
    right.plot(test_x, test_y, color=BLUE, linewidth=2, label="true function")
    right.plot(evaluated_x, evaluated_pred, color=ORANGE, linewidth=2, linestyle="--", label="network")
    if not np.isfinite(evaluated_pred).all():
        right.text(0.5, 0.1, "no prediction: the outputs are not numbers", transform=right.transAxes, ha="center", color=ORANGE)
    right.set(xlabel="x", ylabel="y", xlim=(-1.05, 1.05), ylim=(-1.15, 1.15), title="Function")
    right.legend(loc="upper left", fontsize="small")
    figure.suptitle(title)
    show(figure, f"{title}: loss over the training steps, and the learned function beside the true one; final test loss {final:.4g}")
    print(f"final test loss: {final:.5f}")


# %%
width = 20
lr = 0.1
batch_size = 32
n_steps = int(TRAIN_N / batch_size * 10)

np.random.seed(100)
torch.manual_seed(100)

model = nn.Sequential(
    nn.Linear(1, width),
    nn.ReLU(),
    nn.Linear(width, 1)
)

# %% tags=["demonstration"]
log = []
model, evaluated_x, evaluated_pred = train_model(model, n_steps, batch_size, lr, 150, log=log)
show_training(log, evaluated_x, evaluated_pred, "One hidden layer")

# %% [markdown]
# The network follows the main swing of the function and misses the finer ones. The next section adds depth.
# First, a way to look inside a network.
#
# ### Local linearization
#
# Collect all weights and biases in one vector $\mathbf{w} \in \mathbb{R}^m$, and let $f(x, \mathbf{w})$ be the
# network's output. For weights $\mathbf{w}'$ near $\mathbf{w}$, Taylor's theorem gives
#
# $$f(x, \mathbf{w}') \approx f(x, \mathbf{w}) + \langle \nabla_\mathbf{w} f(x, \mathbf{w}),\ \mathbf{w}' - \mathbf{w} \rangle .$$
#
# Seen from $\mathbf{w}$, the network is a *linear* model whose features are the $m$ entries of
# $\nabla_\mathbf{w} f(x, \mathbf{w})$. Stack these gradients for the $n$ training points as the rows of a matrix
# $\mathbf{J} \in \mathbb{R}^{n \times m}$, and write $\mathbf{f}(\mathbf{w}) \in \mathbb{R}^n$ for the outputs there:
#
# $$\mathbf{f}(\mathbf{w}') \approx \mathbf{f}(\mathbf{w}) + \mathbf{J}\,(\mathbf{w}' - \mathbf{w}),
# \qquad
# \mathbf{J} = \begin{pmatrix} \nabla_\mathbf{w} f(x_1, \mathbf{w})^\top \\ \vdots \\ \nabla_\mathbf{w} f(x_n, \mathbf{w})^\top \end{pmatrix}
# = \mathbf{U} \boldsymbol{\Sigma} \mathbf{V}^\top .$$
#
# In the singular value decomposition on the right, $\mathbf{U} \in \mathbb{R}^{n \times r}$ and
# $\mathbf{V} \in \mathbb{R}^{m \times r}$ have orthonormal columns, $\boldsymbol{\Sigma} = \mathrm{diag}(\sigma_1 \ge \dots \ge \sigma_r)$,
# and $r$ is the rank of $\mathbf{J}$. Read it like this:
#
# - The columns $\mathbf{v}_k$ of $\mathbf{V}$ are directions in weight space, of unit length.
# - Moving the weights by $\delta$ along $\mathbf{v}_k$ changes the outputs by $\delta\, \mathbf{J} \mathbf{v}_k = \delta\, \sigma_k \mathbf{u}_k$.
#   The column $\sigma_k \mathbf{u}_k$ of $\mathbf{U} \boldsymbol{\Sigma}$, one value per training point, is a function of $x$:
#   the $k$-th **principal feature** $\varphi_k(x)$.
# - The **singular value** $\sigma_k$ is the length of that feature: how much the function moves per unit of weight.
#   To first order, a gradient step on the mean squared error shrinks the error along $\mathbf{u}_k$ at a rate proportional to
#   $\sigma_k^2$. Large $\sigma_k$: learned quickly, and too quickly if the learning rate is large. Tiny $\sigma_k$: practically never learned.
#
# **The rank, and a cheap exact SVD.** With one input, a ReLU network is piecewise linear in $x$. Take a piece: the same
# units are on throughout. There, the entry of $\nabla_\mathbf{w} f$ for a weight is (the unit's input, affine in $x$)
# times (the derivative of the output with respect to the unit, constant in $x$). So on a piece every row of $\mathbf{J}$ is
# $\mathbf{a} + x\, \mathbf{b}$ with the same $\mathbf{a}, \mathbf{b} \in \mathbb{R}^m$: the rows of one piece span at most
# two dimensions, and $P$ pieces give rank $r \le 2P$. `svd_local_linearization` uses this. It finds an orthonormal basis
# $\mathbf{Q} \in \mathbb{R}^{n \times q}$, $q \le 2P$, of the functions that are affine on every piece,
# so $\mathbf{J} = \mathbf{Q} (\mathbf{Q}^\top \mathbf{J})$, and decomposes the small matrix
# $\mathbf{Q}^\top \mathbf{J} \in \mathbb{R}^{q \times m}$ in place of $\mathbf{J}$. Nothing is approximated.

# %%
def feature_matrix(model):
    """The gradient of the output with respect to all m parameters, at every training point: shape (TRAIN_N, m)."""
    params = {name: param.detach().double() for name, param in model.named_parameters()}

    def output(params, x):
        return torch.func.functional_call(model, params, (x.view(1, 1),)).squeeze()

    # grad differentiates one output by all parameters, vmap does that for all points at once.
    gradients = torch.func.vmap(torch.func.grad(output), (None, 0))(params, torch.from_numpy(train_x))
    return torch.cat([gradient.flatten(1) for gradient in gradients.values()], dim=1)


def piecewise_affine_basis(model):
    """Orthonormal basis of the functions affine on each linear piece of `model`: shape (TRAIN_N, at most 2 pieces)."""
    hidden, active = torch.from_numpy(train_x).float().unsqueeze(-1), []
    with torch.no_grad():
        for layer in model:
            hidden = layer(hidden)
            if isinstance(layer, nn.ReLU):
                active.append(hidden > 0)
    # Two points lie on the same piece when the same units are on.
    _, piece = torch.unique(torch.cat(active, dim=1), dim=0, return_inverse=True)
    columns = []
    for index in range(int(piece.max()) + 1):
        on_piece = (piece == index).double()
        x = torch.from_numpy(train_x) * on_piece
        columns.append(on_piece / on_piece.norm())
        slope = x - columns[-1] * (columns[-1] @ x)
        if on_piece.sum() > 1:
            columns.append(slope / slope.norm())
    return torch.stack(columns, dim=1)


def svd_local_linearization(model):
    """Linearize `model` at its present weights.

    Returns the number of parameters m, the singular values, shape (r,), largest first, and the principal
    features at the training points, shape (TRAIN_N, r). They are NaN when the weights are not finite.
    """
    features = feature_matrix(model)
    m = features.shape[1]
    if not torch.isfinite(features).all():
        return m, np.full(1, np.nan), np.full((TRAIN_N, 1), np.nan)
    basis = piecewise_affine_basis(model)
    reduced = basis.T @ features
    if torch.dist(basis @ reduced, features) > 1e-6 * features.norm():
        # Not a network of linear pieces, so no shortcut.
        basis, reduced = torch.eye(TRAIN_N, dtype=torch.double), features
    u, s, _ = torch.linalg.svd(reduced, full_matrices=False)
    principal_feature = basis @ u * s
    # An SVD leaves the sign of a feature open: make its largest value positive.
    extreme = principal_feature.gather(0, principal_feature.abs().argmax(dim=0, keepdim=True))
    return m, s.numpy(), (principal_feature * torch.where(extreme < 0, -1.0, 1.0)).numpy()


# %%
def draw_linearization(axes, m, singular_values, principal_feature):
    """Draw singular values, principal features over x, and the first two features against each other."""
    values, features, plane = axes
    if not np.isfinite(singular_values).all():
        for ax in axes:
            ax.text(0.5, 0.5, "no linearization:\nthe weights are not finite", transform=ax.transAxes, ha="center")
        return
    top = singular_values[:20]
    values.bar(np.arange(len(top)) + 1, top, color=BLUE)
    values.set(yscale="log", xlabel="k", ylabel=r"singular value $\sigma_k$", xlim=(0, 21), xticks=[1, 5, 10, 15, 20])
    values.set_title(f"{min(len(singular_values), 20)} largest singular values")

    order = np.argsort(train_x)
    for k in reversed(range(min(principal_feature.shape[1], 10))):
        style = {0: {"color": BLUE, "linewidth": 2.5, "label": "feature 1"},
                 1: {"color": ORANGE, "linewidth": 2, "linestyle": "--", "label": "feature 2"},
                 2: {"color": GREY, "linewidth": 0.8, "label": "features 3 to 10"}}.get(k, {"color": GREY, "linewidth": 0.8})
        features.plot(train_x[order], principal_feature[order, k], **style)
    features.set(xlabel="x", ylabel=r"principal feature $\varphi_k(x)$", xlim=(-1.02, 1.02))
    features.set_title("10 largest principal features")
    features.legend(*(item[::-1] for item in features.get_legend_handles_labels()), fontsize="small")

    first, second = principal_feature[:, 0], principal_feature[:, min(1, principal_feature.shape[1] - 1)]
    dots = plane.scatter(first, second, c=train_x, s=4, cmap="cividis")
    for x in (-1, 0, 1):
        nearest = np.abs(train_x - x).argmin()
        plane.annotate(f"x = {x}", (first[nearest], second[nearest]), xytext=(4, 4), textcoords="offset points", fontsize="small")
    plane.set(xlabel=r"feature 1, $\varphi_1(x)$", ylabel=r"feature 2, $\varphi_2(x)$", title="First two features, colour is x")
    plane.figure.colorbar(dots, ax=plane, label="x")


def visualize(m, singular_values, principal_feature):
    """Draw one linearization."""
    figure, axes = plt.subplots(1, 3, figsize=(14, 3.6), layout="constrained")
    draw_linearization(axes, m, singular_values, principal_feature)
    show(figure, "Singular values, principal features over x, and the first two principal features against each other")


def compare(linearizations, same_limits=True):
    """Draw several linearizations, {title: (m, singular values, principal features)}, one below the other.

    The singular values always share one axis; `same_limits` says whether the features do too.
    """
    figure = plt.figure(figsize=(14, 3.6 * len(linearizations)), layout="constrained")
    rows = figure.subfigures(len(linearizations), 1)
    drawn = []
    for row, (title, linearization) in zip(rows, linearizations.items()):
        row.suptitle(title, fontweight="bold")
        drawn.append(row.subplots(1, 3))
        draw_linearization(drawn[-1], *linearization)
    for column in zip(*drawn) if same_limits else [next(zip(*drawn))]:
        for which in ("xlim", "ylim"):
            limits = np.array([getattr(ax, f"get_{which}")() for ax in column])
            for ax in column:
                ax.set(**{which: (limits.min(), limits.max())})
    show(figure, f"Singular values and principal features, one row each: {', '.join(linearizations)}")


# %% tags=["demonstration"]
shallow = svd_local_linearization(model)
visualize(*shallow)

# %% [markdown]
# **What to look at.** Left: how fast do the singular values fall? The axis is logarithmic. Middle: at which $x$ do the features
# bend? Right: the curve that the network draws in the plane of its first two features as $x$ runs from $-1$ to $1$. Points
# that lie together there are points that these two features cannot tell apart.
#
# ## A deeper network
#
# > **q1.** Define a fully connected network with **4 hidden layers** of `width` units, one input and one output,
# > with a ReLU after every layer except the last, as one flat `nn.Sequential`. It must pass the three assertions.

# %%
width = 20

model = nn.Sequential(
    # TODO q1: the layers of the network, in order
    # BEGIN SOLUTION
    nn.Linear(1, width), nn.ReLU(),
    nn.Linear(width, width), nn.ReLU(),
    nn.Linear(width, width), nn.ReLU(),
    nn.Linear(width, width), nn.ReLU(),
    nn.Linear(width, 1),
    # STUDENT: todo("q1")
    # END SOLUTION
)

assert len(model) == 9
assert sum(p.numel() for p in model.parameters()) == 1321
assert list(model(torch.randn(10, 1)).shape) == [10, 1]

# %% tags=["demonstration"]
grader.check("q1")

# %% [raw] question="q1"
# """Public checks of q1: the outside of the network only."""
#
# from otter.test_files import test_case
#
# name = "q1"
# points = 3
#
#
# def test_container(model):
#     import torch
#
#     assert isinstance(model, torch.nn.Sequential), f"model is a {type(model).__name__}, expected an nn.Sequential"
#     assert len(model) == 9, f"model has {len(model)} modules, expected 9"
#
#
# def test_parameters(model):
#     count = sum(parameter.numel() for parameter in model.parameters())
#     assert count == 1321, f"model has {count} parameters, expected 1321"
#
#
# def test_outputs(model):
#     import torch
#
#     with torch.no_grad():
#         outputs = model(torch.linspace(-1, 1, 10).unsqueeze(-1))
#     shape = list(outputs.shape)
#     assert shape == [10, 1], f"for inputs of shape [10, 1] the outputs have shape {shape}, expected [10, 1]"
#
#
# _NOT_CHECKED = "Not checked here: which layers these are, in which order, and the function they compute."
# _container = test_case(name="q1: an nn.Sequential of nine modules")(test_container)
# _parameters = test_case(name="q1: 1321 parameters")(test_parameters)
# _outputs = test_case(name="q1: one output per input", success_message=_NOT_CHECKED)(test_outputs)

# %% [markdown]
# ### When the weight scale is too small
#
# Training a deep network depends on where it starts. In this part every weight starts uniform in
# $[-0.03, 0.03]$, every bias at zero.

# %%
def naive_init(scale, module):
    """Draw the weights of a linear layer from one fixed interval, whatever the layer's size."""
    if isinstance(module, nn.Linear):
        nn.init.uniform_(module.weight, -scale, scale)
        nn.init.zeros_(module.bias)


np.random.seed(200)
torch.manual_seed(200)
model.apply(functools.partial(naive_init, 0.03))

# %% [markdown]
# The weight matrices of the network are $\mathbf{W}_0, \mathbf{W}_2, \mathbf{W}_4, \mathbf{W}_6, \mathbf{W}_8$, numbered as in `model`
# (the odd numbers are the ReLUs). With the loss $L(\mathbf{w}) = \frac{1}{n} \lVert \mathbf{f}(\mathbf{w}) - \mathbf{y} \rVert^2$ on all training
# points, the gradient $\nabla_{\mathbf{W}_\ell} L$ has the shape of $\mathbf{W}_\ell$. Its norm tells how far one step of gradient
# descent moves this layer: almost nothing, a sensible distance, or off the map.
#
# > **q2.** Complete `print_gnorms`: for each weight matrix, `gnorm` is the **L2 norm of the gradient of the loss with respect
# > to that matrix**, the square root of the sum of its squared entries (for a matrix also called the Frobenius norm).
# > Your code must work for a network of any depth and width.

# %%
def print_gnorms(model):
    """Print the gradient norm of every weight matrix on the training data, and return them by name."""
    batch_x = torch.from_numpy(train_x).float().unsqueeze(-1)
    batch_y = torch.from_numpy(train_y).float()
    pred = model(batch_x).view(-1)
    criterion = nn.MSELoss()
    loss = criterion(batch_y, pred)
    model.zero_grad()
    loss.backward()

    gnorms = {}
    for name, param in model.named_parameters():
        if name.endswith(".weight"):
            with torch.no_grad():
                # TODO q2: the norm of this weight matrix's gradient
                # BEGIN SOLUTION
                gnorm = param.grad.norm()
                # STUDENT: gnorm = todo("q2")
                # END SOLUTION
                print(name, "{:.8f}".format(gnorm))
                gnorms[name] = float(gnorm)
    return gnorms


gnorms_small = print_gnorms(model)

# %% tags=["demonstration"]
grader.check("q2")

# %% [raw] question="q2"
# """Public checks of q2: what print_gnorms prints, not whether the numbers are right."""
#
# from otter.test_files import test_case
#
# name = "q2"
# points = 2
#
#
# def printed_numbers(print_gnorms, widths):
#     """Call print_gnorms on a network of these widths; returns the last word of each line that names a weight."""
#     import contextlib
#     import io
#
#     import torch
#
#     assert print_gnorms is not None, "there is no function print_gnorms: run the cell that defines it"
#     layers = []
#     for fan_in, fan_out in zip(widths, widths[1:]):
#         layers.extend([torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()])
#     with contextlib.redirect_stdout(io.StringIO()) as printed:
#         print_gnorms(torch.nn.Sequential(*layers[:-1]))
#     return [line.split()[-1] for line in printed.getvalue().splitlines() if ".weight" in line]
#
#
# def check_numbers(print_gnorms, widths):
#     words = printed_numbers(print_gnorms, widths)
#     expected = len(widths) - 1
#     assert len(words) == expected, f"{len(words)} lines name a weight matrix, expected {expected}"
#     for word in words:
#         try:
#             number = float(word)
#         except ValueError:
#             raise AssertionError(f"a line ends in {word!r}, expected a number") from None
#         assert number >= 0, f"a line ends in {word}, expected a number that is not negative"
#
#
# def test_homework_network(print_gnorms):
#     check_numbers(print_gnorms, [1, 20, 20, 20, 20, 1])
#
#
# def test_other_network(print_gnorms):
#     check_numbers(print_gnorms, [1, 6, 11, 1])
#
#
# _NOT_CHECKED = "Not checked here: whether the numbers are the norms that the question asks for."
# _homework = test_case(name="q2: one number for each of the five weight matrices")(test_homework_network)
# _other = test_case(name="q2: the same for a smaller network", success_message=_NOT_CHECKED)(test_other_network)

# %%
def show_gnorms(gnorms):
    """Draw gradient norms, {label: {parameter name: norm}}, layer by layer on a logarithmic axis."""
    figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
    styles = [(BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "^", ":")]
    for (label, norms), (color, marker, linestyle) in zip(gnorms.items(), styles):
        ax.plot(range(len(norms)), norms.values(), color=color, marker=marker, linestyle=linestyle, label=label)
    ax.set_xticks(range(len(norms)), norms)
    ax.set(yscale="log", xlabel="weight matrix, from input to output", ylabel="L2 norm of the loss gradient")
    ax.set(title="Gradient norm of each layer at initialization", ylim=(1e-7, 1e7))
    ax.legend()
    show(figure, f"Gradient norm of each weight matrix on a logarithmic axis for {', '.join(gnorms)}")


# %% tags=["demonstration"]
show_gnorms({"uniform ±0.03": gnorms_small})

# %% [markdown]
# #### Question W1
#
# What are the gradient norms of each layer? Copy the printed numbers and describe them.

# %% [markdown]
# *Your answer to W1 here.*

# %% [markdown]
# Next, train this network. The linearization before and after training is drawn with equal limits, one below the other.

# %% tags=["demonstration"]
small_before = svd_local_linearization(model)

log = []
model, evaluated_x, evaluated_pred = train_model(model, n_steps, batch_size, lr, 250, log=log)
show_training(log, evaluated_x, evaluated_pred, "Four hidden layers, weights uniform ±0.03")

# %% [markdown]
# #### Question W2
#
# Describe the performance of this model.

# %% [markdown]
# *Your answer to W2 here.*

# %% tags=["demonstration"]
small_after = svd_local_linearization(model)
compare({"uniform ±0.03, before training": small_before, "uniform ±0.03, after training": small_after})

# %% [markdown]
# If a figure is hard to read, the numbers behind it may help: the first three principal features (columns) at the first
# training points (rows), before and after.

# %% tags=["demonstration"]
print("before training\n", small_before[2][:6, :3])
print("after training\n", small_after[2][:6, :3])

# %% [markdown]
# #### Question W3
#
# Describe your observation of the principal features and singular values before and after training.

# %% [markdown]
# *Your answer to W3 here.*

# %% [markdown]
# ### When the weight scale is too large
#
# Now every weight starts uniform in $[-3, 3]$.

# %%
np.random.seed(300)
torch.manual_seed(300)
model.apply(functools.partial(naive_init, 3.0))

# %%
gnorms_large = print_gnorms(model)

# %% tags=["demonstration"]
show_gnorms({"uniform ±0.03": gnorms_small, "uniform ±3": gnorms_large})

# %% [markdown]
# #### Question W4
#
# What are the gradient norms of each layer? Copy the printed numbers and describe them.

# %% [markdown]
# *Your answer to W4 here.*

# %% tags=["demonstration"]
large_before = svd_local_linearization(model)
visualize(*large_before)

# %% tags=["demonstration"]
log = []
model, evaluated_x, evaluated_pred = train_model(model, n_steps, batch_size, lr, 350, log=log)
show_training(log, evaluated_x, evaluated_pred, "Four hidden layers, weights uniform ±3")

# %% [markdown]
# #### Question W5
#
# What happened when we tried to train this model? (`log` holds the losses of this run; `model[0].weight` the weights.)

# %% [markdown]
# *Your answer to W5 here.*

# %% [markdown]
# ### A better initialization
#
# > **q3.** Complete `better_init` with an initialization that you learned in this course. The standard deviation of a layer's
# > weights must follow from that layer's own fan: `module.in_features`, `module.out_features`, or both. Draw **every weight afresh**:
# > when `better_init` is called, the old weights may be `NaN`, as they are now. Biases start at zero.

# %%
def better_init(module):
    """Initialize a linear layer on a scale that fits its size."""
    if isinstance(module, nn.Linear):
        # TODO q3: draw module.weight
        # BEGIN SOLUTION
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        # STUDENT: todo("q3")
        # END SOLUTION
        nn.init.zeros_(module.bias)


np.random.seed(600)
torch.manual_seed(600)
model.apply(better_init)

# %%
gnorms_better = print_gnorms(model)

# %% tags=["demonstration"]
grader.check("q3")

# %% [raw] question="q3"
# """Public checks of q3: what better_init touches, not the scale it chooses."""
#
# from otter.test_files import test_case
#
# name = "q3"
# points = 3
#
#
# def initialized_layer(better_init):
#     """A layer with 7 inputs and 5 outputs that held NaN before better_init was called."""
#     import torch
#
#     assert better_init is not None, "there is no function better_init: run the cell that defines it"
#     layer = torch.nn.Linear(7, 5)
#     with torch.no_grad():
#         for parameter in layer.parameters():
#             parameter.fill_(float("nan"))
#     layer.apply(better_init)
#     assert list(layer.weight.shape) == [5, 7], f"the weights now have shape {list(layer.weight.shape)}, expected [5, 7]"
#     return layer
#
#
# def test_weights(better_init):
#     weights = initialized_layer(better_init).weight
#     bad = int((~weights.isfinite()).sum())
#     assert bad == 0, f"{bad} of 35 weights are not finite after weights that were NaN, expected none"
#
#
# def test_fresh(better_init):
#     first, second = (initialized_layer(better_init).weight for _ in range(2))
#     assert not first.equal(second), "two layers got the same weights, expected a fresh draw for each"
#
#
# def test_biases(better_init):
#     bias = initialized_layer(better_init).bias
#     assert bool((bias == 0).all()), "some biases are not zero after better_init, expected all zero"
#
#
# _NOT_CHECKED = "Not checked here: the scale of the weights, and whether the network trains."
# _weights = test_case(name="q3: every weight is drawn, whatever it was before")(test_weights)
# _fresh = test_case(name="q3: each call draws anew")(test_fresh)
# _biases = test_case(name="q3: biases are zero", success_message=_NOT_CHECKED)(test_biases)

# %% tags=["demonstration"]
show_gnorms({"uniform ±0.03": gnorms_small, "uniform ±3": gnorms_large, "better_init": gnorms_better})

# %% [markdown]
# #### Question W6
#
# What are the gradient norms of each layer? Copy the printed numbers and describe them.

# %% [markdown]
# *Your answer to W6 here.*

# %% tags=["demonstration"]
better_before = svd_local_linearization(model)
compare({"uniform ±3, before training": large_before, "better_init, before training": better_before}, same_limits=False)

# %% [markdown]
# The singular values share one axis. The features do **not**: read the numbers on their axes.
#
# #### Question W7
#
# Compare the linearization of the freshly initialized model with that of the model with very large weights before training.

# %% [markdown]
# *Your answer to W7 here.*

# %% tags=["demonstration"]
log = []
model, evaluated_x, evaluated_pred = train_model(model, n_steps, batch_size, lr, 650, log=log)
show_training(log, evaluated_x, evaluated_pred, "Four hidden layers, better_init")

# %% [markdown]
# #### Question W8
#
# Describe the performance of this model.

# %% [markdown]
# *Your answer to W8 here.*

# %% tags=["demonstration"]
better_after = svd_local_linearization(model)
compare({"one hidden layer, trained": shallow, "four hidden layers, better_init, trained": better_after}, same_limits=False)

# %% [markdown]
# #### Question W9
#
# Describe your observation and compare it with the linearization of the network with a single hidden layer.

# %% [markdown]
# *Your answer to W9 here.*

# %% [markdown]
# ## Out-of-distribution generalization
#
# What does the network do where it has seen no data? The new training set has $x \in [-1, 0.4]$ only;
# the test set still covers $[-1, 1]$. Network, initialization and training are the same as before.

# %%
np.random.seed(50)
ood_train_x = np.random.uniform(low=-1.0, high=0.4, size=TRAIN_N)
ood_train_y = f_true(ood_train_x) + np.random.randn(TRAIN_N) * TRAIN_SIGMA

# %%
np.random.seed(600)
torch.manual_seed(600)
model.apply(better_init)

# %% tags=["demonstration"]
log = []
model, evaluated_x, evaluated_pred = train_model(model, n_steps, batch_size, lr, 650, ood_train_x, ood_train_y, log=log)
show_training(log, evaluated_x, evaluated_pred, "Trained on x < 0.4 only", ood_train_x, ood_train_y)

# %% [markdown]
# #### Question W10
#
# Describe the performance of this model.

# %% [markdown]
# *Your answer to W10 here.*

# %% tags=["demonstration"]
ood_after = svd_local_linearization(model)
compare(
    {
        "one hidden layer, trained": shallow,
        "four hidden layers, better_init, trained on all x": better_after,
        "four hidden layers, better_init, trained on x < 0.4": ood_after,
    },
    same_limits=False,
)

# %% [markdown]
# #### Question W11
#
# Describe your observation and compare it with (a) the linearization of the network with a single hidden layer;
# (b) the linearization of the properly initialized network with 4 hidden layers.

# %% [markdown]
# *Your answer to W11 here.*
