"""Read the numbers, and which layer they belong to, out of the text that `print_gnorms` showed."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, islice

from inithw.engine.records import FloatArray

SIGNIFICANT_DIGITS = 4
"""Fewest digits in which the right norm and a wrong one differ for certain."""
PER_LAYER = 6
"""Most different numbers shown for one layer: more is a list of candidates, not an answer."""
_WHOLE_DIGITS = 3
"""Fewest digits in which a whole number beside decimals is looked at as a wrong norm."""
_MOST_READ = 1000
"""Numbers read in search of wrong norms beside the right ones."""
ELSEWHERE = 3
"""Numbers tolerated besides in a text that does not name the layers (a loss, a total)."""
RELATIVE_TOLERANCE = 2e-4
"""float32 against float64, with room for another order of summation."""
LARGEST_ERROR = 1e-3
"""However it was rounded: a number that is farther off, relatively, is another number."""

# Every repetition is bounded or possessive, and no number starts inside another: linear in the text.
_NUMBER = re.compile(
    r"(?:(?<![\w.])|(?<=\.\.)|(?<=[^\W\d])(?=[0-9]{1,40}\.[0-9]{2}))"  # after dots that lead there, or glued to a word
    r"(?:(?<![^\s(\[{<>=:;,|&'\"])[-+])?"  # a sign, no dash between a name and a number
    r"(?:(?:[0-9]{1,3}(?:[,_'][0-9]{3}){1,4}(?![0-9])(?:\.[0-9]{0,60})?"
    r"|[0-9]{1,3}(?:\.[0-9]{3}){1,4},[0-9]{1,60}(?![.,]?[0-9])"
    r"|[0-9]{1,40},[0-9]{1,60}(?![.,]?[0-9])"
    r"|[0-9]{1,40}(?![0-9])(?:\.[0-9]{0,60})?)(?:e[-+]?[0-9]{1,3})?"
    r"|(?:nan|inf)(?!\w))(?!\.?[0-9])",
    re.IGNORECASE,
)
_AFTER_THOUSANDS = re.compile(r"[0-9]{3}(?![0-9])")
_THOUSANDS_BEFORE = re.compile(r"(?<![\w.,])[0-9]{1,3}(?:[ \u00a0\u2009\u202f][0-9]{3}){0,2}[ \u00a0\u2009\u202f]\Z")
_POWER_OF_TEN = re.compile(
    r"(?<=[0-9]) ?(?:[x×·*⋅]|\\times|\\cdot) ?10 ?(?:\^|\*\*) ?[{(]?([-+]?[0-9]{1,3})[})]?(?![0-9])"
)
_SUPERSCRIPT = re.compile(r"(?<=10)([⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3})")
_SIGNS = {"−": "-", "’": "'", "．": ".", "，": ",", "٫": "."}
_MOST_SAID = 60  # characters before a number that are about it
_SUPERSCRIPTS = str.maketrans("⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹", "-+0123456789")
_NO_ASCII = re.compile(r"[^\x00-\x7f]")
_WEIGHTS = re.compile(r"\b[wp]\b|\b[wp]_?norm|weight|param|theta|θ|gewicht|权重", re.IGNORECASE)
"""What people call weights, in words and symbols."""
_NAME = re.compile(r"(?<![0-9])([0-9]{1,4})\.(weight|bias)(?![A-Za-z_])(?:-+(?=[0-9]))?")
_MARKS = {ord(str(digit)): 0xE000 + digit for digit in range(10)}
_DIGITS = {mark: chr(digit) for digit, mark in _MARKS.items()}
_WEIGHT, _BIAS = "\ue00a", "\ue00b"
_MARK = re.compile(f"([\ue000-\ue009]{{1,4}})([{_WEIGHT}{_BIAS}])")
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Number:
    """A number as printed.

    Attributes:
        text: As it stands there.
        values: What it can mean: `2,123.45` is one number, or an index and a number; `2,123` is 2.123, too.
        beside: The name to the left of it, `0.weight` or `0.bias`, on a line that begins with a name; or empty.
        of_weights: Whether the words before it on its line, the nearest ones, say that it is about weights.
    """

    text: str
    values: tuple[Decimal, ...]
    of_weights: bool = False
    beside: str = ""

    def shows(self, value: float, digits: int = SIGNIFICANT_DIGITS, slack: float = 0.0) -> bool:
        """Whether this is `value`, rounded or cut off, to at least `digits` significant digits of the value."""
        return any(_shows(printed, value, digits, slack) for printed in self.values)


def _shows(printed: Decimal, value: float, digits: int, slack: float) -> bool:
    exponent = printed.as_tuple().exponent
    if not isinstance(exponent, int) or not math.isfinite(value):
        return False
    # What is printed counts as far as it says `digits` digits of the value, and no digit that is missing.
    last = math.floor(math.log10(abs(value))) - digits + 1 if value else 0
    allowed = RELATIVE_TOLERANCE * abs(value) + 10.0 ** min(exponent, last)
    if digits >= SIGNIFICANT_DIGITS:
        allowed = min(allowed, LARGEST_ERROR * abs(value))
    return abs(float(printed) - value) <= allowed + slack


@dataclass(frozen=True, slots=True)
class Printout:
    """What a text says about a network's weight matrices.

    Attributes:
        named: Per layer, the different numbers beside the layer's name; empty when a layer is not named.
        ordered: All numbers in order, for texts without names; one more than tolerated at most.
        layers: Number of weight matrices.
        all_named: As `named`, with whole numbers of three digits: they can be a wrong norm, and `.4g` writes 239.04 so.
        all_ordered: Likewise.
        speaks_of_weights: Whether a line without numbers, such as a table's head, does so.
    """

    named: tuple[tuple[Number, ...], ...]
    ordered: tuple[Number, ...]
    layers: int
    all_named: tuple[tuple[Number, ...], ...]
    all_ordered: tuple[Number, ...]
    speaks_of_weights: bool

    @property
    def crowded(self) -> bool:
        """Whether it lists so many numbers that one of them would be right by itself."""
        return not _named_usable(self.named) and not self._ordered_usable(self.ordered)

    @property
    def claims(self) -> tuple[Number, ...]:
        """The numbers to quote to the student."""
        if all(self.named) and self.named:
            return tuple(candidates[0] for candidates in self.named)
        return self.ordered

    def shows(
        self,
        norms: Sequence[float] | FloatArray,
        digits: int = SIGNIFICANT_DIGITS,
        slack: Sequence[float] | FloatArray | None = None,
    ) -> bool:
        """Whether it shows this norm for every layer.

        Args:
            norms: One for each weight matrix, in order.
            digits: Fewest significant digits that count.
            slack: How far off each may be besides.
        """
        wanted = list(zip(norms, [0.0] * len(norms) if slack is None else slack, strict=True))
        readings = (self.named, self.ordered), (self.all_named, self.all_ordered)
        return any(self._shows(named, ordered, wanted, digits) for named, ordered in readings)

    def _shows(
        self,
        named: Sequence[Sequence[Number]],
        ordered: Sequence[Number],
        wanted: Sequence[tuple[float, float]],
        digits: int,
    ) -> bool:
        if _named_usable(named):
            shown = [
                {layer for layer, (norm, more) in enumerate(wanted) if any(n.shows(norm, digits, more) for n in beside)}
                for beside in named
            ]
            if all(layer in beside for layer, beside in enumerate(shown)):
                return True
            if all(shown):  # every name has some layer's norm beside it, and not its own
                return False
        remaining = iter(ordered)
        return self._ordered_usable(ordered) and all(
            any(
                number.beside in ("", f"{2 * layer}.weight") and number.shows(norm, digits, more)
                for number in remaining
            )
            for layer, (norm, more) in enumerate(wanted)
        )

    def besides(self, norms: Sequence[float] | FloatArray) -> Iterator[tuple[tuple[Number, ...], ...]]:
        """What stands beside each layer besides its norm, in a text that shows these norms.

        Beside its name, where the norms are there, too; then wherever it may belong to: all other numbers for each.
        """
        pairs = list(zip(self.all_named, norms, strict=True)) if _named_usable(self.named) else []
        if pairs and all(any(number.shows(norm) for number in candidates) for candidates, norm in pairs):
            yield tuple(tuple(number for number in candidates if not number.shows(norm)) for candidates, norm in pairs)
        others = tuple(number for number in self.all_ordered if not any(number.shows(norm) for norm in norms))
        yield (others,) * self.layers

    def _ordered_usable(self, ordered: Sequence[Number]) -> bool:
        return len(ordered) <= _most_numbers(self.layers)


def _named_usable(named: Sequence[Sequence[Number]]) -> bool:
    return bool(named) and all(0 < len(candidates) <= PER_LAYER for candidates in named)


def read_printout(text: str, layers: int) -> Printout:
    """Read what `print_gnorms` showed for a network with `layers` weight matrices, named 0.weight, 2.weight ..."""
    text = _NO_ASCII.sub(_in_ascii, _TERMINAL_CODE.sub("", text))
    text = _SUPERSCRIPT.sub(lambda power: "^" + power[1].translate(_SUPERSCRIPTS), text)
    text = _POWER_OF_TEN.sub(r"e\1", text)
    named, all_named = (_in_layers(_beside_names(text, whole), layers) for whole in (False, True))
    unnamed = _NAME.sub(_marked, text)
    ordered = list(islice(_answers(unnamed), _most_numbers(layers) + 1))
    if len(ordered) < layers:  # `.6g` writes 424.0005 as 424: where a line has nothing else, that is its number
        each = chain.from_iterable(map(_answers, unnamed.splitlines()))
        ordered = list(islice(each, _most_numbers(layers) + 1))
    heads = (line for line in unnamed.splitlines() if not any(map(_is_decimal, _NUMBER.findall(line))))
    return Printout(
        named=named,
        ordered=tuple(ordered),
        layers=layers,
        all_named=all_named,
        all_ordered=tuple(islice(_answers(unnamed, whole=True), _MOST_READ)),
        speaks_of_weights=any(_WEIGHTS.search(line) for line in heads),
    )


def _marked(name: re.Match[str]) -> str:
    """A name as letters that nobody prints: its number is none that counts."""
    return f" {name[1].translate(_MARKS)}{_WEIGHT if name[2] == 'weight' else _BIAS} "


def _unmarked(number: str, kind: str) -> str:
    return f"{number.translate(_DIGITS)}.{'weight' if kind == _WEIGHT else 'bias'}"


def _in_ascii(letter: re.Match[str]) -> str:
    """Digits, signs and separators of other scripts as Python writes them; all else as it is."""
    digit = unicodedata.decimal(letter[0], None)
    return _SIGNS.get(letter[0], letter[0]) if digit is None else str(digit)


def _most_numbers(layers: int) -> int:
    return PER_LAYER * layers + ELSEWHERE


def _in_layers(named: dict[int, dict[str, Number]], layers: int) -> tuple[tuple[Number, ...], ...]:
    if all(2 * layer in named for layer in range(layers)):
        return tuple(tuple(named[2 * layer].values()) for layer in range(layers))
    return ()


def _beside_names(text: str, whole: bool) -> dict[int, dict[str, Number]]:
    """Numbers right of each `N.weight`, or on the next line if there are none; by N, then by their text."""
    found: dict[int, dict[str, Number]] = {}
    open_name: int | None = None
    for line in text.splitlines():
        names = list(_NAME.finditer(line))
        if names:
            open_name = None
        elif open_name is not None and line.strip():
            _add(found[open_name], line, whole)
            open_name = None
        ends = [name.start() for name in names] + [len(line)]
        for name, end in zip(names, ends[1:], strict=True):
            open_name = None
            if name[2] == "weight":
                numbers = found.setdefault(int(name[1]), {})
                if not _add(numbers, line[name.end() : end], whole):
                    open_name = int(name[1])
    return found


def _add(numbers: dict[str, Number], text: str, whole: bool) -> bool:
    """Add the numbers of `text`, one more than tolerated at most; whether there were any."""
    some = False
    for number in _answers(text, whole):
        some = True
        if len(numbers) > (_MOST_READ if whole else PER_LAYER):
            break
        numbers.setdefault(number.text, number)
    return some


def _answers(text: str, whole: bool = False) -> Iterator[Number]:
    """The numbers that can be norms: bare integers (an index, a shape, a count) only where there is nothing else.

    Args:
        text: What was printed.
        whole: Whether those of three digits count in any case.
    """
    fewest = _WHOLE_DIGITS if whole else SIGNIFICANT_DIGITS
    integers = not any(_is_decimal(match[0]) for match in _NUMBER.finditer(text))
    said, of_weights, beside = 0, False, ""
    for match in _NUMBER.finditer(text):
        if integers or _is_decimal(match[0]) or sum(map(str.isdigit, match[0])) >= fewest:
            _lines, ended, before = text[said : match.start()].rpartition("\n")
            first, said = bool(ended) or not said, match.end()
            marks = _MARK.findall(before)
            if first:
                beside = ""
            if marks and (first or beside):  # on a line that begins with a number, names may stand behind theirs
                beside = _unmarked(*marks[-1])
            said_of_it = before[-_MOST_SAID:]
            if ended or marks or any(map(str.isalpha, said_of_it)):  # else it goes on with a list
                of_weights = _WEIGHTS.search(said_of_it) is not None
            readings = _readings(match[0])
            if _AFTER_THOUSANDS.match(match[0]):  # 1 234.5, or an index and a number
                thousands = _THOUSANDS_BEFORE.search(text, max(0, match.start() - 12), match.start())
                readings += _readings("".join(thousands[0].split()) + match[0]) if thousands else ()
            yield Number(match[0], readings, of_weights, beside)


def _readings(number: str) -> tuple[Decimal, ...]:
    parts = re.split(r"[,_']", number)
    found = {parts[-1]}  # after an index
    if len(parts) == 2 and "," in number and "." not in parts[1]:
        found.add(f"{parts[0].replace('.', '')}.{parts[1]}")  # a decimal comma
    if "." not in parts[0] or len(parts) == 1:
        found.add("".join(parts))
    return tuple(Decimal(reading) for reading in sorted(found))


def _is_decimal(number: str) -> bool:
    return re.search(r"\.[0-9]|[en]|^[-+]?[0-9]{4,},|,(?![0-9]{3}(?![0-9]))", number, re.IGNORECASE) is not None
