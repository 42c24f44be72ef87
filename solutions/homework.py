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
# [![Open Google Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/)
#
# You start the same small network in several ways. Each time you look at three things: the **gradient norm of every
# layer**, the **singular values and features of the network's linearization**, and the **function that it learns**.
# By the end you can often tell the third from the first two, before any training.
#
# | what you hand in | where it goes | how it is graded |
# |---|---|---|
# | three code answers, **q1** to **q3** | in place of `todo("q1")`, `todo("q2")`, `todo("q3")` | automatically, 10 points |
# | eleven written answers, **W1** to **W11** | in the cell under each question | by the course staff |
#
# All other code is given. Run the cells from top to bottom; that takes some five seconds. A cell that needs an answer
# you have not written yet stops with a message such as `q1 is not answered yet`. Training is random, your grade is not:
# the grader tries your code with many random seeds.

# %%
import gc

gc.disable()  # what is imported stays: no garbage to collect, and searching it all would take longer than the first figures

import base64
import copy
import functools
import html
import io
import math
import sys
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn as nn
from IPython.display import display
from tqdm import tqdm

torch.set_num_threads(1)  # networks this small are slower on many cores than on one
gc.freeze()  # nor need the garbage collector search it later
gc.enable()


def todo(question):
    """Stands where an answer is missing, and says so."""
    raise NotImplementedError(
        f'{question} is not answered yet: find todo("{question}") in this notebook and put your code in its place.'
    )


# %% tags=["demonstration"]
# Local checks: grader.check("q1") takes a first look at your answer to q1. Nothing to do in this cell.
import inspect
from pathlib import Path


class LocalChecks:
    """Calls the tests of a question, or says in one line why it cannot."""

    def check(self, question):
        file = next((file for file in (Path(f"tests/{question}.py"), Path(f"{question}.py")) if file.is_file()), None)
        if file is None:
            print(f"{question}: not checked, tests/{question}.py is missing. Put the folder tests beside this notebook.")
            return
        tests = {}
        try:
            exec(compile(file.read_text("utf-8"), file, "exec"), tests)
        except Exception as error:
            print(f"{question}: not checked, {file} is damaged ({type(error).__name__}). Put a fresh copy in its place.")
            return
        for test in [test for name, test in tests.items() if name.startswith("test_")]:
            try:
                test(*[globals().get(name) for name in inspect.signature(test).parameters])
                finding = "as expected"
            except (AssertionError, NotImplementedError) as error:
                finding = f"NOT YET, {error}"
            except Exception as error:
                finding = f"NOT YET, {type(error).__name__}: {error}"
            print(f"{question}: {test.__doc__}: {finding}")
        print(tests.get("NOT_CHECKED", "Not checked here: whether the answer is right."))


grader = LocalChecks()

# %%
# How the figures look: a palette that colour-blind readers can tell apart (Okabe and Ito), and never colour alone.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#767676"
plt.rcParams.update(
    {
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": "medium",
        "axes.titley": 1.02,
        "figure.dpi": 80,
        "grid.alpha": 0.3,
        "legend.fontsize": "small",
        "legend.frameon": False,
    }
)


SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def logarithmic(ax):
    """Make the vertical axis logarithmic, with a few marks, at powers of ten only."""
    ax.set_yscale("log")
    ax.minorticks_off()
    ax.locator_params(axis="y", numticks=6)
    ax.yaxis.set_major_formatter(lambda value, _: f"10{str(round(math.log10(value))).translate(SUPERSCRIPTS)}")


def show(figure, description):
    """Display a figure with `description` as its alternative text, and close it."""
    global last_shown
    picture = io.BytesIO()
    figure.savefig(picture, format="png", pil_kwargs={"compress_level": 1})
    plt.close(figure)
    # As HTML: Jupyter drops the alternative text of a plain image.
    source = base64.b64encode(picture.getvalue()).decode()
    image = f'<img src="data:image/png;base64,{source}" alt="{html.escape(description)}">'
    display({"text/html": image, "text/plain": description}, raw=True)
    last_shown = time.time()


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
np.random.seed({{ data function_seed }})
F_TRUE_PARAMS = np.random.rand({{ data frequencies }}) * 2.0 - 1.0


def f_true(x):
    """The function to learn, at the points x of shape (n,)."""
    k = np.arange(F_TRUE_PARAMS.shape[0])
    return (np.sin(x[:, None] * k[None, :] * math.pi) * F_TRUE_PARAMS).sum(axis=-1)


# %%
# Noisy training data
np.random.seed({{ data data_seed }})
TRAIN_N = {{ data train }}
TRAIN_SIGMA = {{ data noise }}
train_x = np.random.uniform(low=-1.0, high=1.0, size=TRAIN_N)
train_y = f_true(train_x) + np.random.randn(TRAIN_N) * TRAIN_SIGMA

# Noise-free test data
np.random.seed({{ data data_seed }})
TEST_N = {{ data test }}
test_x = np.linspace(-1, 1, TEST_N)
test_y = f_true(test_x)

# %% tags=["demonstration"]
figure, axes = plt.subplots(figsize=(8, 3.4))
figure.subplots_adjust(left=0.1, right=0.98, bottom=0.15, top=0.9)
axes.scatter(train_x, train_y, s=3, color=GREY, label="training data (noisy)")
axes.plot(test_x, test_y, color=BLUE, linewidth=2, label="true function")
axes.set(xlabel="x", ylabel="y", title=f"{TRAIN_N} training points around the true function")
axes.legend()
show(figure, "Scatter of the training points around the smooth odd curve of the true function on the interval -1 to 1")

# %% [markdown]
# ## A network with one hidden layer
#
# The first network has one hidden layer of 20 ReLU units. It is trained by stochastic gradient descent with momentum,
# on mini-batches of 32 points, for about ten passes (epochs) through the data. In every step, each parameter $w$ with
# gradient $g$ on the mini-batch has its velocity $v$ (zero at the start) and itself changed by
#
# $$v \leftarrow 0.9\, v + g, \qquad w \leftarrow w - \eta\, v, \qquad \eta = 0.1 .$$
#
# `train_model` returns the model, the test points, and its predictions there. Give it a list as `log`, and it records
# the losses in it: at every step the loss on the mini-batch, once per epoch the loss on the test data. It stops when the
# loss is NaN (not a number), for then some weights are and remain so.

# %%
@torch.no_grad()
def sgd_step(params, velocities, gradients, lr):
    """Change parameters and velocities in place, by one step of stochastic gradient descent with momentum 0.9."""
    for param, velocity, gradient in zip(params, velocities, gradients):
        velocity.mul_(0.9).add_(gradient)
        param.sub_(velocity, alpha=lr)


def train_model(model, n_steps, batch_size, lr, seed, train_x=train_x, train_y=train_y, log=None):
    """Train `model` in place on the mean squared error.

    Returns the model, the test points, shape (TEST_N,), and its predictions there, same shape.
    Appends {"step": ..., "train_loss": ...} and {"step": ..., "test_loss": ...} records to the list `log`.
    """
    np.random.seed(seed)
    torch.manual_seed(seed)
    log = [] if log is None else log
    eval_interval = int(TRAIN_N / batch_size) + 1
    criterion = nn.MSELoss()
    params = list(model.parameters())
    velocities = [torch.zeros_like(param) for param in params]

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
        sgd_step(params, velocities, torch.autograd.grad(loss, params), lr)
        log.append({"step": step, "train_loss": loss.item()})
        last = step + 1 == n_steps or math.isnan(loss.item())
        if (step + 1) % eval_interval == 0 or last:
            with torch.no_grad():
                pred = model(test_inputs).view(-1)
                log.append({"step": step, "test_loss": criterion(pred, test_targets).item()})
        if last:
            break
    return model, test_inputs.view(-1).numpy(), pred.numpy()


def show_training(log, evaluated_x, evaluated_pred, title, train_x=train_x, train_y=train_y):
    """Draw the losses of a run and the function that it learned, and print the final test loss."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 3.8))
    figure.subplots_adjust(left=0.07, right=0.98, bottom=0.14, top=0.8, wspace=0.2)
    figure.suptitle(title, fontweight="bold")
    losses = {}
    for key, style in {
        "train_loss": {"color": GREY, "linewidth": 0.8, "label": "on the training batch (noisy)"},
        "test_loss": {"color": BLUE, "marker": "o", "label": "on the test data (noise-free)"},
    }.items():
        steps, losses[key] = np.array([(entry["step"] + 1, entry[key]) for entry in log if key in entry]).T
        finite = np.isfinite(losses[key])
        if finite.any():
            left.plot(steps[finite], losses[key][finite], **style)
    left.set(xlabel="training step", ylabel="mean squared error (log scale)")
    left.locator_params(axis="x", nbins=5, integer=True)
    logarithmic(left)
    if np.isfinite(losses["train_loss"]).all():
        left.set(xlim=(0, n_steps), ylim=(1e-3, 1))
    else:
        end = int(np.isfinite(losses["train_loss"]).argmin()) + 1
        left.axvline(end, color=ORANGE, linestyle="--", label=f"not finite from step {end} on")
        left.lines[0].set_marker("s")
        left.set(xlim=(0, 2 * end))
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)

    right.scatter(train_x, train_y, s=2, color=GREY, alpha=0.4, label="training data")
    right.plot(test_x, test_y, color=BLUE, linewidth=2, label="true function")
    if np.isfinite(evaluated_pred).all():
        right.plot(evaluated_x, evaluated_pred, color=ORANGE, linewidth=2.5, linestyle="--", label="network")
    else:
        right.text(0, -1, "the network's outputs are not numbers", ha="center", color=ORANGE)
    right.set(xlabel="x", ylabel="y", xlim=(-1.05, 1.05), ylim=(-1.15, 1.15))
    right.locator_params(nbins=4)
    right.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    final = losses["test_loss"][-1]
    show(figure, f"{title}. Left: loss over the training steps, final test loss {final:.4g}. Right: the learned and the true function.")
    print(f"final test loss: {final:.5f}")


# %%
width = {{ network width }}
lr = {{ training learning_rate }}
batch_size = {{ training batch_size }}
n_steps = int(TRAIN_N / batch_size * {{ training epochs }})

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
# The network follows the largest swings of the function and cuts through the smaller ones. Before a deeper network tries
# to do better, here is a way to look inside.
#
# ### Local linearization
#
# Collect all weights and biases in one vector $\mathbf{w} \in \mathbb{R}^m$, and let $f(x, \mathbf{w}) \in \mathbb{R}$ be the
# network's output. For weights $\mathbf{w}'$ near $\mathbf{w}$, the first-order Taylor expansion is
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
# - The **singular value** $\sigma_k = \lVert \sigma_k \mathbf{u}_k \rVert$ is the size of that feature: how far the outputs move per unit of weight.
#   While the linearization holds, a step of plain gradient descent with learning rate $\eta$ on the mean squared error
#   $\frac{1}{n} \lVert \mathbf{f}(\mathbf{w}) - \mathbf{y} \rVert^2$ multiplies the part of the error $\mathbf{f}(\mathbf{w}) - \mathbf{y}$
#   along $\mathbf{u}_k$ by $1 - \frac{2\eta}{n} \sigma_k^2$. Near 1, that part hardly changes; below $-1$, it grows.
#
# **The rank, and a cheap exact SVD.** A ReLU network with one input is piecewise affine in $x$; on one piece the same
# units are on (have positive input) throughout. There, the derivative of the output with respect to a weight is the product of what enters
# the weight, affine in $x$, and the derivative with respect to what leaves it, constant in $x$. So on a piece the rows of
# $\mathbf{J}$ are $(\mathbf{a} + x\, \mathbf{b})^\top$ with the same $\mathbf{a}, \mathbf{b} \in \mathbb{R}^m$. They span at most two
# dimensions, and $P$ pieces give rank $r \le 2P$. `svd_local_linearization` uses this. Let $x_\text{l}$ and $x_\text{r}$ be the
# leftmost and rightmost training points of a piece. The row of a point $x$ between them is $1 - t$ times the row of $x_\text{l}$ plus $t$ times that of
# $x_\text{r}$, where $t = (x - x_\text{l}) / (x_\text{r} - x_\text{l})$. For all points at once, $\mathbf{J} = \mathbf{A} \mathbf{G}$:
# $\mathbf{G} \in \mathbb{R}^{2P \times m}$ holds the two rows of every piece, and $\mathbf{A} \in \mathbb{R}^{n \times 2P}$ the factors
# $1 - t$ and $t$. With the QR decomposition $\mathbf{A} = \mathbf{Q} \mathbf{R}$, the SVD of the small matrix
# $\mathbf{R} \mathbf{G} \in \mathbb{R}^{2P \times m}$, multiplied by $\mathbf{Q}$ from the left, is that of $\mathbf{J}$. Nothing is approximated.

# %%
def feature_matrix(model, x):
    """The gradient of the output with respect to all m parameters, at the points x of shape (n,): shape (n, m)."""
    # Every point gets a copy of the weights for itself, and vmap computes the outputs of all these networks at once. No
    # output depends on another's weights, so one gradient of their sum is the gradient of every output by its own.
    copies = {
        name: param.detach().double().expand(len(x), *param.shape).requires_grad_()
        for name, param in model.named_parameters()
    }
    outputs = torch.func.vmap(functools.partial(torch.func.functional_call, model))(copies, x.view(-1, 1, 1))
    gradients = torch.autograd.grad(outputs.sum(), list(copies.values()))
    return torch.cat([gradient.flatten(1) for gradient in gradients], dim=1)


def linear_pieces(model, x):
    """The ends of the P linear pieces of `model`, and how the points x of shape (n,) lie between them.

    Returns the 2P ends, which are points of x, and the matrix A, shape (n, 2P): a function that is affine on
    every piece has the values A @ v at x, where v are its values at the ends.
    """
    if not all(isinstance(layer, (nn.Linear, nn.ReLU)) for layer in model):
        return x, torch.eye(len(x), dtype=x.dtype)  # no such pieces: every point for itself
    order = x.argsort()
    hidden = x[order].unsqueeze(-1)
    active = [torch.ones_like(hidden, dtype=torch.bool)]
    with torch.no_grad():
        for layer in copy.deepcopy(model).double():
            hidden = layer(hidden)
            if isinstance(layer, nn.ReLU):
                active.append(hidden > 0)
    # Neighbours lie on the same piece when the same units are on.
    _, piece, size = torch.unique_consecutive(torch.cat(active, dim=1), dim=0, return_inverse=True, return_counts=True)
    last = size.cumsum(0) - 1
    left, right = x[order[last - size + 1]], x[order[last]]
    t = ((x[order] - left[piece]) / (right - left)[piece]).nan_to_num(0)  # 0 / 0 for a point alone on its piece
    between = torch.zeros(len(x), 2 * len(size), dtype=x.dtype)
    between[order, 2 * piece], between[order, 2 * piece + 1] = 1 - t, t
    return torch.stack([left, right], dim=1).flatten(), between


def svd_local_linearization(model):
    """Linearize `model` at its present weights.

    Returns the number of parameters m, the singular values, shape (r,), largest first, and the principal
    features at the training points, shape (TRAIN_N, r). They are NaN when the weights are not finite.
    """
    ends, between = linear_pieces(model, torch.from_numpy(train_x))
    features = feature_matrix(model, ends)
    m = features.shape[1]
    if not torch.isfinite(features).all():
        return m, np.full(1, np.nan), np.full((TRAIN_N, 1), np.nan)
    basis, small = torch.linalg.qr(between)
    u, s, _ = torch.linalg.svd(small @ features, full_matrices=False)
    r = int((s > s[0] * max(TRAIN_N, m) * torch.finfo(s.dtype).eps).sum())  # beyond the rank: rounding errors
    principal_feature = basis @ u[:, :r] * s[:r]
    # An SVD leaves the sign of a feature open: make its largest value positive.
    extreme = principal_feature.gather(0, principal_feature.abs().argmax(dim=0, keepdim=True))
    return m, s[:r].numpy(), (principal_feature * extreme.sign()).numpy()


# %%
def draw_features(features, plane, principal_feature):
    """Draw principal features over x, and the first two against each other."""
    rank = principal_feature.shape[1]
    order = np.argsort(train_x)
    styles = [
        {"color": BLUE, "linewidth": 2.5, "label": "k = 1", "zorder": 3},
        {"color": ORANGE, "linewidth": 2, "linestyle": "--", "label": "k = 2", "zorder": 3},
        {"color": GREY, "linewidth": 0.8, "label": "k = 3 to 10"},
    ]
    for k in range(min(rank, 10)):
        style = styles[k] if k < 3 else {**styles[2], "label": None}
        features.plot(train_x[order], principal_feature[order, k], **style)

    first, second = principal_feature[:, 0], principal_feature[:, 1] if rank > 1 else np.zeros(TRAIN_N)
    plane.scatter(first, second, c=train_x, s=6, linewidths=0, cmap="cividis", vmin=-1, vmax=1)
    for x, marker, size in ((-1, "<", 9), (0, "s", 7), (1, ">", 9)):
        nearest = np.abs(train_x - x).argmin()
        plane.plot(first[nearest], second[nearest], marker, color=ORANGE, markerfacecolor="none", markersize=size)
    # Never zoom in on differences that are tiny beside the features themselves.
    least = 0.2 * np.abs(principal_feature[:, :2]).max()
    for axis in ("x", "y"):
        low, high = getattr(plane, f"get_{axis}lim")()
        spare = max(0, least - (high - low)) / 2
        plane.set(**{f"{axis}lim": (low - spare, high + spare)})
    features.locator_params(axis="y", nbins=4)
    plane.locator_params(nbins=4)


def compare(linearizations, same_limits=True):
    """Draw linearizations, {title: (m, singular values, principal features)}: the singular values of all in one
    picture, and a row of features for each. `same_limits` says whether the rows have the same limits.
    """
    count = len(linearizations)
    height = 0.8 + 3.1 * count  # inches
    figure, axes = plt.subplot_mosaic([["values", f"features {k}", f"plane {k}"] for k in range(count)], figsize=(13, height))
    figure.subplots_adjust(left=0.06, right=0.99, bottom=0.5 / height, top=1 - 0.75 / height, wspace=0.25, hspace=0.35)
    values = axes["values"]
    rows = [(axes[f"features {k}"], axes[f"plane {k}"]) for k in range(count)]
    values.set(xlabel="k", ylabel="singular value σₖ (log scale)", title="singular values, 20 at most")
    values.set(xlim=(0, 21), xticks=[1, 10, 20])
    logarithmic(values)

    styles = [(GREEN, "o", "●"), ("black", "s", "■"), (GREY, "^", "▲")]
    summaries, finite = [], []
    for (title, (_, singular_values, principal_feature)), row, (color, marker, sign) in zip(linearizations.items(), rows, styles):
        for ax, xlabel, ylabel in zip(row, ("x", "first feature φ₁(x)"), ("principal feature φₖ(x)", "second feature φ₂(x)")):
            ax.set(xlabel=xlabel, ylabel=ylabel)
        row[0].set(xlim=(-1.02, 1.02), xticks=[-1, -0.5, 0, 0.5, 1])
        if np.isfinite(singular_values).all():
            largest = singular_values[:20]
            values.plot(np.arange(len(largest)) + 1, largest, color=color, marker=marker, linewidth=0.8)
            draw_features(*row, principal_feature)
            finite.append((row, largest))
            title = f"{title}: rank {len(singular_values)}"
            summaries.append(f"{title}, largest singular value {largest[0]:.3g}")
        else:
            for ax in row:
                ax.text(0.5, 0.5, "no linearization:\nthe weights are not finite", transform=ax.transAxes, ha="center")
            summaries.append(f"{title}: not finite")
        row[0].text(0, 1.12, f"{sign} {title}", color=color, transform=row[0].transAxes, fontweight="bold", fontsize="large")

    if finite:
        shown = np.concatenate([largest for _, largest in finite])
        # From one power of ten to another.
        values.set_ylim(10 ** np.floor(np.log10(shown.min())), 10 ** np.ceil(np.log10(shown.max())))
        features, plane = finite[0][0]  # the legends of one row do for all
        features.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
        plane.set_title("x = −1 ◁ dark     x = 0 □     x = 1 ▷ bright", fontsize="small", color=ORANGE)
    if same_limits:
        for column in zip(*rows):
            for limits in ("xlim", "ylim"):
                bounds = [getattr(ax, f"get_{limits}")() for ax in column]
                for ax in column:
                    ax.set(**{limits: (np.min(bounds), np.max(bounds))})
    for row in rows[:-1]:  # the row below has the same horizontal axes
        for ax in row if same_limits else row[:1]:
            ax.set_xlabel("")
            ax.tick_params(labelbottom=False)
    show(
        figure,
        "Singular values, principal features over x, and the first two features against each other. "
        f"Rows: {'; '.join(summaries)}.",
    )


def visualize(m, singular_values, principal_feature, title):
    """Draw one linearization."""
    compare({title: (m, singular_values, principal_feature)})


# %% tags=["demonstration"]
shallow = svd_local_linearization(model)
visualize(*shallow, "one hidden layer, trained")

# %% [markdown]
# **What to look at.** Left: how fast do the singular values fall? The axis is logarithmic, and the heading gives the rank.
# Middle: where do the features bend or jump, and is every part of the interval treated alike? Right: the same first two
# features as coordinates; points that lie together there are points that these two features cannot tell apart.
#
# ## A deeper network
#
# > **q1.** Define a fully connected network with **4 hidden layers** of `width` units, one input and one output,
# > with a ReLU after every layer except the last, as one flat `nn.Sequential`. It must pass the three assertions.
#
# <details><summary>Hint for q1</summary>
# The first network of this notebook shows the pattern. The assertions ask for nine modules: how many of them are ReLUs?
# </details>

# %%
width = {{ network width }}

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

assert len(model) == {{ children }}
assert sum(p.numel() for p in model.parameters()) == {{ parameters }}
assert list(model(torch.randn(10, 1)).shape) == [10, 1]

# %% tags=["demonstration"]
grader.check("q1")

# %% [raw] question="q1"
# """Public checks of q1: the outside of the network only."""
#
# import sys
#
# import torch
#
# OK_FORMAT = False
# name = "q1"
# points = 3
# NOT_CHECKED = "Not checked here: which layers these are, in which order, and the function they compute."
#
#
# def test_container(model):
#     """an nn.Sequential of nine modules"""
#     assert isinstance(model, torch.nn.Sequential), f"model is a {type(model).__name__}, expected an nn.Sequential"
#     assert len(model) == {{ children }}, f"model has {len(model)} modules, expected 9 (was the cell of q1 run?)"
#
#
# def test_parameters(model):
#     """{{ parameters }} parameters"""
#     count = sum(parameter.numel() for parameter in model.parameters())
#     assert count == {{ parameters }}, f"model has {count} parameters, expected {{ parameters }}"
#
#
# def test_outputs(model):
#     """one output per input"""
#     with torch.no_grad():
#         outputs = model(torch.linspace(-1, 1, 10).unsqueeze(-1))
#     shape = list(outputs.shape)
#     assert shape == [10, 1], f"for inputs of shape [10, 1] the outputs have shape {shape}, expected [10, 1]"
#
#
# if "otter" in sys.modules:  # Otter, too, can run these tests; the notebook itself does without it
#     from otter.test_files import test_case as case
#     _container = case(name="q1: " + test_container.__doc__)(test_container)
#     _parameters = case(name="q1: " + test_parameters.__doc__)(test_parameters)
#     _outputs = case(name="q1: " + test_outputs.__doc__, success_message=NOT_CHECKED)(test_outputs)

# %% [markdown]
# ### When the weight scale is too small
#
# How a deep network trains depends on where it starts. In this part every weight starts uniform in
# $[-0.03, 0.03]$ and every bias at zero.

# %%
def naive_init(scale, module):
    """Draw the weights of a linear layer from one fixed interval, whatever the layer's size."""
    if isinstance(module, nn.Linear):
        nn.init.uniform_(module.weight, -scale, scale)
        nn.init.zeros_(module.bias)


np.random.seed(200)
torch.manual_seed(200)
model.apply(functools.partial(naive_init, 0.03));

# %% [markdown]
# **Why the scale matters.** The weight matrices $\mathbf{W}_0, \mathbf{W}_2, \mathbf{W}_4, \mathbf{W}_6, \mathbf{W}_8$ carry their
# position in `model`; the odd positions are the ReLUs. Let $\mathbf{a}_\ell \in \mathbb{R}^{d_\ell}$ be the input of layer $\ell$ for one
# data point, $\mathbf{z}_\ell = \mathbf{W}_\ell \mathbf{a}_\ell + \mathbf{b}_\ell$ its output, with
# $\mathbf{W}_\ell \in \mathbb{R}^{d_{\ell+2} \times d_\ell}$ and $\mathbf{z}_\ell, \mathbf{b}_\ell \in \mathbb{R}^{d_{\ell+2}}$, and
# $\mathbf{a}_{\ell+2} = \mathrm{ReLU}(\mathbf{z}_\ell)$ what the next layer gets. So $\mathbf{a}_0 = x$ and $\mathbf{z}_8 = f(x, \mathbf{w})$.
# Backpropagation starts from $\delta_8 = \partial L / \partial f$ and computes, for a loss $L$,
#
# $$\nabla_{\mathbf{W}_\ell} L = \boldsymbol{\delta}_\ell\, \mathbf{a}_\ell^\top,
# \qquad
# \boldsymbol{\delta}_\ell = \nabla_{\mathbf{z}_\ell} L
# = \mathbf{1}[\mathbf{z}_\ell > 0] \odot \mathbf{W}_{\ell+2}^\top \boldsymbol{\delta}_{\ell+2},$$
#
# with $\mathbf{1}[\cdot]$ one where the condition holds and zero elsewhere, $\odot$ the entrywise product, and the gradients
# summed over the data points. The signal $\mathbf{a}_\ell$ has passed through all the layers before $\ell$, the error
# $\boldsymbol{\delta}_\ell$ through all those behind it. Every layer on the way multiplies by its weights, so a factor that is
# harmless in one layer acts as a power in a deep network. The norm of $\nabla_{\mathbf{W}_\ell} L$ shows the outcome: it is how far
# a step of gradient descent moves that layer, up to the learning rate.
#
# > **q2.** Complete `print_gnorms`: for each weight matrix, `gnorm` is the **L2 norm of the gradient of the loss with respect
# > to that matrix**, on all training data. It is the square root of the sum of the gradient's squared entries, which for a
# > matrix is also called the Frobenius norm. Your code must work for a network of any depth and width.
#
# <details><summary>Hint for q2</summary>
# After <code>loss.backward()</code>, every parameter has its gradient with it: the documentation of <code>torch.Tensor</code> says where.
# To check yourself, compare one entry of it with a difference quotient of the loss.
# </details>

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
# import contextlib
# import io
# import sys
#
# import torch
#
# OK_FORMAT = False
# name = "q2"
# points = 2
# NOT_CHECKED = "Not checked here: whether the numbers are the norms that the question asks for."
#
#
# def printed_numbers(print_gnorms, widths):
#     """Call print_gnorms on a network of these widths; returns the last word of each line that names a weight."""
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
#     """one number for each of the five weight matrices"""
#     check_numbers(print_gnorms, [1, 20, 20, 20, 20, 1])
#
#
# def test_other_network(print_gnorms):
#     """the same for a smaller network"""
#     check_numbers(print_gnorms, [1, 6, 11, 1])
#
#
# if "otter" in sys.modules:  # Otter, too, can run these tests; the notebook itself does without it
#     from otter.test_files import test_case as case
#     _homework = case(name="q2: " + test_homework_network.__doc__)(test_homework_network)
#     _other = case(name="q2: " + test_other_network.__doc__, success_message=NOT_CHECKED)(test_other_network)

# %%
def show_gnorms(gnorms):
    """Draw gradient norms, {label: {parameter name: norm}}, layer by layer on a logarithmic axis."""
    figure, ax = plt.subplots(figsize=(8, 3.8))
    figure.subplots_adjust(left=0.1, right=0.98, bottom=0.15, top=0.82)
    figure.suptitle("Gradient norm of each layer at initialization", fontweight="bold")
    styles = [(BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "^", ":")]
    for (label, norms), (color, marker, linestyle) in zip(gnorms.items(), styles):
        ax.plot(range(len(norms)), list(norms.values()), color=color, marker=marker, linestyle=linestyle, label=label)
    ax.set_xticks(range(len(norms)), norms)
    ax.set(xlabel="weight matrix, from input to output", ylabel="L2 norm of the gradient (log scale)")
    logarithmic(ax)
    ax.set(ylim=(1e-7, 1e7), yticks=10.0 ** np.arange(-6, 7, 3))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)
    ranges = "; ".join(f"{label}, {min(norms.values()):.1e} to {max(norms.values()):.1e}" for label, norms in gnorms.items())
    show(figure, f"Gradient norm of each weight matrix on a logarithmic axis. Smallest to largest: {ranges}.")


# %% tags=["demonstration"]
show_gnorms({"uniform ±0.03": gnorms_small})

# %% [markdown]
# #### Question W1
#
# What are the gradient norms of each layer? Copy the printed numbers and describe them.

# %% [markdown]
# *Your answer to W1 here.*

# %% [markdown]
# Now this network is trained. Its linearization before training is kept for comparison.

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

# %% [markdown]
# The linearization before and after training, drawn with equal limits. What kind of function can these features add to the
# network's output, and at what size?

# %% tags=["demonstration"]
small_after = svd_local_linearization(model)
compare({"uniform ±0.03, before training": small_before, "uniform ±0.03, after training": small_after})

# %% [markdown]
# Where the figure is hard to read, the numbers help: the first four principal features (columns) at six training points
# (rows).

# %% tags=["demonstration"]
for when, (_, _, principal_feature) in {"before training": small_before, "after training": small_after}.items():
    print(when)
    for x, row in zip(train_x[:6], principal_feature):
        print(f"  x = {x:5.2f}:", "  ".join(f"{value:9.1e}" for value in row[:4]))

# %% [markdown]
# #### Question W3
#
# Describe your observation of the principal features and singular values before and after training.

# %% [markdown]
# *Your answer to W3 here.*

# %% [markdown]
# ### When the weight scale is too large
#
# Now every weight starts uniform in $[-3, 3]$, a hundred times wider than before. Before you run on, guess: by which factor
# will the gradient norms change?

# %%
np.random.seed(300)
torch.manual_seed(300)
model.apply(functools.partial(naive_init, 3.0));

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

# %% [markdown]
# The linearization before training. Read the numbers at the axes before you look at the shapes: the singular values say how
# far a step moves the outputs, and the targets are below 1 in size.

# %% tags=["demonstration"]
large_before = svd_local_linearization(model)
visualize(*large_before, "uniform ±3, before training")

# %% tags=["demonstration"]
log = []
model, evaluated_x, evaluated_pred = train_model(model, n_steps, batch_size, lr, 350, log=log)
show_training(log, evaluated_x, evaluated_pred, "Four hidden layers, weights uniform ±3")

# %% [markdown]
# #### Question W5
#
# What happened when we tried to train this model? (The losses of the first steps are in `log[:5]`.)

# %% [markdown]
# *Your answer to W5 here.*

# %% [markdown]
# ### A better initialization
#
# Both scales above were picked by hand, the same for every layer.
#
# > **q3.** Complete `better_init` with an initialization that you learned in this course. The standard deviation of a layer's
# > weights must follow from that layer's own fan: its `in_features`, its `out_features`, or both. Draw **every weight
# > afresh**: when `better_init` is called, the old weights may be `NaN`. Biases start at zero.
#
# <details><summary>Hint for q3</summary>
# A <code>module</code> of type <code>nn.Linear</code> has the attributes <code>in_features</code> and <code>out_features</code>. Ask what
# variance of the weights lets the signal leave a layer as large as it came in. <code>torch.nn.init</code> has functions for it;
# its own formula is as good.
# </details>

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
model.apply(better_init);

# %%
gnorms_better = print_gnorms(model)

# %% tags=["demonstration"]
grader.check("q3")

# %% [raw] question="q3"
# """Public checks of q3: what better_init touches, not the scale it chooses."""
#
# import sys
#
# import torch
#
# OK_FORMAT = False
# name = "q3"
# points = 3
# NOT_CHECKED = "Not checked here: the scale of the weights, and whether the network trains."
#
#
# def initialized_layer(better_init):
#     """A layer with 7 inputs and 5 outputs that held NaN before better_init was called."""
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
#     """every weight is drawn, whatever it was before"""
#     weights = initialized_layer(better_init).weight
#     bad = int((~weights.isfinite()).sum())
#     assert bad == 0, f"{bad} of 35 weights are not finite after weights that were NaN, expected none"
#
#
# def test_fresh(better_init):
#     """each call draws anew"""
#     first, second = (initialized_layer(better_init).weight for _ in range(2))
#     assert not first.equal(second), "two layers got the same weights, expected a fresh draw for each"
#
#
# def test_biases(better_init):
#     """biases are zero"""
#     bias = initialized_layer(better_init).bias
#     assert bool((bias == 0).all()), "some biases are not zero after better_init, expected all zero"
#
#
# if "otter" in sys.modules:  # Otter, too, can run these tests; the notebook itself does without it
#     from otter.test_files import test_case as case
#     _weights = case(name="q3: " + test_weights.__doc__)(test_weights)
#     _fresh = case(name="q3: " + test_fresh.__doc__)(test_fresh)
#     _biases = case(name="q3: " + test_biases.__doc__, success_message=NOT_CHECKED)(test_biases)

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
# The singular values share one axis. The features do **not**: read the numbers at their axes.
#
# #### Question W7
#
# Compare the linearization of the freshly initialized model with that of the model with very large weights before training.
# What is alike, what differs?

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

# %% [markdown]
# The trained deep network beside the trained shallow one, with equal limits. How fast do the singular values fall, and where
# do the features bend or jump?

# %% tags=["demonstration"]
better_after = svd_local_linearization(model)
compare({"one hidden layer, trained": shallow, "four hidden layers, better_init, trained": better_after})

# %% [markdown]
# #### Question W9
#
# Describe your observation and compare it with the linearization of the network with a single hidden layer.

# %% [markdown]
# *Your answer to W9 here.*

# %% [markdown]
# ## Out-of-distribution generalization
#
# The new training set has $x \in [-1, 0.4]$ only. The test set still covers $[-1, 1]$; network, initialization, seeds and
# training stay the same. The loss speaks about the network at the training points: ask yourself what determines the
# function anywhere else.

# %%
np.random.seed(50)
ood_train_x = np.random.uniform(low=-1.0, high=0.4, size=TRAIN_N)
ood_train_y = f_true(ood_train_x) + np.random.randn(TRAIN_N) * TRAIN_SIGMA

# %%
np.random.seed(600)
torch.manual_seed(600)
model.apply(better_init);

# %% tags=["demonstration"]
log = []
model, evaluated_x, evaluated_pred = train_model(model, n_steps, batch_size, lr, 650, ood_train_x, ood_train_y, log=log)
show_training(log, evaluated_x, evaluated_pred, "Trained on x < 0.4 only", ood_train_x, ood_train_y)

# %% [markdown]
# ### Question W10
#
# Describe the performance of this model. Look at both parts of the interval.

# %% [markdown]
# *Your answer to W10 here.*

# %% [markdown]
# The linearizations of all three trained networks, with equal limits. The features are evaluated on the whole interval, at the
# points of the *first* training set: you see how finely a network can still adjust its output, also where it had no data.

# %% tags=["demonstration"]
ood_after = svd_local_linearization(model)
compare(
    {
        "one hidden layer, trained": shallow,
        "four hidden layers, better_init, trained on all x": better_after,
        "four hidden layers, better_init, trained on x < 0.4": ood_after,
    }
)

# %% [markdown]
# ### Question W11
#
# Describe your observation and compare it with (a) the linearization of the network with a single hidden layer;
# (b) the linearization of the properly initialized network with 4 hidden layers.

# %% [markdown]
# *Your answer to W11 here.*

# %% [markdown]
# ## How much does one run prove? (optional, not graded)
#
# Every figure above shows a single run: one draw of the weights, one order of the batches. Would other runs have ended alike?
# And which is better: `better_init`, or yet another interval picked by hand, $[-0.3, 0.3]$?
#
# `train_many` trains 64 networks from each start, all at once, each with weights and batches of its own, by the same rule as
# `train_model`. It stacks the weight matrices of all $N$ networks to one array of shape $(N, d_{\ell+2}, d_\ell)$, multiplies them in
# one go, and computes the gradients by the formulas for $\boldsymbol{\delta}_\ell$ and $\nabla_{\mathbf{W}_\ell} L$ that stand above
# question q2.

# %%
def train_many(starts, runs=64, seed=0):
    """Train networks with four hidden layers, `runs` from each start (init, train_x, train_y), all at once.

    `init` initializes a linear layer. Returns the predictions at the test points, shape (starts, runs, TEST_N).
    """
    np.random.seed(seed)
    torch.manual_seed(seed)
    networks = [start for start in starts for _ in range(runs)]
    weights, biases = [], []
    for fan_in, fan_out in [(1, width), *[(width, width)] * 3, (width, 1)]:
        layer, drawn = nn.Linear(fan_in, fan_out), []
        for init, _, _ in networks:
            init(layer)
            drawn.append((layer.weight.detach().clone(), layer.bias.detach().unsqueeze(1).clone()))
        weights.append(torch.stack([weight for weight, _ in drawn]))
        biases.append(torch.stack([bias for _, bias in drawn]))
    params = [param for layer in zip(reversed(weights), reversed(biases)) for param in layer]
    velocities = [torch.zeros_like(param) for param in params]

    def forward(x):
        """What enters each layer, and the outputs, all of shape (networks, units, points); x: (networks, points)."""
        entering = [x.unsqueeze(1)]
        for weight, bias in zip(weights[:-1], biases[:-1]):
            entering.append(torch.baddbmm(bias, weight, entering[-1]).relu_())
        return entering, torch.baddbmm(biases[-1], weights[-1], entering[-1])

    inputs = torch.from_numpy(np.stack([train_x for _, train_x, _ in networks])).float()
    targets = torch.from_numpy(np.stack([train_y for _, _, train_y in networks])).float()
    epochs = math.ceil(n_steps * batch_size / TRAIN_N)
    orders = torch.stack([torch.cat([torch.randperm(TRAIN_N) for _ in range(epochs)]) for _ in networks])
    inputs, targets = inputs.gather(1, orders), targets.gather(1, orders).unsqueeze(1)
    for step in tqdm(range(n_steps), desc=f"{len(networks)} networks", file=sys.stdout, delay=1, leave=False):
        batch = slice(step * batch_size, (step + 1) * batch_size)
        entering, outputs = forward(inputs[:, batch])
        if outputs.isnan().all():
            break  # nothing left to train
        delta = 2 / batch_size * (outputs - targets[:, :, batch])
        gradients = []  # like params, from the last layer to the first
        for weight, a in zip(reversed(weights), reversed(entering)):
            gradients += [delta @ a.mT, delta.sum(dim=2, keepdim=True)]
            delta = (weight.mT @ delta).mul_(a.sign_())  # the sign is 1 where the ReLU is on and 0 where it is off
        sgd_step(params, velocities, gradients, lr)
    _, outputs = forward(torch.from_numpy(test_x).float().expand(len(networks), -1))
    return outputs.view(len(starts), runs, TEST_N).numpy()


def show_losses(ax, losses, heading):
    """Draw the final losses of many runs, {label: losses of shape (runs,)}, one dot a run, and print them in short."""
    print(f"{heading:>25} {'median':>8} {'runs above 0.02':>16} {'runs above 2 or NaN':>20}")
    spread = np.random.default_rng(0).uniform(-0.25, 0.25, size=1000)
    for position, (label, values) in enumerate(losses.items()):
        shown = values <= 2  # False for NaN too
        ax.scatter(position + spread[: shown.sum()], values[shown], s=14, color=BLUE, alpha=0.6)
        if not shown.all():
            ax.scatter(position, 3.4, marker="x", s=60, color=ORANGE)
            ax.text(position + 0.1, 3.4, f"{(~shown).sum()} of {len(values)}", color=ORANGE, va="center")
        median = np.median(np.where(shown, values, np.inf))
        if np.isfinite(median):
            ax.hlines(median, position - 0.3, position + 0.3, color="black")
            ax.text(position + 0.32, median, f"{median:.2g}", va="center", fontsize="small")
        text = f"{median:.4f}" if np.isfinite(median) else "above 2"
        print(f"{label:>25} {text:>8} {(~(values <= 0.02)).sum():>16} {(~shown).sum():>20}")
    ax.axhline(2.2, color=GREY, linewidth=0.8)
    ax.text(-0.01, 3.4, "above 2\nor NaN", transform=ax.get_yaxis_transform(), ha="right", va="center", fontsize="small")
    ax.set_xticks(range(len(losses)), losses)
    logarithmic(ax)
    ax.set(xlim=(-0.5, len(losses) - 0.4), ylim=(5e-4, 5.5), ylabel="final mean squared error (log scale)")


# %% tags=["demonstration"]
torch.set_num_threads(2)  # so many networks are enough work for two cores
starts = {
    "uniform ±0.3": (functools.partial(naive_init, 0.3), train_x, train_y),
    "better_init": (better_init, train_x, train_y),
    "better_init, x < 0.4": (better_init, ood_train_x, ood_train_y),
}
# The predictions of all runs, {label: shape (64, TEST_N)}. Those of ±3 by themselves: they end after a few steps.
predictions = {"uniform ±3": train_many([(functools.partial(naive_init, 3.0), train_x, train_y)])[0]}
predictions |= zip(starts, train_many(starts.values()))
torch.set_num_threads(1)
errors = {label: np.square(prediction - test_y) for label, prediction in predictions.items()}
ood_errors = errors.pop("better_init, x < 0.4")

figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.6), width_ratios=(3, 2))
figure.subplots_adjust(left=0.07, right=0.99, bottom=0.13, top=0.92, wspace=0.2)
show_losses(left, {label: error.mean(axis=1) for label, error in errors.items()}, "trained on all x")
left.set(title="Trained on all x: final test loss of 64 runs (bar: median)", xlabel="initialization")
inside = test_x < 0.4
show_losses(
    right,
    {"x < 0.4 (training data)": ood_errors[:, inside].mean(axis=1), "x ≥ 0.4 (no data)": ood_errors[:, ~inside].mean(axis=1)},
    "trained on x < 0.4",
)
right.set(title="better_init, trained on x < 0.4: 64 runs", xlabel="part of the test data")
show(
    figure,
    "Final test losses, one dot a run. Left: 64 runs from each of three initializations. "
    "Right: 64 runs trained on x below 0.4, tested below and above 0.4. The text above gives the numbers.",
)

# %% [markdown]
# **What to look at.** Each dot is a run that might have been *the* run of this notebook. How many runs would you need to tell two
# of these initializations apart? Is the run of the out-of-distribution section typical of the dots on the right? Some runs
# with the same initialization end badly although most end well: a claim such as "this initialization works" is about the
# distribution. The grader therefore judges `better_init` by the median over many seeds, and one unlucky run costs nothing.
#
# ## Handing in
#
# 1. Restart the kernel, run all cells, and **save** the notebook.
# 2. Upload the notebook for the code answers: one file, under any name.
# 3. For the written answers, run the next cell **after saving**. It writes one HTML page with your answers and figures, without
#    the code, and a PDF of it where it finds Chrome, Chromium or Edge. Look at it before you upload it.

# %% tags=["demonstration"]
import os
import shutil
import subprocess
import tempfile

BROWSERS = [
    *("google-chrome", "chromium", "chromium-browser", "chrome", "microsoft-edge", "msedge"),
    *(f"/Applications/{name}.app/Contents/MacOS/{name}" for name in ("Google Chrome", "Chromium", "Microsoft Edge")),
    *(
        f"{os.environ.get(folder, '')}/{program}"
        for folder in ("ProgramFiles", "ProgramFiles(x86)")
        for program in ("Google/Chrome/Application/chrome.exe", "Microsoft/Edge/Application/msedge.exe")
    ),
]


def print_to_pdf(page):
    """Print an HTML page with the first browser that is there; returns whether it made a PDF."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return False
    target = page.with_suffix(".pdf").resolve()
    target.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer", f"--user-data-dir={profile}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # for root, as in a container, there is none
        # Ten seconds of the page's own time for its formulas.
        options += ["--virtual-time-budget=10000", f"--print-to-pdf={target}", page.resolve().as_uri()]
        try:
            subprocess.run([browser, *options], capture_output=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired):
            pass
    return target.is_file()


def export_written(notebook=None):
    """Write the notebook, as last saved, to an HTML page without code, and that page to PDF where a browser is found.

    `notebook` is its file name, wherever this cell cannot tell.
    """
    if "google.colab" in sys.modules:
        print("On Colab: File > Print, and choose PDF.")
        return
    known = notebook or os.environ.get("JPY_SESSION_NAME") or globals().get("__vsc_ipynb_file__")
    found = [Path(known)] if known else sorted(Path().glob("*.ipynb"))
    if len(found) != 1 or not found[0].is_file():
        print('Which notebook? Call export_written("name of this file.ipynb").')
        return
    if found[0].stat().st_mtime < globals().get("last_shown", 0):
        print(f"Nothing written: {found[0].name} was last saved before its last figure was drawn. Save it, then run this cell again.")
        return
    try:
        import nbconvert
        import nbformat

        saved = nbformat.read(found[0], as_version=4)
        page, _ = nbconvert.HTMLExporter(exclude_input=True).from_notebook_node(saved)
    except Exception as error:
        print(f"No page written ({type(error).__name__}: {error}).")
        print("Another way: File > Save and Export Notebook As > HTML, or File > Print in the menu of Jupyter.")
        return
    target = found[0].with_name(f"{found[0].stem}-written.html")
    target.write_text(page, encoding="utf-8")
    texts = [cell.source for cell in saved.cells if cell.cell_type == "markdown"]
    empty = [f"W{k}" for k in range(1, 12) if any(f"*Your answer to W{k} here.*" in text for text in texts)]
    print(f"Wrote {target.name} from {found[0].name} as last saved.")
    print("Not answered yet: " + ", ".join(empty) if empty else "All eleven written questions have an answer.")
    if print_to_pdf(target):
        print(f"Wrote {target.stem}.pdf from it.")
    else:
        print(f"No PDF, for want of a browser that prints it. If you need one, open {target.name} and print it to PDF.")


export_written()
