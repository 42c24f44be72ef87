"""What the message of a lost item says besides: a package that is not here, an error after something was printed."""

from __future__ import annotations

from collections.abc import Callable

from inithw.engine.records import Figures
from inithw.engine.verdict import Lost, NotAnswered, NotReached
from inithw.homework.records import Evidence

Check = Callable[[Evidence], Figures | None]
_INSTALLED = (
    "Use what is installed: torch, NumPy, SciPy, pandas; files of your own can be uploaded beside the notebook."
)


def remarked(question: str, check: Check) -> Check:
    """The check of an item of a question, with the remarks on its answer in what it says."""

    def checked(evidence: Evidence) -> Figures | None:
        try:
            return check(evidence)
        except (NotAnswered, NotReached):
            raise
        except Lost as lost:
            for remark in evidence.remarks:
                if remark.question == question and remark.absent:
                    raise NotReached(f"{remark.absent}.", hint=_INSTALLED) from None
                if remark.question == question and remark.raised:
                    said = f"{remark.raised}. {lost.message}"
                    raise Lost(said, diagnosis=lost.diagnosis, hint=lost.hint) from None
            raise

    checked.__doc__, checked.__name__ = check.__doc__, check.__name__
    return checked
