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
# **The claim.** *The singular values of a network before training tell whether training will work.* You start the same small
# network in several ways and each time look at the same four things: the size of **signal, error and gradient** in every
# layer, the **singular values** and the **features** of its linearization, and the **function** it learns. The last
# figure tests the claim with many networks.
#
# | what you hand in | where it goes | graded |
# |---|---|---|
# | three code answers, **q1** to **q3** | in place of `todo("q1")`, `todo("q2")`, `todo("q3")` | automatically |
# | eleven written answers, **W1** to **W11** | in the cell under each question | by the course staff |
#
# This is the homework of **{{ version }}**: quote that when you ask, and see `CHANGES.md` for what has changed since.
# All other code is given; run the cells from top to bottom. Training is random, your grade is not: the grader tries your
# code with many seeds.

# %%
# Handout: {{ version }}
import copy
import functools
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch._dynamo  # the first optimizer would load it
import torch.nn as nn
import torch.optim as optim
from torch.func import functional_call, grad, stack_module_state, vmap

torch.set_num_threads(1);  # networks this small are slower on many cores than on one

# %% jupyter={"source_hidden": true}
# Nothing to do here: what happens where an answer is missing, or spoils the network.


class NotAnswered(NotImplementedError):
    """Raised where an answer is missing or unusable; Jupyter shows it in one line."""

    def _render_traceback_(self):
        return [str(self)]


class StandIn:
    """In place of a `model` that cannot be used: what uses it is told why. `network` is what was there before."""

    def __init__(self, reason, network=None):
        self.reason, self.network = reason, network

    def __repr__(self):
        return self.reason

    def __getattr__(self, name):
        raise AttributeError(name) if name.startswith("__") else NotAnswered(self.reason)

    def __call__(self, *_):
        raise NotAnswered(self.reason)

    __iter__ = __call__

    def apply(self, init):
        """Initialize the network that was there, as far as `init` is answered by now."""
        global model
        if self.network is None:
            raise NotAnswered(self.reason)
        model = self.network
        return model.apply(init)


def todo(question):
    """Stands where an answer is missing, and says so: here, and where `model` depends on it."""
    global model
    reason = f'{question} is not answered yet: find todo("{question}") in this notebook and put your code in its place.'
    if question == "q1":
        model = StandIn(reason)
    if question == "q3" and isinstance(globals().get("model"), nn.Module):
        model = StandIn(reason, model)
    raise NotAnswered(reason)


def usable(model):
    """The network; or, where better_init gave its weights another type or shape, what says so in its place."""
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            found = f"{layer.weight.dtype} of shape {list(layer.weight.shape)}"
            expected = f"torch.float32 of shape {[layer.out_features, layer.in_features]}"
            if found != expected:
                again = "Correct that, then run the cell of q1 and all below it again."
                return StandIn(f"q3: better_init made weights {found}, expected {expected}. {again}")
    return model


def trained(model, log):
    """The network, if the training that wrote to `log` came to its end."""
    if isinstance(model, StandIn):
        raise NotAnswered(model.reason)
    if not log or "test_loss" not in log[-1]:
        raise NotAnswered("The training above did not come to its end: see what its cell says, and run it again.")
    return model


# %% tags=["demonstration"] jupyter={"source_hidden": true}
# Nothing to do here: loads Otter, for grader.check("q1"). All else runs without it, too.
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

if "google.colab" in sys.modules:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "otter-grader", "latex2mathml"])
try:
    import otter

    missing = "the folder tests is missing. Put it beside this notebook and run this cell again"
    tests = next(folder for folder in ("tests", ".") if Path(folder, "q1.py").is_file())
    grader = otter.Notebook(tests_dir=tests)
except Exception as error:
    if isinstance(error, ImportError):
        missing = "Otter is missing. Run: pip install otter-grader"
    grader = SimpleNamespace(check=lambda question: print(f"{question} is not checked: {missing}."))
    print(f"No local checks: {missing}. The rest of the notebook runs without.")

# %% jupyter={"source_hidden": true}
# Nothing to do here: what draws the figures.
import base64
import contextlib
import html
import io
import time

from IPython.display import display

# Every colour has one meaning, and is never alone: shapes and words say the same.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#767676"  # the true function, a network's function, data
STARTS = {  # colour, marker and line of every start
    "one hidden layer": ("black", "D", "-."),
    "uniform ±{{ scales small }}": ("#AA3377", "o", "-"),
    "uniform ±{{ scales large }}": ("#8F6500", "s", "--"),
    "better_init": ("#00805E", "^", ":"),
}
plt.rcParams.update(
    {
        "axes.grid": True,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 10.5,
        "figure.titlesize": 12,
        "figure.titleweight": "bold",
        "font.size": 10,
        "grid.alpha": 0.3,
        "legend.fontsize": 10,
        "legend.frameon": False,
    }
)
WIDE = 11.4  # inches, of 80 pixels each on the screen
EXPONENTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def logarithmic(axis):
    """Give a logarithmic axis few marks, at powers of ten."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.axes.minorticks_off()
    axis.get_major_locator().set_params(numticks=6)
    axis.set_major_formatter(lambda value, _: f"10{str(round(math.log10(value))).translate(EXPONENTS)}")


def subplots(height, columns=1, rows=1, width=WIDE, top=0.55, **options):
    """A figure of so many inches and its axes, with room for labels around them; `top` inches are left for a heading."""
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), **options)
    figure.subplots_adjust(
        left=0.8 / width, right=1 - 0.15 / width, bottom=0.5 / height, top=1 - top / height, wspace=0.06 * columns + 0.02, hspace=0.3
    )
    return figure, axes


def legend(ax, columns=3):
    """Put the legend above a picture."""
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=columns, columnspacing=1.2, handlelength=1.6)


def show(figure, description):
    """Display a figure with `description` as its alternative text, sharp on screens of twice the pixels, and close it."""
    global last_shown
    picture = io.BytesIO()
    figure.savefig(picture, dpi=160, pil_kwargs={"compress_level": 1})
    plt.close(figure)
    # As HTML: Jupyter drops the alternative text of a plain image.
    source = base64.b64encode(picture.getvalue()).decode()
    width = round(80 * figure.get_figwidth())
    size = f'width="{width}" style="min-width: {0.9 * width:.0f}px"'  # narrow windows scroll: text stays above 10 pixels
    picture = f'<img src="data:image/png;base64,{source}" {size} alt="{html.escape(description)}">'
    display({"text/html": picture, "text/plain": description}, raw=True)
    last_shown = time.time()


def tensors(x, y):
    """Points as a network takes them: inputs of shape (n, 1), targets of shape (n,), float32."""
    return torch.from_numpy(x).float().unsqueeze(-1), torch.from_numpy(y).float()


def layers(model):
    """How many hidden layers a network has, in words."""
    hidden = sum(isinstance(layer, nn.Linear) for layer in model.modules()) - 1
    return f"{hidden} hidden layer{'s' if hidden != 1 else ''}"


def patterns(model, x):
    """Which hidden units are on at the points x of shape (n,): for every ReLU an array of shape (n, units)."""
    hidden, on = tensors(x, x)[0], [np.zeros((len(x), 0), bool)]
    with torch.no_grad():
        for layer in model:
            hidden = layer(hidden)
            if isinstance(layer, nn.ReLU):
                on.append((hidden > 0).numpy())
    return on[1:] or on


def draw_function(ax, x, y):
    """Draw data and the true function."""
    ax.scatter(x, y, s=2, color=GREY, alpha=0.5, label="training data")
    ax.plot(test_x, test_y, color=BLUE, linewidth=2, label="true function")
    ax.set(xlabel="x", ylabel="y", xlim=(-1.04, 1.04), ylim=(1.15 * y.min(), 1.15 * y.max()))
    ax.locator_params(nbins=5)


def show_training(model, log, evaluated_x, evaluated_pred, start, train_x=None, train_y=None):
    """Draw the losses of a run and the function that it learned; print its final test loss and its dead units."""
    title = f"{layers(trained(model, log))}, {start}"
    figure, (left, right) = subplots(2.9, columns=2, top=0.65)
    figure.suptitle(title, y=0.99)
    losses = {}
    for key, style in {
        "train_loss": {"color": GREY, "linewidth": 0.8, "label": "on the training batch (noisy)"},
        "test_loss": {"color": ORANGE, "marker": "o", "label": "on the test data (noise-free)"},
    }.items():
        steps, losses[key] = np.array([(entry["step"] + 1, entry[key]) for entry in log if key in entry]).T
        finite = np.isfinite(losses[key])
        if finite.any():
            left.plot(steps[finite], losses[key][finite], **style)
    finite = np.isfinite(losses["train_loss"])
    if not finite.all():
        end = int(finite.argmin()) + 1
        left.axvline(end, color="black", linestyle="--", label=f"not finite from step {end} on")
        left.set(xlim=(0, 2 * end))
        for line in left.lines[:-1]:
            line.set_marker("s")
    drawn = [value for line in left.lines for value in line.get_ydata() if value > 0] or [1]
    left.set(ylim=(10.0 ** np.floor(np.log10(min(drawn))), 10.0 ** np.ceil(np.log10(max(drawn) * 1.01))))
    logarithmic(left.yaxis)
    left.locator_params(axis="x", nbins=5, integer=True)
    left.set(xlabel="training step", ylabel="mean squared error (log scale)")
    legend(left)

    draw_function(right, *((globals()["train_x"], globals()["train_y"]) if train_x is None else (train_x, train_y)))
    if np.isfinite(evaluated_pred).all():
        right.plot(evaluated_x, evaluated_pred, color=ORANGE, linewidth=2.5, linestyle="--", label="network")
        low, high = right.get_ylim()  # the whole curve, unless it leaves the picture far behind
        right.set(ylim=(max(-3, min(low, evaluated_pred.min() - 0.1)), min(3, max(high, evaluated_pred.max() + 0.1))))
    else:
        right.text(0.5, 0.04, "the network's outputs are not numbers (NaN)", ha="center", color=ORANGE, transform=right.transAxes)
    legend(right)
    final = losses["test_loss"][-1]
    show(figure, f"{title}. Left: loss over the training steps, final test loss {final:.4g}. Right: the learned and the true function.")
    print(f"final test loss: {final:.5f}")
    if np.isfinite(final):
        off = [f"{(~on.any(axis=0)).sum()} of {on.shape[1]}" for on in patterns(model, test_x)]
        print(f"units that are off for every x, in each hidden layer: {', '.join(off)}")


def signal_and_error(model):
    """Root mean square of what enters every layer, and of the error at its output (times n, so that n does not matter);
    and the gradient norms as print_gnorms returns them, None while q2 is open.
    """
    (hidden, targets), entering, leaving = tensors(train_x, train_y), [], []
    for layer in model:
        if isinstance(layer, nn.Linear):
            entering.append(hidden)
        hidden = layer(hidden)
        if isinstance(layer, nn.Linear):
            leaving.append(hidden)
    errors = torch.autograd.grad(nn.functional.mse_loss(hidden.view(-1), targets), leaving)
    norms = None
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(NotAnswered):
        norms = list(print_gnorms(model).values())
    rms = lambda values: values.detach().square().mean().sqrt().item()
    return [rms(a) for a in entering], [rms(error) * TRAIN_N for error in errors], norms


def show_flow(flows):
    """Draw what signal_and_error found, {start: three lists}, layer by layer."""
    figure, axes = subplots(2.9, columns=3, top=0.6)
    titles = "signal: what enters layer ℓ", "error at the output of layer ℓ", "gradient norm (q2): about their product"
    for number, (ax, title) in enumerate(zip(axes, titles)):
        for start, flow in flows.items():
            values = np.array(flow[number] or [], dtype=float)
            shown = np.isfinite(values) & (values > 0)
            color, marker, line = STARTS[start]
            ax.plot(np.flatnonzero(shown) + 1, values[shown], color=color, marker=marker, linestyle=line, label=start)
        drawn = [value for line in ax.lines for value in line.get_ydata()]
        if drawn:  # at least from 1e-1 to 1e1: no zoom on small differences
            ax.set(ylim=(min(0.1, min(drawn) / 3), max(10, max(drawn) * 3)))
        else:
            ax.text(0.5, 0.5, "q2 is not answered yet" if flow[number] is None else "not finite", transform=ax.transAxes, ha="center")
        logarithmic(ax.yaxis)
        count = len(next(iter(flows.values()))[0])
        ax.set(title=title, xlabel="layer ℓ, from input to output", xlim=(0.7, count + 0.3), xticks=range(1, count + 1))
    axes[0].set(ylabel="root mean square (log scale)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=4)
    ranges = [f"{start}, signal {s[0]:.1e} to {s[-1]:.1e}, error {e[0]:.1e} to {e[-1]:.1e}" for start, (s, e, _) in flows.items()]
    show(figure, f"Signal, error and gradient norm in every layer, on logarithmic axes. First to last layer: {'; '.join(ranges)}.")


def draw_features(features, plane, principal_feature):
    """Draw ten principal features over x, and the first two against each other; returns what the colours of x are."""
    rank = principal_feature.shape[1]
    for k in reversed(range(min(rank, 10))):
        # Points, not lines, so that jumps show as gaps; the second feature is dashed.
        shown = train_x % 0.06 < 0.035 if k == 1 else np.full(TRAIN_N, True)
        color, size = ("black", 4 - k) if k < 2 else ("#9A9A9A", 1)
        features.plot(train_x[shown], principal_feature[shown, k], ".", color=color, markersize=size, markeredgewidth=0.5)
    first, second = principal_feature[:, 0], principal_feature[:, 1] if rank > 1 else np.zeros(TRAIN_N)
    points = plane.scatter(first, second, c=train_x, s=8, linewidths=0, cmap="cividis", vmin=-1, vmax=1)
    for x, place in ((-1, (0, -15)), (1, (0, 7))):
        nearest = np.abs(train_x - x).argmin()
        plane.plot(first[nearest], second[nearest], "o", color="black", markerfacecolor="none")
        plane.annotate(f"x = {x}".replace("-", "−"), (first[nearest], second[nearest]), place, textcoords="offset points", ha="center")
    # Never zoom in on differences that are tiny beside the features themselves.
    least = 0.2 * np.abs(principal_feature[:, :2]).max()
    for axis in ("x", "y"):
        low, high = getattr(plane, f"get_{axis}lim")()
        spare = max(0, least - (high - low)) / 2 + 0.12 * (high - low)
        plane.set(**{f"{axis}lim": (low - spare, high + spare)})
    features.locator_params(axis="y", nbins=5)
    plane.locator_params(nbins=5)
    return points


def draw_bands(ax, axis="y"):
    """Shade the singular values that are hardly learned and those with which a step overshoots, as far as `ax` shows them."""
    low, high = getattr(ax, f"get_{axis}lim")()
    low, high = min(low, HARDLY / 30), max(2 * high, OVERSHOOTS * 30)
    span = ax.axhspan if axis == "y" else ax.axvspan
    span(low, HARDLY, color=GREY, alpha=0.2, linewidth=0)
    span(OVERSHOOTS, high, color="#F0C300", alpha=0.3, linewidth=0)
    ax.set(**{f"{axis}lim": (low, high)})


def compare(linearizations, same_limits=True):
    """Draw linearizations, {title: (m, singular values, principal features)}: the singular values of all in one
    picture, and a row of features for each. `same_limits` says whether the rows have the same limits.
    """
    count = len(linearizations)
    figure, axes = plt.subplot_mosaic(
        [["values", f"features {k}", f"plane {k}"] for k in range(count)],
        figsize=(WIDE, 0.7 + 2.25 * count), width_ratios=(1, 1.25, 1.15),
    )
    height = 0.7 + 2.25 * count
    figure.subplots_adjust(left=0.065, right=0.965, bottom=0.5 / height, top=1 - 0.3 / height, wspace=0.22, hspace=0.38)
    values, rows = axes["values"], [(axes[f"features {k}"], axes[f"plane {k}"]) for k in range(count)]
    drawn, summaries, used = [], [], set()
    for (title, (m, singular_values, principal_feature)), row in zip(linearizations.items(), rows):
        for ax, xlabel, ylabel in zip(row, ("x", "φ₁(x)"), ("features φₖ(x)", "φ₂(x)")):
            ax.set(xlabel=xlabel, ylabel=ylabel)
        row[0].set(xlim=(-1.02, 1.02))
        color, marker, _ = next((style for start, style in STARTS.items() if title.startswith(start)), ("black", "o", ""))
        full = color not in used  # a second network from the same start has hollow marks
        used.add(color)
        if np.isfinite(singular_values).all():
            largest = singular_values[:20]
            style = {"marker": marker, "color": color, "markerfacecolor": color if full else "white", "linewidth": 0.8}
            values.plot(np.arange(len(largest)) + 1, largest, **style)
            points = draw_features(*row, principal_feature)
            drawn.append(row)
            summary = f"{title} ({m} parameters): rank {len(singular_values)}, σ₁ = {largest[0]:.3g}"
        else:
            for ax in row:
                ax.text(0.5, 0.5, "no linearization:\nthe weights are not finite", transform=ax.transAxes, ha="center")
            summary = f"{title}: not finite"
        summaries.append(summary)
        sign = {"D": "◆◇", "o": "●○", "s": "■□", "^": "▲△"}[marker][0 if full else 1]
        row[0].set_title(f"{sign} {summary}", color=color, loc="left", fontweight="bold")
    values.set(xlabel="k", ylabel="singular value σₖ (log scale)", xlim=(0, 21), xticks=[1, 5, 10, 15, 20])
    values.set_title("the 20 largest singular values")
    logarithmic(values.yaxis)
    draw_bands(values)
    values.text(0.98, 0.98, "a step overshoots", ha="right", va="top", transform=values.transAxes)
    values.text(0.02, 0.02, "hardly learned", transform=values.transAxes)
    for row in rows[:-1]:
        for ax in row:
            ax.set_xlabel("")
    rows[-1][0].set_xlabel("x   (solid: φ₁   dashed: φ₂   grey: φ₃ to φ₁₀)")
    if drawn:
        planes = [axes[f"plane {k}"] for k in range(count)]
        figure.colorbar(points, ax=planes, ticks=[-1, 0, 1], fraction=0.05, pad=0.03).ax.set_title("x")
    if same_limits:
        for column in zip(*drawn):
            for limits in ("xlim", "ylim"):
                bounds = [getattr(ax, f"get_{limits}")() for ax in column]
                for ax in column:
                    ax.set(**{limits: (np.min(bounds), np.max(bounds))})
    show(
        figure,
        "Singular values, principal features over x, and the first two features against each other. "
        f"Rows: {'; '.join(summaries)}.",
    )


def visualize(m, singular_values, principal_feature, title):
    """Draw one linearization."""
    compare({title: (m, singular_values, principal_feature)})


def show_moments(start, end, moments, seed):
    """Draw moments in the training of a network: what it computes, where it can bend, and its first features.
    `start` and `end` are the network before and after; it is trained anew for the steps between.
    """
    between = {steps: train_model(copy.deepcopy(start), steps, batch_size, lr, seed)[0] for steps in moments}
    networks = {0: start, **between, n_steps: end}
    figure, axes = subplots(4.4, columns=len(networks), rows=2, sharey="row", sharex=True)
    figure.subplots_adjust(wspace=0.08)
    order, said = np.argsort(train_x), []
    for (steps, network), (top, bottom) in zip(networks.items(), axes.T):
        with torch.no_grad():
            pred = network(tensors(test_x, test_y)[0]).view(-1)
        on = np.concatenate(patterns(network, test_x), axis=1)
        kinks = test_x[1:][(on[1:] != on[:-1]).any(axis=1)]
        _, singular_values, principal_feature = svd_local_linearization(network)
        top.plot(test_x, test_y, color=BLUE, label="true function")
        top.plot(test_x, pred, color=ORANGE, linewidth=2, linestyle="--", label="network")
        top.plot(kinks, np.full(len(kinks), 1.3 * test_y.min()), "|", color="black", markersize=8, label="it can bend here")
        for k in reversed(range(min(6, principal_feature.shape[1]))):
            bottom.plot(train_x[order], principal_feature[order, k], ".", color="black" if k < 2 else "#9A9A9A", markersize=2 if k < 2 else 1)
        large = (singular_values > HARDLY).sum()
        top.set_title(f"after step {steps}" if steps else "before training")
        bottom.set_title(f"rank {len(singular_values)}, {large} with σₖ > {HARDLY:.2g}")
        bottom.set(xlabel="x")
        said.append(f"after step {steps}, rank {len(singular_values)}, {large} large singular values, {len(kinks)} kinks")
    axes[0, 0].set(ylabel="y", ylim=(1.5 * test_y.min(), 1.5 * test_y.max()))
    axes[1, 0].set(ylabel="features φ₁ to φ₆")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="upper center", ncols=3)
    show(figure, f"The network's function and its first six features at five moments of training: {'; '.join(said)}.")


def show_functions(predictions, starts):
    """Draw the functions of many networks, {title: array of shape (runs, TEST_N)}, over the data of {title: (init, x, y)}."""
    figure, axes = subplots(3.1, columns=len(predictions), top=0.3, sharey=True)
    figure.subplots_adjust(wspace=0.04)
    for ax, (title, runs) in zip(axes, predictions.items()):
        draw_function(ax, *starts[title][1:])
        ax.plot(test_x, runs.T, color=ORANGE, linewidth=0.7, alpha=0.7)
        ax.plot(test_x, test_y, color=BLUE, linewidth=2.5, zorder=3)
        flat = (np.ptp(runs, axis=1) < 0.01).sum()
        ax.set_title(f"{len(runs)} networks, {title}")
        print(f"{title}: median test loss {np.median(np.nan_to_num(np.square(runs - test_y).mean(axis=1), nan=np.inf)):.4f}; "
              f"{flat} of {len(runs)} constant, {np.isnan(runs).any(axis=1).sum()} NaN")
        edge = starts[title][1].max()
        if edge < 0.9:
            ax.axvspan(edge, 1.04, color=GREY, alpha=0.15, linewidth=0)
            ax.text((edge + 1.04) / 2, -0.9, "no training data", ha="center")
    everything = np.concatenate([test_y, *(runs.ravel() for runs in predictions.values())])
    axes[0].set(ylim=(max(-3, np.nanmin(everything) - 0.3), min(3, np.nanmax(everything) + 0.1)))
    show(figure, f"Functions learned by many networks that differ in their seeds only: {', '.join(predictions)}.")


def show_valley(starts):
    """Draw and count networks, {start: (two singular values before training, shape (runs, 2), final test losses)}."""
    figure, ax = subplots(4.0, top=0.35)
    markers = iter(["v", "d", "p", "*", "X", "P"])
    for start, (before, losses) in starts.items():
        color, marker, _ = STARTS.get(start) or ("#5A5A5A", next(markers), None)
        ended = np.where(losses < 2, losses, 3.5)  # False for NaN, too
        for steep in (True, False):
            shown = (before[:, 0] > OVERSHOOTS) == steep
            face = "none" if steep else color
            ax.scatter(before[shown, 1], ended[shown], s=28, edgecolors=color, facecolors=face, marker=marker, alpha=0.8)
        ax.scatter([], [], color=color, marker=marker, label=start)
    ax.set(xlabel="second singular value σ₂ before training (log scale)", ylabel="final test loss (log scale)")
    logarithmic(ax.xaxis)
    logarithmic(ax.yaxis)
    ax.set(ylim=(ax.get_ylim()[0], 7))
    ax.axhline(2.4, color=GREY, linewidth=0.8)
    draw_bands(ax, "x")
    for x, side, words in ((HARDLY, "right", "hardly learned "), (OVERSHOOTS, "left", " a step overshoots\n (hollow: σ₁ lies there)")):
        ax.text(x, 1.6, words, ha=side, va="top")
    ax.text(ax.get_xlim()[0] * 1.2, 3.5, "above 2 or NaN", va="center")
    legend(ax, len(starts))
    before, losses = (np.concatenate(values) for values in zip(*starts.values()))
    bad = ~(losses < {{ good loss }})
    small, steep = before[:, 1] < 5 * HARDLY, before[:, 0] > OVERSHOOTS
    zones = {
        f"σ₂ below {HARDLY:.2f}": before[:, 1] < HARDLY,
        "σ₂ from there to five times that": small & (before[:, 1] >= HARDLY),
        f"σ₁ above {OVERSHOOTS:.0f}": steep & ~small,
        "in the valley between": ~small & ~steep,
    }
    counts = [f"{words}: {bad[zone].sum()} of {zone.sum()}" for words, zone in zones.items()]
    show(figure, f"Final test loss against the second singular value before training. Losses above {{ good loss }}: {'; '.join(counts)}.")
    print("networks that end with a test loss above {{ good loss }}")
    for words, zone in zones.items():
        print(f"{words:>35}: {bad[zone].sum():3} of {zone.sum()}")


# %% [markdown]
# ## Training and test data
#
# The function to learn is a sum of sine waves,
#
# $$f_\text{true}(x) = \sum_{j=0}^{{{ last frequency }}} c_j \sin(j \pi x), \qquad x \in [-1, 1],$$
#
# with fixed amplitudes $c_j$. The training targets are noisy, $y_i = f_\text{true}(x_i) + \epsilon_i$, with normally distributed
# $\epsilon_i$ of mean 0 and standard deviation `TRAIN_SIGMA`. The test data have no noise: a perfect model reaches test loss 0.

# %%
np.random.seed({{ data function_seed }})
F_TRUE_PARAMS = np.random.rand({{ data frequencies }}) * 2.0 - 1.0


def f_true(x):
    """The function to learn, at the points x of shape (n,)."""
    j = np.arange(F_TRUE_PARAMS.shape[0])
    return (np.sin(x[:, None] * j[None, :] * math.pi) * F_TRUE_PARAMS).sum(axis=-1)


# %%
{{ student cell }}# Noisy training data
np.random.seed({{ data seed in code }})
TRAIN_N = {{ data train }}
TRAIN_SIGMA = {{ data noise }}
train_x = np.random.uniform(low=-1.0, high=1.0, size=TRAIN_N)
train_y = f_true(train_x) + np.random.randn(TRAIN_N) * TRAIN_SIGMA

# Noise-free test data
np.random.seed({{ data seed in code }})
TEST_N = {{ data test }}
test_x = np.linspace(-1, 1, TEST_N)
test_y = f_true(test_x)

# %% tags=["demonstration"]
figure, ax = subplots(2.5, width=7, top=0.35)
draw_function(ax, train_x, train_y)
legend(ax)
show(figure, "The noisy training points lie around the smooth, odd curve of the true function")

# %% [markdown]
# ## A network with one hidden layer
#
# One hidden layer of ReLU units, trained by stochastic gradient descent with momentum {{ training momentum }} for about {{ epochs in words }} passes
# (epochs) through the data. Each parameter keeps a velocity, at first zero: a step adds the gradient to {{ training momentum }} times the velocity,
# then moves the parameter by $-\eta$ times the velocity, where $\eta$ is the learning rate. The losses are kept in `log`. Training
# stops at the first NaN (not a number): nothing can repair it.

# %%
def train_model(model, n_steps, batch_size, lr, seed, train_x=train_x, train_y=train_y, log=None):
    np.random.seed(seed)
    torch.manual_seed(seed)
    log = [] if log is None else log
    eval_interval = int(TRAIN_N / batch_size) + 1
    optimizer = optim.SGD(model.parameters(), lr, momentum={{ training momentum }})
    criterion = nn.MSELoss()
    all_indices = []
    while len(all_indices) * TRAIN_N < n_steps * batch_size:
        all_indices.append(np.random.permutation(TRAIN_N))
    all_indices = np.concatenate(all_indices)
    inputs, targets = tensors(train_x, train_y)
    test_inputs, test_targets = tensors(test_x, test_y)
    for step in range(n_steps):
        indices = all_indices[step * batch_size : (step + 1) * batch_size]
        pred = model(inputs[indices]).view(-1)
        loss = criterion(pred, targets[indices])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.append({"step": step, "train_loss": loss.item()})
        last = step + 1 == n_steps or math.isnan(loss.item())
        if (step + 1) % eval_interval == 0 or last:
            with torch.no_grad():
                pred = model(test_inputs).view(-1)
                log.append({"step": step, "test_loss": criterion(pred, test_targets).item()})
        if last:
            break
    return model, test_inputs.view(-1).numpy(), pred.numpy()


# %%
width = {{ network width }}
lr = {{ training learning_rate }}
batch_size = {{ training batch_size }}
n_steps = int(TRAIN_N / batch_size * {{ training epochs }})

np.random.seed({{ seeds shallow }})
torch.manual_seed({{ seeds shallow }})

model = nn.Sequential(
    nn.Linear(1, width),
    nn.ReLU(),
    nn.Linear(width, 1)
)

# %% tags=["demonstration"]
log = []
model, evaluated_x, evaluated_pred = train_model(model, n_steps, batch_size, lr, {{ batches shallow }}, log=log)
show_training(model, log, evaluated_x, evaluated_pred, "trained")

# %% [markdown]
# Before a deeper network tries to do better, here is a way to look inside.
#
# ### Local linearization
#
# Collect all weights and biases in one vector $\mathbf{w} \in \mathbb{R}^m$, and let $f(x, \mathbf{w})$ be the network's output.
# To first order, it is a *linear* model with the entries of $\nabla_\mathbf{w} f(x, \mathbf{w})$ as features:
#
# $$f(x, \mathbf{w}') \approx f(x, \mathbf{w}) + \langle \nabla_\mathbf{w} f(x, \mathbf{w}),\ \mathbf{w}' - \mathbf{w} \rangle .$$
#
# These gradients at the $n$ training points are the rows of a matrix $\mathbf{J} \in \mathbb{R}^{n \times m}$. Its singular
# value decomposition, with orthonormal columns $\mathbf{u}_k$ of $\mathbf{U}$ and $\mathbf{v}_k$ of $\mathbf{V}$, is
#
# $$\mathbf{J} = \mathbf{U} \boldsymbol{\Sigma} \mathbf{V}^\top,
# \qquad \boldsymbol{\Sigma} = \mathrm{diag}(\sigma_1 \ge \dots \ge \sigma_r), \qquad r = \text{rank of } \mathbf{J}.$$
#
# - Moving the weights by a small length $h$ along $\mathbf{v}_k$ changes the outputs, to first order, by
#   $h\, \sigma_k \mathbf{u}_k$. As a function of $x$, $\sigma_k \mathbf{u}_k$ is the $k$-th **principal feature** $\varphi_k(x)$.
#   The **singular value** $\sigma_k$ is its size: how far the outputs move per unit of weight.
# - While the linearization holds, a step of plain gradient descent on the mean squared error multiplies the part of the error
#   along $\mathbf{u}_k$ by $1 - \frac{2\eta}{n} \sigma_k^2$. Near 1, that part is hardly learned; below $-1$, the step overshoots and
#   the error grows.
# - A ReLU network of one input is piecewise linear. On each piece the rows of $\mathbf{J}$ span at most two dimensions:
#   $P$ pieces give rank $r \le 2P$.

# %%
def feature_matrix(model, x=train_x):
    """J, shape (n, m): gradients of the output by all m parameters, at the points x, shape (n,)."""
    params = {name: param.detach().double() for name, param in model.named_parameters()}

    def output(params, x):
        return functional_call(model, params, x.view(1, 1)).squeeze()

    gradients = vmap(grad(output), in_dims=(None, 0))(params, torch.from_numpy(x))
    return torch.cat([gradient.flatten(1) for gradient in gradients.values()], dim=1)


def svd_local_linearization(model):
    """m, the singular values, shape (r,), and the principal features, shape (TRAIN_N, r), of J."""
    J = feature_matrix(model)
    if not J.isfinite().all():
        return J.shape[1], np.full(1, np.nan), np.full((TRAIN_N, 1), np.nan)
    q = r = 2
    while r == q < min(J.shape):  # svd_lowrank is exact where q exceeds the rank
        q = min(10 * q, *J.shape)
        U, S, _ = torch.svd_lowrank(J, q=q, niter=0)
        r = int((S > S[0] * max(J.shape) * torch.finfo(S.dtype).eps).sum())  # the rest is rounding
    principal_feature = U[:, :r] * S[:r]
    # An SVD leaves the sign of a feature open: make its largest value positive.
    extreme = principal_feature.gather(0, principal_feature.abs().argmax(dim=0, keepdim=True))
    return J.shape[1], S[:r].numpy(), (principal_feature * extreme.sign()).numpy()


# %% [markdown]
# **Two yardsticks** follow. Momentum {{ training momentum }} makes slow parts learn {{ speedup in words }} times as fast: $T$ steps leave about
# $\exp(-{{ twice the speedup }}\, \eta T \sigma^2 / n)$ of the error, more than half of it where $\sigma^2 < n \ln 2 / ({{ twice the speedup }}\, \eta T)$. And it moves the
# upper limit from $\sigma^2 = n / \eta$ to ${{ one plus momentum }}\, n / \eta$. The figures shade what lies outside.

# %%
OVERSHOOTS = math.sqrt({{ one plus momentum }} * TRAIN_N / lr)
HARDLY = math.sqrt(TRAIN_N * math.log(2) / ({{ twice the speedup }} * lr * n_steps))
print(f"a step overshoots: σ above {OVERSHOOTS:.0f}; hardly learned in {n_steps} steps: σ below {HARDLY:.2f}")

# %% tags=["demonstration"]
shallow = svd_local_linearization(trained(model, log))
visualize(*shallow, "one hidden layer, trained")

# %% [markdown]
# **What to look at.** Left: how fast do the singular values fall, and how many lie between the bands? Middle: where do the
# features bend or jump? Right, the first two features as coordinates: which points can they not tell apart?
#
# ## A deeper network
#
# > **q1.** Define a fully connected network with **{{ network hidden_layers }} hidden layers** of `width` units, one input and one output,
# > with a ReLU after every layer except the last, as one flat `nn.Sequential`. It must pass the three assertions.
#
# <details><summary>Hint for q1</summary>
# The first network of this notebook shows the pattern. The assertions ask for {{ children in words }} modules: how many of them are ReLUs?
# </details>

# %%
width = {{ network width }}
model = None  # the network above has done its work

model = nn.Sequential(
    # TODO q1: the layers of the network, in order
    # BEGIN SOLUTION
    nn.Linear(1, width), nn.ReLU(),
    {{ layers between }}
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
# import ast
# import re
#
# import torch
# from IPython import get_ipython
# from otter.test_files import test_case
#
# OK_FORMAT = False
# name = "q1 (first look)"
# NOT_CHECKED = "Not checked here: which layers these are, in which order, and the function they compute."
#
#
# def parses(source):
#     try:
#         ast.parse(get_ipython().transform_cell(source))
#     except SyntaxError:
#         return False
#     return True
#
#
# @test_case(name="{{ children in words }} modules, {{ parameters }} parameters, one output per input", success_message=NOT_CHECKED)
# def test_network(model):
#     history = getattr(getattr(get_ipython(), "history_manager", None), "input_hist_raw", [])
#     cells = [source for source in history if re.search(r"^model\s*=", source, re.MULTILINE)]
#     assert not cells or parses(cells[-1]), (
#         "the cell of q1 was run with a syntax error: what is checked here would be the model of an earlier run"
#     )
#     assert model is not None, "there is no model: the cell of q1 was not run, or stopped before model was made"
#     assert isinstance(model, torch.nn.Sequential), f"model is no nn.Sequential: {model}"
#     assert len(model) == {{ children }}, f"model has {len(model)} modules, expected {{ children }} (was the cell of q1 run?)"
#     count = sum(parameter.numel() for parameter in model.parameters())
#     assert count == {{ parameters }}, f"model has {count} parameters, expected {{ parameters }}"
#     with torch.no_grad():
#         outputs = model(torch.linspace(-1, 1, 10).unsqueeze(-1))
#     shape = list(outputs.shape)
#     assert shape == [10, 1], f"for inputs of shape [10, 1] the outputs have shape {shape}, expected [10, 1]"

# %% [markdown]
# ### When the weight scale is too small
#
# Weights start at random, since equal units would get equal gradients and stay equal. Here they start uniform in
# $[-{{ scales small }}, {{ scales small }}]$, and biases at zero.

# %%
def naive_init(scale, module):
    """Draw the weights of a linear layer from one fixed interval, whatever the layer's size."""
    if isinstance(module, nn.Linear):
        nn.init.uniform_(module.weight, -scale, scale)
        nn.init.zeros_(module.bias)


np.random.seed({{ seeds small }})
torch.manual_seed({{ seeds small }})
model.apply(functools.partial(naive_init, {{ scales small }}));

# %% [markdown]
# **Why the scale matters.** Number the weight matrices $\mathbf{W}_1, \dots, \mathbf{W}_{{{ layers }}}$ (`model[0]`, `model[2]`, …,
# `model[{{ last layer }}]`). Layer $\ell$ gets $\mathbf{a}_{\ell-1}$, with $\mathbf{a}_0 = x$, computes
# $\mathbf{z}_\ell = \mathbf{W}_\ell \mathbf{a}_{\ell-1} + \mathbf{b}_\ell$ and passes on the signal $\mathbf{a}_\ell = \mathrm{ReLU}(\mathbf{z}_\ell)$; the
# last output is $z_{{{ layers }}} = f(x, \mathbf{w})$. Backpropagation sends the error $\boldsymbol{\delta}_\ell = \nabla_{\mathbf{z}_\ell} L$ of the loss
# $L$ the other way:
#
# $$\boldsymbol{\delta}_\ell = \mathbf{1}[\mathbf{z}_\ell > 0] \odot \mathbf{W}_{\ell+1}^\top \boldsymbol{\delta}_{\ell+1},
# \qquad
# \nabla_{\mathbf{W}_\ell} L = \boldsymbol{\delta}_\ell\, \mathbf{a}_{\ell-1}^\top, \text{ summed over the data points.}$$
#
# A gradient is the product of a signal that has passed all layers *before* and an error that has passed all layers
# *behind*. Let the weights of a layer with $d$ inputs be independent, with mean 0 and variance $s^2$. Then the mean square of its
# outputs is $d s^2$ times that of its inputs, and the ReLU keeps half of it. So each hidden layer multiplies the mean square of the
# signal by $d s^2 / 2$, and on the way back that of the error by the same, with the number of outputs for $d$. Depth makes a power
# of this factor. What is it for uniform $\pm {{ scales small }}$, where $s^2 = {{ scales small }}^2 / 3$?
#
# > **q2.** Complete `print_gnorms`: for each weight matrix, `gnorm` is the **L2 norm of the gradient of the loss with respect
# > to that matrix** (its Frobenius norm: the square root of the sum of the squared entries), on all training data. Your code
# > must work for a network of any depth and width.
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


print_gnorms(model);

# %% tags=["demonstration"]
grader.check("q2")

# %% [raw] question="q2"
# """Public checks of q2: what print_gnorms prints for three networks, one of which has a gradient known by hand."""
#
# import contextlib
# import io
#
# import numpy as np
# import torch
# from otter.test_files import test_case
#
# OK_FORMAT = False
# name = "q2 (first look)"
# NOT_CHECKED = "Not checked here: gradients of matrices with more than one row and column."
#
#
# def printed_numbers(print_gnorms, network):
#     """Call print_gnorms on a network; returns the number at the end of each line that names a weight."""
#     assert print_gnorms is not None, "there is no function print_gnorms: run the cell that defines it"
#     with contextlib.redirect_stdout(io.StringIO()) as printed:
#         print_gnorms(network)
#     words = [line.split()[-1] for line in printed.getvalue().splitlines() if ".weight" in line]
#     expected = sum(isinstance(layer, torch.nn.Linear) for layer in network)
#     assert len(words) == expected, f"{len(words)} lines name a weight matrix, expected {expected}"
#     for word in words:
#         try:
#             number = float(word)
#         except ValueError:
#             raise AssertionError(f"a line ends in {word!r}, expected a number") from None
#         assert number >= 0, f"a line ends in {word}, expected a number that is not negative"
#     return [float(word) for word in words]
#
#
# def network(widths):
#     layers = []
#     for fan_in, fan_out in zip(widths, widths[1:]):
#         layers.extend([torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()])
#     return torch.nn.Sequential(*layers[:-1])
#
#
# @test_case(name="one number for each weight matrix; those of a network known by hand", success_message=NOT_CHECKED)
# def test_norms(print_gnorms, train_x, train_y):
#     printed_numbers(print_gnorms, network({{ widths }}))
#     printed_numbers(print_gnorms, network([1, 6, 11, 1]))
#     first, second = np.array([0.5, -1.0, 2.0]), np.array([1.0, 0.5, -0.25])
#     linear = torch.nn.Sequential(torch.nn.Linear(1, 3, bias=False), torch.nn.Linear(3, 1, bias=False))
#     with torch.no_grad():
#         linear[0].weight.copy_(torch.from_numpy(first).view(3, 1))
#         linear[1].weight.copy_(torch.from_numpy(second).view(1, 3))
#     # f(x) = (second . first) x, so the loss has the derivative c along second . first.
#     x, y = np.ravel(train_x), np.ravel(train_y)
#     c = np.mean(2 * (second @ first * x - y) * x)
#     expected = [abs(c) * np.sqrt(np.sum(second**2)), abs(c) * np.sqrt(np.sum(first**2))]
#     found = printed_numbers(print_gnorms, linear)
#     assert np.allclose(found, expected, rtol=1e-3), (
#         "for a network with two linear layers, 1 -> 3 -> 1, the numbers are not the L2 norms of the gradients: "
#         f"found {found[0]:.6g} and {found[1]:.6g}. Norm of what? Square root taken?"
#     )

# %% tags=["demonstration"]
flows = {"uniform ±{{ scales small }}": signal_and_error(model)}
show_flow(flows)

# %% [markdown]
# #### Question W1
#
# What are the gradient norms of each layer? Copy the printed numbers and describe them.

# %% [markdown]
# *Your answer to W1 here.*

# %% [markdown]
# Now train it. Its linearization before training is kept for comparison.

# %% tags=["demonstration"]
log = []
small_before = svd_local_linearization(model)
model, evaluated_x, evaluated_pred = train_model(model, n_steps, batch_size, lr, {{ batches small }}, log=log)

# %% tags=["demonstration"]
show_training(model, log, evaluated_x, evaluated_pred, "started from uniform ±{{ scales small }}")

# %% [markdown]
# #### Question W2
#
# Describe the performance of this model.

# %% [markdown]
# *Your answer to W2 here.*

# %% [markdown]
# Before and after training, drawn with equal limits. What kind of function can these features add to the output, and at what
# size? Where the figure is hard to read, see the numbers below it: the first four features (columns) at four training points (rows).

# %% tags=["demonstration"]
small_after = svd_local_linearization(trained(model, log))
compare({"uniform ±{{ scales small }}, before training": small_before, "uniform ±{{ scales small }}, after training": small_after})
for when, (_, _, principal_feature) in {"before training": small_before, "after training": small_after}.items():
    print(when)
    for x, row in zip(train_x[:4], principal_feature):
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
# Now every weight starts uniform in $[-{{ scales large }}, {{ scales large }}]$, {{ times wider }} wider than before. **Predict before you run:** by which factor
# will the gradient norms change, and in which band will the singular values lie?

# %%
np.random.seed({{ seeds large }})
torch.manual_seed({{ seeds large }})
model.apply(functools.partial(naive_init, {{ large scale in code }}))
print_gnorms(model);

# %% tags=["demonstration"]
flows["uniform ±{{ scales large }}"] = signal_and_error(model)
show_flow(flows)

# %% [markdown]
# #### Question W4
#
# What are the gradient norms of each layer? Copy the printed numbers and describe them.

# %% [markdown]
# *Your answer to W4 here.*

# %% [markdown]
# Read the numbers at the axes before you look at the shapes, and compare them with the size of the targets.

# %% tags=["demonstration"]
large_before = svd_local_linearization(model)
visualize(*large_before, "uniform ±{{ scales large }}, before training")

# %% tags=["demonstration"]
log = []
model, evaluated_x, evaluated_pred = train_model(model, n_steps, batch_size, lr, {{ batches large }}, log=log)
show_training(model, log, evaluated_x, evaluated_pred, "started from uniform ±{{ scales large }}")

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
# > weights must follow from its own fan: its `in_features`, its `out_features`, or both. Draw **every weight
# > afresh**: the old weights may be `NaN`. Biases start at zero.
#
# <details><summary>Hint for q3</summary>
# Which variance of the weights lets the signal leave a layer as large as it came in? <code>torch.nn.init</code> has functions for
# it; a formula of your own with <code>module.in_features</code> is as good.
# </details>

# %%
def better_init(module):
    """Initialize a linear layer on a scale that fits its size."""
    if isinstance(module, nn.Linear):
        # TODO q3: draw module.weight
        # BEGIN SOLUTION
        nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        # STUDENT: todo("q3")
        # END SOLUTION
        nn.init.zeros_(module.bias)


np.random.seed({{ seeds better }})
torch.manual_seed({{ seeds better }})
model = usable(model.apply(better_init))

# %%
print_gnorms(model);

# %% tags=["demonstration"]
grader.check("q3")

# %% [raw] question="q3"
# """Public checks of q3: what better_init touches, and that it looks at the layer; not whether its scale is right."""
#
# import torch
# from otter.test_files import test_case
#
# OK_FORMAT = False
# name = "q3 (first look)"
# NOT_CHECKED = "Not checked here: whether the scale is right, and whether the network trains."
# AGAIN = "After you have corrected this, run the cell of q1 and those below it again: `model` may be spoilt."
#
#
# def initialized_layer(better_init, fan_in=7, fan_out=5):
#     """A layer that held NaN before better_init was called."""
#     assert better_init is not None, "there is no function better_init: run the cell that defines it"
#     layer = torch.nn.Linear(fan_in, fan_out)
#     with torch.no_grad():
#         for parameter in layer.parameters():
#             parameter.fill_(float("nan"))
#     layer.apply(better_init)
#     shape = list(layer.weight.shape)
#     assert shape == [fan_out, fan_in], f"the weights now have shape {shape}, expected [{fan_out}, {fan_in}]. {AGAIN}"
#     for parameter in (layer.weight, layer.bias):
#         kind = str(parameter.dtype)
#         assert kind == "torch.float32", f"the layer now has numbers of type {kind}, expected torch.float32. {AGAIN}"
#     return layer
#
#
# @test_case(name="fresh weights on a scale of the layer's own, zero biases", success_message=NOT_CHECKED)
# def test_init(better_init):
#     first, second = (initialized_layer(better_init) for _ in range(2))
#     bad = int((~first.weight.isfinite()).sum())
#     assert bad == 0, f"{bad} of 35 weights are not finite after weights that were NaN, expected none"
#     assert not first.weight.equal(second.weight), "two layers got the same weights, expected a fresh draw for each"
#     assert bool((first.bias == 0).all()), "some biases are not zero after better_init, expected all zero"
#     narrow, wide = (float(initialized_layer(better_init, fan, fan).weight.detach().std()) for fan in (50, 800))
#     assert wide < 0.7 * narrow, (
#         f"weights have standard deviation {narrow:.3g} in a layer with 50 inputs and outputs, {wide:.3g} with 800: "
#         "expected a clearly smaller one for the larger layer"
#     )

# %% tags=["demonstration"]
flows["better_init"] = signal_and_error(model)
show_flow(flows)

# %% [markdown]
# #### Question W6
#
# What are the gradient norms of each layer? Copy the printed numbers and describe them.

# %% [markdown]
# *Your answer to W6 here.*

# %% tags=["demonstration"]
better_start = copy.deepcopy(model)
better_before = svd_local_linearization(model)
befores = {"uniform ±{{ scales large }}, before training": large_before, "better_init, before training": better_before}
compare(befores, same_limits=False)

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
model, evaluated_x, evaluated_pred = train_model(model, n_steps, batch_size, lr, {{ batches better }}, log=log)
show_training(model, log, evaluated_x, evaluated_pred, "started from better_init")

# %% [markdown]
# #### Question W8
#
# Describe the performance of this model.

# %% [markdown]
# *Your answer to W8 here.*

# %% [markdown]
# Five moments of this run: the function, with a tick at every $x$ where a unit switches, so that it can bend there, and below it
# the first six features.

# %% tags=["demonstration"]
show_moments(better_start, trained(model, log), moments=(1, 10, 50), seed={{ batches better }})

# %% [markdown]
# The deep network beside the shallow one, with equal limits. How fast do the singular values fall, and where do the features
# bend or jump?

# %% tags=["demonstration"]
better_after = svd_local_linearization(trained(model, log))
compare({"one hidden layer, trained": shallow, "better_init, trained": better_after})

# %% [markdown]
# #### Question W9
#
# Describe your observation and compare it with the linearization of the network with a single hidden layer.

# %% [markdown]
# *Your answer to W9 here.*

# %% [markdown]
# ## Out-of-distribution generalization
#
# Now the training points have $x \in [-1, 0.4]$ only; all else stays as it was. No data, no loss: what decides the function
# for $x > 0.4$? **Predict before you run:** sketch what this network will learn, over the whole interval.

# %%
np.random.seed({{ half seed in code }})
ood_train_x = np.random.uniform(low=-1.0, high=0.4, size=TRAIN_N)
ood_train_y = f_true(ood_train_x) + np.random.randn(TRAIN_N) * TRAIN_SIGMA

# %% tags=["demonstration"]
figure, ax = subplots(2.5, width=7, top=0.35)
draw_function(ax, ood_train_x, ood_train_y)
legend(ax)
show(figure, "The new training points, for x below 0.4 only, and the true function for all x")

# %% tags=["demonstration"]
log = []
np.random.seed({{ seeds better }})
torch.manual_seed({{ seeds better }})
model = usable(model.apply(better_init))
model, evaluated_x, evaluated_pred = train_model(
    model, n_steps, batch_size, lr, {{ batches better }}, ood_train_x, ood_train_y, log=log
)

# %% tags=["demonstration"]
title = "better_init, trained on x < 0.4 only"
show_training(model, log, evaluated_x, evaluated_pred, title, ood_train_x, ood_train_y)

# %% [markdown]
# Is your run a typical one? `train_many` stacks the parameters of many networks and computes all their outputs in one go. The
# loss is summed over the networks, so each gets the gradient of its own.

# %%
def train_many(starts, runs=24, seed=0):
    """Train `runs` copies of `model` from each start (init, train_x, train_y), all at once.

    Returns all the networks before training, and the predictions after it, shape (starts, runs, TEST_N).
    """
    torch.manual_seed(seed)
    networks = [copy.deepcopy(model).apply(init) for init, _, _ in starts for _ in range(runs)]
    params, _ = stack_module_state(networks)
    predict = vmap(lambda params, x: functional_call(networks[0], params, x).squeeze(-1))
    data = [tensors(x, y) for _, x, y in starts for _ in range(runs)]
    inputs, targets = (torch.stack(points) for points in zip(*data))

    optimizer = optim.SGD(params.values(), lr, momentum={{ training momentum }})
    rows = torch.arange(len(networks)).unsqueeze(1)
    for step in range(n_steps):
        if step * batch_size % TRAIN_N < batch_size:
            order = torch.rand(len(networks), TRAIN_N).argsort(dim=1)  # a new order for every network
        batch = order[:, torch.arange(step * batch_size, (step + 1) * batch_size) % TRAIN_N]
        loss = (predict(params, inputs[rows, batch]) - targets[rows, batch]).square().mean(dim=1).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    test_inputs, _ = tensors(test_x, test_y)
    with torch.no_grad():
        pred = predict(params, test_inputs.expand(len(networks), -1, -1))
    return networks, pred.view(len(starts), runs, TEST_N).numpy()


# %% tags=["demonstration"]
ends = {
    "trained on all x": (better_init, train_x, train_y),
    "trained on x < 0.4": (better_init, ood_train_x, ood_train_y),
}
_, predictions = train_many(ends.values())
show_functions(dict(zip(ends, predictions)), ends)

# %% [markdown]
# ### Question W10
#
# Describe the performance of this model. Look at both parts of the interval.

# %% [markdown]
# *Your answer to W10 here.*

# %% [markdown]
# All three trained networks, with equal limits. The features are evaluated at the points of the *first* training set: you see
# how finely a network can still adjust its output, also where it had no data.

# %% tags=["demonstration"]
ood_after = svd_local_linearization(trained(model, log))
compare(
    {"one hidden layer, trained": shallow, "better_init, all x": better_after, "better_init, x < 0.4": ood_after}
)

# %% [markdown]
# ### Question W11
#
# Describe your observation and compare it with (a) the linearization of the network with a single hidden layer;
# (b) the linearization of the properly initialized network with {{ network hidden_layers }} hidden layers.

# %% [markdown]
# *Your answer to W11 here.*

# %% [markdown]
# ## The claim, tested
#
# Take many networks from six starts, compute the second singular value $\sigma_2$ of each **before** training (the first is never
# below $\sqrt{n}$, since the output bias alone gives a feature that is 1 everywhere), and train them all. **Predict before you run:**
# which starts will end well?

# %%
def largest_values(network):
    """The first two singular values, from 150 points only; they grow with the root of the number."""
    _, S, _ = torch.svd_lowrank(feature_matrix(network, np.linspace(-1, 1, 150)), q=8, niter=0)
    return math.sqrt(TRAIN_N / 150) * S[:2].numpy()


# %% tags=["demonstration"]
scales = ({{ scales small }}, 0.1, 0.3, 1.0, {{ large scale in code }})
inits = {f"uniform ±{scale:g}": functools.partial(naive_init, scale) for scale in scales}
inits["better_init"] = better_init
networks, predictions = train_many([(init, train_x, train_y) for init in inits.values()], runs=16)
losses = np.square(predictions - test_y).mean(axis=2)
before = np.array([largest_values(network) for network in networks]).reshape(*losses.shape, 2)
show_valley(dict(zip(inits, zip(before, losses))))

# %% [markdown]
# **The answer.** Each point is a network. To the left, and for a while beyond the first wall, since a good fit needs more than two
# features, networks learn little more than a constant. To the right, and with hollow marks, where $\sigma_1$ is beyond the wall,
# training mostly diverges or kills units. In the valley between, networks end well, whatever they started from. So, yes: *the singular
# values before training tell whether training will work.* Near a wall it is a matter of luck; the grader takes the
# median over many seeds, so one unlucky run costs nothing.
#
# A scale picked by hand can sit in the valley, too: which one does? Why learn a rule, then? Such a scale fits the network that it
# was found for:

# %% tags=["demonstration"] jupyter={"source_hidden": true}
# Nothing to do here: how large the output of untrained networks is, over width and depth.
def output_size(init, width, depth, runs=16):
    """Median size of the output for the input 1, over random networks with `depth` hidden layers."""
    sizes = []
    for _ in range(runs):
        signal = torch.tensor([[1.0]])
        for fan_in, fan_out in zip([1] + depth * [width], depth * [width] + [1]):
            layer = usable(nn.Linear(fan_in, fan_out).apply(init))
            signal = layer(signal.relu() if fan_in > 1 else signal)
        sizes.append(abs(signal.item()))
    return np.median(sizes)


torch.manual_seed(0)
print(f"{'size of the output':>20}    uniform ±0.3     better_init")
hidden = {{ network hidden_layers }}
for units, depth in [(width // 4, hidden), (width, hidden), (4 * width, hidden), (16 * width, hidden), (width, 3 * hidden), (width, 8 * hidden)]:
    sizes = [output_size(init, units, depth) for init in (functools.partial(naive_init, 0.3), better_init)]
    print(f"width {units:3}, depth {depth:2}:   {sizes[0]:13.1e}   {sizes[1]:13.1e}")

# %% [markdown]
# ## Handing in
#
# 1. Restart the kernel, run all cells, and **save** the notebook.
# 2. Upload the notebook for the code answers: one file, under any name.
# 3. For the written answers, run the next cell **after saving**. It writes a page with your answers and figures: look at it in
#    a browser, and print it to PDF if your course wants one.

# %% tags=["demonstration"] jupyter={"source_hidden": true}
# Nothing to do here: run this cell after saving. It writes the page with your written answers.
import mimetypes
import re

import nbformat
from nbconvert import HTMLExporter
from nbconvert.preprocessors import TagRemovePreprocessor


def write_page():
    """Write the notebook that was saved last, without its code, to a web page."""
    saved = max(Path().glob("*.ipynb"), key=lambda path: path.stat().st_mtime, default=None)
    if saved is None or saved.stat().st_mtime < last_shown:
        print("Save this notebook, then run this cell again. (On Colab: File > Print instead.)")
        return
    notebook = nbformat.read(saved, as_version=4)
    texts = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    given = [cell.id.startswith(("text-", "code-")) for cell in notebook.cells] + [True]
    missing = []
    for k, cell in enumerate(notebook.cells):
        empty = re.fullmatch(r"\s*\*Your answer to (W\d+) here\.\*\s*", cell.source)
        if empty and given[k + 1]:  # else the answer is in a new cell below
            missing.append(empty[1])
        if given[k] and cell.cell_type == "code":
            cell.metadata.tags = ["given"]
    for cell in texts:  # pictures become part of the page; those that are missing are named below
        kept = cell.setdefault("attachments", {})
        for link, name in re.findall(r"!\[[^\]]*\]\(((?:attachment:)?([^):\s]+))", cell.source):
            if link == name and Path(name).is_file():
                kind = mimetypes.guess_type(name)[0] or "image/png"
                kept[name] = {kind: base64.b64encode(Path(name).read_bytes()).decode()}
            cell.source = cell.source.replace(f"]({link}", f"](attachment:{name}" if name in kept else f"]({name}")
    with contextlib.suppress(ImportError):  # formulas that show without a connection
        from latex2mathml.converter import convert

        for cell in texts:
            cell.source = re.sub(r"\$\$(.+?)\$\$", lambda tex: convert(tex[1], display="block"), cell.source, flags=re.DOTALL)
            cell.source = re.sub(r"\$(.+?)\$", lambda tex: convert(tex[1]), cell.source, flags=re.DOTALL)
    exporter = HTMLExporter(exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.register_preprocessor(TagRemovePreprocessor(remove_input_tags={"given"}), enabled=True)
    page, _ = exporter.from_notebook_node(notebook)
    page = page.replace("</head>", "<style>img, math { break-inside: avoid; max-width: 100%; min-width: 0 !important }</style></head>")
    target = saved.with_suffix(".html")
    target.write_text(page, encoding="utf-8")
    print(f"Wrote {target} from {saved} as last saved. Not answered: {', '.join(missing) or 'none'}.")
    for name in re.findall(r'<img[^>]*src="(?!data:)([^"]+)', page):
        print(f"The picture {name} is not in the page: insert it into the notebook anew.")


write_page()
