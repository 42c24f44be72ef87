"""Renderings of a grade; each turns a record into something to read and decides nothing."""

from inithw.engine.records import ItemScore


def explain(item: ItemScore) -> str:
    """Why an item was not earned, in one line."""
    state = {"not answered": "Not answered: ", "not reached": "Not reached: "}.get(item.state, "")
    return f"{state}{item.message} {item.hint}".strip()
