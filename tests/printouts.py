"""How often chance decides what is printed besides: `python -m tests.printouts --challenges 1000`.

Which numbers an honest printout shows besides the norms (a loss, a total, the biases' norms) depends on the challenge,
and so does whether one of them looks like a wrong norm. Every form is printed for the networks of many challenges.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from inithw.engine.records import Submission, Unavailable
from inithw.engine.verdict import Lost
from inithw.homework.challenge import draw_challenge
from inithw.homework.checks import check_general, check_norms
from inithw.homework.records import Challenge, Evidence, NormsTask
from rich.progress import track

from tests.autograd import differentiated

Fields = tuple[dict[str, Any], list[dict[str, Any]]]

HONEST = {
    "a loss and a total": ("loss {loss}", "{name} {norm:.6f}", "total {total}"),
    "a loss and a sum in four decimals": ("loss: {loss:.4f}", "{name}: {norm:.4f}", "sum of norms: {sum:.4f}"),
    "their mean and extremes": ("", "{name}: {norm:.4f}", "mean {mean:.4f} min {least:.4f} max {most:.4f}"),
    "first and last compared": ("", "{name} {norm:.3f}", "last/first {last_to_first:.3f}, max/min {range:.2f}"),
    "percent of the sum": ("", "{name} {norm:.4f} ({percent:.1f}%)", ""),
    "shares of the total": ("", "{name} {norm:.4f} {of_total:.4f}", ""),
    "shares of the total with the biases": ("", "{name}: {norm:.6f} ({of_all:.2f}%)", "total {with_biases:.4f}"),
    "relative to the mean": ("", "{name} {norm:.4f} ({of_mean:.2f} x mean)", ""),
    "three digits beside all": ("", "{name} {norm:.6f} (about {norm:.3g})", ""),
    "whole numbers beside decimals": ("", "{name} {norm:.0f} {norm:.4f}", ""),
    "one decimal": ("", "{name} {norm:.1f}", ""),
    "relative to the largest": ("", "{name} {norm:.4f} {of_most:.3f}", ""),
    "relative to the first": ("", "{name} {norm:.4f} {of_first:.3f}", ""),
    "logarithms": ("", "{name} {norm:.4f} log10 {log:.3f}", ""),
    "weights' norms": ("", "{name} grad norm {norm:.4f} weight norm {weight:.4f}", ""),
    "weights' norms and ratios": ("", "{name} grad {norm:.6f} weight {weight:.6f} ratio {ratio:.6f}", ""),
    "ratios to weights' norms": ("", "{name} {norm:.2f} {ratio:.2f}", ""),
    "weights' norms in a table": ("k |w| |g|", "{k} {weight:.4f} {norm:.4f}", ""),
    "weights' spread": ("", "{name} {norm:.4f} std(w) {spread:.3g} mean(w) {offset:.3g}", ""),
    "biases on lines of their own": ("", "{name} {norm:.6f}\n{index}.bias {bias:.6f}", ""),
    "biases beside": ("", "layer {k}: weight {norm:.6f} bias {bias:.6f}", ""),
    "biases in three digits": ("", "Layer {k}: {norm:.5g} (bias {bias:.3g})", ""),
    "biases in four digits": ("", "{name} {norm:.4g} bias {bias:.4g}", ""),
    "shapes and sizes": ("", "{name} {shape} {size} {norm:.6f}", ""),
    "shapes and shares": ("", "{name} {shape} {norm:.4g} {percent:.2f}%", ""),
    "widths and a total": ("", "Layer {k} ({fan_in} -> {fan_out}): {norm:.4g}", "total = {total:.4g}"),
    "times": ("", "{name} {norm:.6f} {seconds:.6f}s", "elapsed {elapsed:.4f} s"),
    "settings": ("Epoch 1/1, lr=0.1, batch=1500 loss={loss:.3f}", "{name} {norm:.4f}", ""),
    "no names": ("", "{norm:.6f}", "{loss:.6f}\n{total:.6f}"),
    "no names, layers from 1": ("", "Layer {k}: {norm:.6f}", "Loss: {loss:.6f}"),
}
"""Above all layers, for each of them, and below."""
HEDGES = {
    "spectral norms": ("", "{name} {norm} {spectral}", ""),
    "spectral norms in three digits": ("", "{name} {norm} {spectral:.3g}", ""),
    "sums of absolute values": ("", "layer {k}: {l1:.4f} {norm:.4f}", ""),
    "squares": ("", "{name} {squared:.2f} {norm:.4f}", ""),
    "running totals": ("", "{norm:.4f} {running:.4f}", ""),
    "sums of the rows' norms": ("", "{name} {norm:.4f} {rows:.4f}", ""),
    "ten times as much": ("", "{name} {norm:.4f} {tenfold:.4f}", ""),
    "spectral norms and sums in turn": ("", "{name} {norm:.5f} {in_turn:.5f}", ""),
}


def fields(task: NormsTask, random: np.random.Generator) -> Fields:
    """What a form may print about a network, and about each of its layers, as torch computes it in float32."""
    weights, biases, loss = differentiated(task, torch.float32)
    gradients = [weight.grad for weight in weights]
    norms = np.array([gradient.norm().item() for gradient in gradients])
    total, elapsed = math.sqrt(np.square(norms).sum()), 0.01 * random.random()
    with_biases = math.hypot(total, *(bias.grad.norm().item() for bias in biases))
    network = {
        **{"loss": loss.item(), "total": total, "sum": norms.sum(), "mean": norms.mean(), "elapsed": elapsed},
        **{"least": norms.min(), "most": norms.max(), "range": norms.max() / norms.min()},
        **{"last_to_first": norms[-1] / norms[0], "with_biases": with_biases},
    }
    layers = []
    for k, (weight, bias, gradient, norm) in enumerate(zip(weights, biases, gradients, norms, strict=True)):
        spectral, l1 = torch.linalg.matrix_norm(gradient, 2).item(), gradient.abs().sum().item()
        layer = {
            **{"k": k + 1, "index": 2 * k, "name": f"{2 * k}.weight", "norm": norm, "log": math.log10(norm)},
            **{"shape": tuple(weight.shape), "size": weight.numel(), "fan_in": weight.shape[1]},
            **{"fan_out": weight.shape[0], "bias": bias.grad.norm().item(), "weight": weight.norm().item()},
            **{"spread": weight.std().item(), "offset": weight.mean().item(), "ratio": norm / weight.norm().item()},
            **{"percent": 100 * norm / norms.sum(), "of_total": norm / total, "of_most": norm / norms.max()},
            **{"of_first": norm / norms[0], "seconds": elapsed * (k + 1) / len(norms), "tenfold": 10 * norm},
            **{"spectral": spectral, "l1": l1, "squared": norm**2, "in_turn": l1 if k % 2 else spectral},
            **{"of_mean": norm / norms.mean(), "of_all": 100 * norm / with_biases},
            **{"running": norms[: k + 1].sum(), "rows": gradient.norm(dim=1).sum().item()},
        }
        layers.append(layer)
    return network, layers


def printed(challenge: Challenge, form: tuple[str, str, str], seen: Sequence[Fields]) -> Evidence:
    """What a `print_gnorms` of this form prints for every network."""
    above, line, below = form
    texts = tuple(
        "\n".join([above.format_map(network), *(line.format_map(one) for one in layers), below.format_map(network)])
        for network, layers in seen
    )
    nothing = Unavailable("not answered", "it was not asked")
    return Evidence(challenge, (), nothing, texts, nothing)


def lost_items(evidence: Evidence) -> list[str]:
    """Which of the two items are lost."""
    lost = []
    for item, check in (("q2.norms", check_norms), ("q2.general", check_general)):
        try:
            check(evidence)
        except Lost:
            lost.append(item)
    return lost


def wrong_verdicts(numbers: range, show: bool = False) -> Counter[str]:
    """Honest forms that lost an item, and hedges that got one, under these challenges: how often, by form."""
    found: Counter[str] = Counter()
    for number in track(numbers, "challenges", disable=not show):
        challenge = draw_challenge(str(number).encode(), Submission("printed", (), "digest"))
        random = np.random.default_rng(number)
        seen = [fields(task, random) for task in challenge.norms]
        for name, form in (HONEST | HEDGES).items():
            lost = lost_items(printed(challenge, form, seen))
            if len(lost) != 2 * (name in HEDGES):
                found[name] += 1
                if show:
                    print(f"challenge {number}: {name}: lost {', '.join(lost) or 'nothing'}", flush=True)
    return found


def main() -> int:
    """Print every wrong verdict; the exit code says whether there was one."""
    parser = argparse.ArgumentParser(prog="python -m tests.printouts", description=__doc__)
    parser.add_argument("--challenges", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = wrong_verdicts(range(arguments.first, arguments.first + arguments.challenges), show=True)
    print(f"{len(HONEST)} honest forms and {len(HEDGES)} hedges under {arguments.challenges} challenges:")
    print("every verdict is right" if not found else f"wrong verdicts: {dict(found)}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
