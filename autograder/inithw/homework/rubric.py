"""The table of items and points: ten in all. What else names an item is made from it by `inithw build`."""

from __future__ import annotations

from inithw.engine.records import Item
from inithw.homework import checks
from inithw.homework.reference.data import PARAMETERS, WIDTHS

_INPUTS, _WIDTH, *_BETWEEN, _OUTPUTS = WIDTHS
_LAYERS = (
    f"Linear({_INPUTS}, {_WIDTH}), then {len(_BETWEEN)} times Linear({_WIDTH}, {_WIDTH}), "
    f"then Linear({_WIDTH}, {_OUTPUTS})"
)

RUBRIC = (
    Item(
        "q1.layers",
        1.0,
        "the layers of the network",
        f"The model has {2 * len(WIDTHS) - 3} children: {_LAYERS}, with a ReLU between each two; "
        f"{PARAMETERS} parameters.",
        checks.check_layers,
    ),
    Item(
        "q1.forward",
        1.0,
        "the function that the network computes",
        "Given new weights, it computes that network's function, for large and negative inputs too.",
        checks.check_forward,
    ),
    Item(
        "q2.norms",
        2.0,
        "the norms of the gradients",
        "For new weights, the number printed for each weight matrix is its gradient's L2 (Frobenius) norm.",
        checks.check_norms,
    ),
    Item(
        "q2.general",
        1.0,
        "the norms for networks of other sizes",
        "The same for networks of other depth and width.",
        checks.check_general,
    ),
    Item(
        "q3.draws",
        1.0,
        "freshly drawn weights",
        "Every weight is freshly drawn: finite, around zero, not constant, other in each layer; biases are zero.",
        checks.check_draws,
    ),
    Item(
        "q3.scale",
        2.0,
        "the scale of the weights",
        "The standard deviation of the weights follows from the layer's size, with an accepted gain.",
        checks.check_scale,
    ),
    Item(
        "q3.gradients",
        1.0,
        "the gradients at initialization",
        "At initialization, the gradient norms of all layers neither vanish nor explode, and are balanced.",
        checks.check_gradients,
    ),
    Item(
        "q3.training",
        1.0,
        "training from the initialization",
        "Trained as in the homework from many fresh seeds, the median network fits the test data.",
        checks.check_training,
    ),
)

POINTS = {item.id: item.points for item in RUBRIC}
