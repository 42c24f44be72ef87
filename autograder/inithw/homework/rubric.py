"""The table of items and points: ten in all."""

from __future__ import annotations

from inithw.engine.records import Item
from inithw.homework import checks

RUBRIC = (
    Item(
        "q1.layers",
        1.0,
        "The model has nine children: Linear(1, 20), then three times Linear(20, 20), then Linear(20, 1), with a ReLU "
        "between each two; 1321 parameters.",
        checks.check_layers,
    ),
    Item(
        "q1.forward",
        1.0,
        "Given new weights, it computes that network's function, for large and negative inputs too.",
        checks.check_forward,
    ),
    Item(
        "q2.norms",
        2.0,
        "For new weights and data, the number printed for each weight matrix is its gradient's L2 (Frobenius) norm.",
        checks.check_norms,
    ),
    Item("q2.general", 1.0, "The same for networks of other depth and width.", checks.check_general),
    Item(
        "q3.draws",
        1.0,
        "Every weight is freshly drawn: finite, around zero, not constant, other in each layer; biases are zero.",
        checks.check_draws,
    ),
    Item(
        "q3.scale",
        2.0,
        "The standard deviation of the weights follows from the layer's size, with an accepted gain.",
        checks.check_scale,
    ),
    Item(
        "q3.gradients",
        1.0,
        "At initialization, the gradient norms of all layers neither vanish nor explode, and are balanced.",
        checks.check_gradients,
    ),
    Item(
        "q3.training",
        1.0,
        "Trained as in the homework from many fresh seeds, the median network fits the test data.",
        checks.check_training,
    ),
)

POINTS = {item.id: item.points for item in RUBRIC}
