"""The page to read before a new term is released: what changed, what the thresholds promise, what students will see."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from inithw.release.new_term import Made, differences

_STYLE = """body { font: 16px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse } td, th { border: 1px solid #bbb; padding: .2em .6em; text-align: left }
img { max-width: 100%; border: 1px solid #ddd } .warning { border-left: 6px solid #D55E00; padding-left: .8em }"""
_NEXT = (
    "Read this page, and the figures as a student would.",
    "Read the passages of solutions/written-answers.md that are marked “read again”; correct the words, take the marks "
    "away.",
    "`make verify`, then `make release`.",
)


def page(made: Made) -> str:
    """The page, as HTML that needs no other file."""
    errors = made.thresholds["largest probability of a false verdict"]
    return _document(
        f"{made.after.title}: {made.after.version}",
        [
            *_section("Warnings", [_warning(text) for text in made.warnings] or ["<p>None.</p>"]),
            *_section(
                "What changed",
                [
                    _table(
                        ("what", "was", "is"),
                        [(key, old, new) for key, old, new in differences(made.before, made.after)],
                    )
                ],
            ),
            *_section("Before release", [_list(_NEXT)]),
            *_section(
                "Does the lesson show?",
                [
                    _table(
                        ("what must show", "what the reference notebook shows", ""),
                        [
                            (lesson["what"], lesson["found"], "yes" if lesson["shows"] else "NO")
                            for lesson in made.run["lesson"]
                        ],
                    )
                    if made.run["lesson"]
                    else "<p>Nothing that the notebook shows has changed.</p>"
                ],
            ),
            *_section(
                "Thresholds and error rates",
                [
                    f"<p>A right initialization loses an item with probability {errors['on a right answer']:.0e} at "
                    f"most, a wrong one gets an item that it must lose with {errors['on a wrong answer']:.0e} at most. "
                    f"A trained network is good below a test loss of {made.thresholds['good loss']:g}. "
                    "docs/grading.md has the tables of all families.</p>",
                    _table(("statistic", "threshold"), [*made.thresholds["limits"].items()]),
                    _table(
                        ("family", "good networks"),
                        [(name, f"{share:.0%}") for name, share in made.families.items()],
                    ),
                ],
            ),
            *_section("The release gate", [f"<pre>{escape(made.gate)}</pre>"]),
            *_section(
                "Model answers: what was rewritten",
                [_list(made.differences or ("Nothing.",)), *_marks(made.marks)],
            ),
            *_section("What students will see", _figures(made)),
        ],
    )


def _document(title: str, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{escape(title)}</h1>\n{body}\n</body></html>\n'


def _section(title: str, parts: Sequence[str]) -> list[str]:
    return [f"<h2>{escape(title)}</h2>", *parts]


def _warning(text: str) -> str:
    return f'<p class="warning">{escape(text)}</p>'


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _marks(marks: Sequence[str]) -> list[str]:
    return [f"<p>{len(marks)} paragraphs are to be read again:</p>", _list(marks)] if marks else []


def _table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    top = "".join(f"<th>{escape(str(cell))}</th>" for cell in head)
    lines = (f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{''.join(lines)}</table>"


def _figures(made: Made) -> list[str]:
    return [
        f'<p><img alt="{escape(said)}" src="data:image/png;base64,{base64.b64encode(picture).decode()}"></p>'
        for picture, said in zip(made.figures, made.run["figures"], strict=True)
    ]
