"""Hostile submissions: each says what it tries and what it may earn; `proving_ground` tries them and looks around.

`python -m tests.attacks` runs them all in every setting and prints the table.
"""

from tests.attacks.attack import Attack
from tests.attacks.escaping import ESCAPING
from tests.attacks.exhausting import EXHAUSTING
from tests.attacks.forging import FORGING
from tests.attacks.injecting import INJECTING
from tests.attacks.persisting import PERSISTING
from tests.attacks.reading import READING
from tests.attacks.special_casing import SPECIAL_CASING

CATEGORIES: dict[str, tuple[Attack, ...]] = {
    "forging": FORGING,
    "reading": READING,
    "persisting": PERSISTING,
    "exhausting": EXHAUSTING,
    "escaping": ESCAPING,
    "injecting": INJECTING,
    "special-casing": SPECIAL_CASING,
}
ATTACKS = tuple(attack for attacks in CATEGORIES.values() for attack in attacks)

__all__ = ["ATTACKS", "CATEGORIES", "Attack"]
