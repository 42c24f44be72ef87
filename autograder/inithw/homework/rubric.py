"""The table of items. What else names an item is made from it by `inithw build`."""

from __future__ import annotations

from collections.abc import Callable

from inithw.engine.records import Figures, Item
from inithw.homework import checks
from inithw.homework.checks.remarks import remarked
from inithw.homework.records import Evidence
from inithw.homework.reference.data import PARAMETERS, WIDTHS
from inithw.homework.term import FILE, TERM, TermError

_NETWORK = (
    f"{TERM.network.hidden_layers} hidden layers of width {TERM.network.width} with a ReLU after each, then one output "
    f"layer: {2 * len(WIDTHS) - 3} children, {PARAMETERS} parameters"
)


def _item(label: str, title: str, claim: str, check: Callable[[Evidence], Figures | None]) -> Item:
    """An item with the points that this term gives it."""
    if label not in TERM.points:
        raise TermError(f"{FILE}: points of {label} are missing")
    return Item(label, TERM.points[label], title, claim, remarked(label.partition(".")[0], check))


RUBRIC = (
    _item(
        "q1.layers",
        "the layers of the network",
        f"The model has the layers described, in order: {_NETWORK}.",
        checks.check_layers,
    ),
    _item(
        "q1.forward",
        "the function that the network computes",
        "Given new weights, it computes that network's function and gradients, for large and negative inputs too.",
        checks.check_forward,
    ),
    _item(
        "q2.norms",
        "the norms of the gradients",
        "For new weights, the number printed for each weight matrix is its gradient's L2 (Frobenius) norm.",
        checks.check_norms,
    ),
    _item(
        "q2.general",
        "the norms for networks of other sizes",
        "The same for networks of other depth and width.",
        checks.check_general,
    ),
    _item(
        "q3.draws",
        "freshly drawn weights",
        "Every weight is freshly drawn: finite, around zero, not constant, other in each layer; biases are zero.",
        checks.check_draws,
    ),
    _item(
        "q3.scale",
        "the scale of the weights",
        "The standard deviation of the weights follows from the layer's size, with an accepted gain.",
        checks.check_scale,
    ),
    _item(
        "q3.gradients",
        "the gradients at initialization",
        "At initialization, the gradient norms of all layers neither vanish nor explode, and are balanced.",
        checks.check_gradients,
    ),
    _item(
        "q3.training",
        "training from the initialization",
        "Trained as in the homework from many fresh seeds, the median network fits the test data.",
        checks.check_training,
    ),
)

ITEMS = {item.id: item for item in RUBRIC}
POINTS = {item.id: item.points for item in RUBRIC}
if unknown := set(TERM.points) - set(POINTS):
    raise TermError(f"{FILE}: points.{min(unknown)}: there is no such item; known are {', '.join(POINTS)}")
