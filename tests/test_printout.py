"""What `print_gnorms` showed is read in every form that people print, and nothing is read into it."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from inithw.homework.printout import ELSEWHERE, PER_LAYER, read_printout

NORMS = [1234.5678, 99.98765, 5.4321e3, 12.345678, 40321.9]
NAMES = [f"{2 * layer}.weight" for layer in range(5)]


def lines(form, norms=NORMS):
    return "\n".join(
        form.format(name=name, norm=norm, k=k) for k, (name, norm) in enumerate(zip(NAMES, norms, strict=True))
    )


@pytest.mark.parametrize(
    "form",
    [
        "{name} {norm:.8f}",
        "{name} {norm:.2f}",
        "{name}: {norm:.4g}",
        "{name}\t{norm:.3e}",
        "{name} gradient norm = {norm}",
        "{name}\n    {norm:.6f}",
        "{name} tensor({norm:.4f})",
        "{name} | {norm:,.2f}",
        "Layer {k} ({name}) has norm {norm:.5f} over 400 entries",
        "{norm:.8f}",
        "||grad|| = {norm:.8f}",
        "layer {k}: {norm:.8f}",
        "{name} torch.Size([20, 20]) {norm:.6f}",
        "\x1b[1m{name}\x1b[0m \x1b[32m{norm:.6f}\x1b[0m",
        "{name} +{norm:.6E}",
        "{name}{norm:.6f}",
        "{name}: {norm:.4f} ({k}.25 %)",
    ],
)
def test_every_usual_format_is_read(form):
    assert read_printout(lines(form), 5).shows(NORMS)


@pytest.mark.parametrize(
    "text",
    [
        str(NORMS),
        str(dict(zip(NAMES, NORMS, strict=True))),
        "loss 0.12345\n" + lines("{name} {norm:.8f}") + "\ntotal norm 40800.123",
        lines("{name} {norm:.8f}").replace("2.weight", "0.bias 0.5555555\n2.weight"),
        "   ".join(f"{norm:.4f}" for norm in NORMS),
        "name,norm\n" + lines("{name},{norm:.6f}"),
    ],
)
def test_lists_tables_and_further_lines_do_no_harm(text):
    assert read_printout(text, 5).shows(NORMS)


@pytest.mark.parametrize("form", ["{name} {norm:.4g} bias 0.0197", "layer {k}: {norm:.4g} (bias 0.0197)"])
def test_a_norm_that_four_digits_write_as_a_whole_number_of_three_is_read_beside_decimals(form):
    norms = [123.456, 239.04, 1501.3]
    assert read_printout(lines(form, [*norms, *NORMS[3:]]), 5).shows([*norms, *NORMS[3:]])


OTHER_NAMES = {
    "weights and biases swapped": [(f"{2 * k}.weight 0.1{k}", f"{2 * k}.bias {norm}") for k, norm in enumerate(NORMS)],
    "every parameter's name in turn": [
        (f"{name} {norm}",)
        for name, norm in zip(["0.weight", "0.bias", "2.weight", "2.bias", "4.weight"], NORMS, strict=True)
    ],
    "the layer before": [(f"{name} {norm}",) for name, norm in zip(NAMES, [0, *NORMS], strict=False)]
    + [(f"last {NORMS[-1]}",)],
    "all on one line": [
        tuple(
            f"{name} {norm} "
            for name, norm in zip(["0.weight", "0.bias", "2.weight", "2.bias", "4.weight"], NORMS, strict=True)
        )
    ],
}


@pytest.mark.parametrize("texts", OTHER_NAMES.values(), ids=OTHER_NAMES)
def test_a_norm_beside_another_name_is_not_shown(texts):
    text = "\n".join("\n".join(line) if len(line) < 5 else "".join(line) for line in texts)
    assert not read_printout(text, 5).shows(NORMS)


@pytest.mark.parametrize(
    "form",
    ["{norm:.4f} {name}", "{norm:.4f} is that of {name}, {k}.5 %", "{k}: {norm:.4f} ({name})", "{norm:.4f} {name} 0.5"],
)
def test_a_name_may_stand_behind_its_number(form):
    assert read_printout(lines(form), 5).shows(NORMS)
    assert read_printout(lines("{norm:.4f} {name}").replace("\n", "  "), 5).shows(NORMS)


@pytest.mark.parametrize(
    "form",
    [
        "{name}: {comma}.",
        "{name}: {comma}, {k}",
        "Die Norm von Schicht {k} ist {comma}.",
        "{name}: {german}.",
        "Couche {k} {french}",
        "{k} {spaced}",
        "{name} {mantissa} * 10 ** {exponent}",
        "{name} {mantissa} x 10^({exponent})",
    ],
)
def test_numbers_are_read_as_people_of_other_countries_write_them(form):
    def written(k, norm):
        comma, spaced = f"{norm:.4f}".replace(".", ","), f"{norm:,.4f}".replace(",", " ")
        german = f"{norm:,.2f}".translate({ord(","): ".", ord("."): ","})
        mantissa, exponent = f"{norm:.6e}".split("e")
        return form.format(
            **{"name": NAMES[k], "k": k, "comma": comma, "spaced": spaced, "french": spaced.replace(".", ",")},
            **{"german": german, "mantissa": mantissa, "exponent": int(exponent)},
        )

    assert read_printout("\n".join(written(k, norm) for k, norm in enumerate(NORMS)), 5).shows(NORMS)


def test_what_a_word_says_holds_for_the_whole_list_that_follows_it():
    numbers = read_printout("weights: [10.5, 9.25]\n3.5 grads 4.5, 5.5 W 6.5 7.5", 2).ordered
    assert [number.of_weights for number in numbers] == [True, True, False, False, False, True, True]


@given(st.lists(st.floats(10, 1e5), min_size=1, max_size=8), st.integers(4, 12))
def test_a_norm_in_four_digits_or_more_is_always_read(norms, digits):
    text = "\n".join(f"{2 * layer}.weight {norm:.{digits}g}" for layer, norm in enumerate(norms))
    assert read_printout(text, len(norms)).shows(norms)  # "10" and "1.5e+04" too, where these are 10.00 and 1.500e4


@given(st.lists(st.floats(10, 1e5), min_size=2, max_size=8), st.floats(1.01, 100), st.data())
def test_one_number_off_by_a_percent_is_never_read_as_the_norm(norms, factor, data):
    off = data.draw(st.integers(0, len(norms) - 1))
    printed = [norm * factor if layer == off else norm for layer, norm in enumerate(norms)]
    text = "\n".join(f"{2 * layer}.weight {norm:.8f}" for layer, norm in enumerate(printed))
    assert not read_printout(text, len(norms)).shows(norms)


@given(st.text(max_size=400))
def test_any_text_is_read_without_an_error_and_shows_nothing_by_chance(text):
    assert not read_printout(text, 5).shows([1234.56789, 99.987654, 5432.10123, 12.3456789, 40321.98765])


NUMBER_CHARACTERS = st.text("0123456789.,_'+-eE \n", max_size=60)


@settings(max_examples=500)
@given(NUMBER_CHARACTERS, st.floats(10, 1e5))
@example("0e8", 12345.0)
@example("000e9", 12345.0)
@example("123_000e9", 12345.0)
@example("1e4", 12345.0)
@example("0,000e8", 12345.0)
def test_no_text_of_number_characters_shows_a_norm_that_it_is_not_within_a_thousandth_of(text, norm):
    for number in read_printout(text, 1).ordered:
        nearest = min(abs(float(value) / norm - 1) for value in number.values)
        assert not number.shows(norm) or nearest <= 1.0001e-3, number


@settings(max_examples=500)
@given(st.floats(10, 1e5), st.floats(-0.02, 0.02), st.sampled_from(["{:.0f}", "{:.2f}", "{:.3e}", "{:.1e}", "{:g}"]))
def test_what_is_farther_off_than_a_thousandth_is_another_number_in_every_format(norm, error, form):
    (number,) = read_printout(form.format(norm * (1 + error)), 1).ordered or (None,)
    if number is not None and number.shows(norm):
        assert abs(float(number.values[0]) / norm - 1) <= 1.0001e-3


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1234,5678", 1234.5678),
        ("12,345", 12.345),
        ("12,345", 12345),
        ("1.234,56", 1234.56),
        ("1,2345e3", 1234.5),
        ("1,234.56", 1234.56),
        ("3,1234.56", 1234.56),
    ],
)
def test_a_decimal_comma_is_a_decimal_point_and_thousands_are_thousands(text, value):
    assert any(number.shows(value) for number in read_printout(text, 1).ordered)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 234.5678", 1234.5678),
        ("40\u202f321.9", 40321.9),
        ("1\u00a0234,5678", 1234.5678),
        ("1 234 567.8", 1234567.8),
        ("1.2346 x 10^3", 1234.6),
        ("1.2346·10³", 1234.6),
        (r"1.2346 \times 10^{3}", 1234.6),
        ("9.876×10⁻⁵", 9.876e-5),
    ],
)
def test_thousands_with_blanks_and_powers_of_ten_are_read(text, value):
    assert read_printout(text, 1).shows([value])


def test_numbers_in_a_row_are_not_joined():
    assert read_printout("123.4 999.25 321.5 20 100 455.25", 4).shows([123.4, 999.25, 321.5, 455.25])


def test_numbers_in_a_list_without_blanks_are_apart():
    text = "[" + ",".join(f"{norm:.4f}" for norm in NORMS) + "]"
    assert read_printout(text, 5).shows(NORMS)


@pytest.mark.parametrize("form", ["{name} {norm:.2g}", "{name} {norm:.1e}", "{name} {norm:.0f}"])
def test_fewer_digits_than_tell_norms_apart_do_not_count(form):
    assert not read_printout(lines(form), 5).shows(NORMS)
    assert read_printout(lines(form), 5).shows(NORMS, digits=1)


def test_names_alone_are_no_numbers():
    assert read_printout(lines("{name}"), 5).claims == ()


def test_candidates_for_each_layer_are_no_answer():
    guesses = ""
    for name, norm in zip(NAMES, NORMS, strict=True):
        guesses += f"{name} " + " ".join(f"{norm * (1 + k):.6f}" for k in range(PER_LAYER + 1)) + "\n"
    printout = read_printout(guesses, 5)
    assert printout.crowded
    assert not printout.shows(NORMS)


def test_a_long_list_that_holds_the_norms_somewhere_is_no_answer():
    numbers = [f"{k + 0.5:.4f}" for k in range(PER_LAYER * 5 + ELSEWHERE)] + [f"{norm:.6f}" for norm in NORMS]
    assert not read_printout("\n".join(numbers), 5).shows(NORMS)


@pytest.mark.parametrize("form", ["{norm:.4g}", "{norm:.5g}", "Layer {k}: {norm:.4g}"])
def test_without_names_a_norm_that_the_format_rounds_to_an_integer_is_read(form):
    norms = [123.42, 1234.4, 12.345, 56784.0, 99.12]
    assert read_printout(lines(form, norms), 5).shows(norms)


def test_the_right_numbers_beside_the_wrong_layers_are_wrong():
    swapped = [NORMS[1], NORMS[0], *NORMS[2:]]
    assert not read_printout(lines("{name} {norm:.8f}", swapped), 5).shows(NORMS)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "NaN", "1e999", "9" * 60])
def test_what_is_no_finite_number_shows_nothing(number):
    assert not read_printout("\n".join(f"{name} {number}" for name in NAMES), 5).shows(NORMS)


@pytest.mark.slow
def test_a_megabyte_of_digits_is_read_in_linear_time():
    for text in ("1" * 10**6, "1." * 500_000, "1,234" * 200_000, "0.weight " * 110_000, "e" * 10**6, "1e" * 500_000):
        assert not read_printout(text, 5).shows(NORMS)


def test_a_norm_that_happens_to_be_whole_counts_on_a_line_of_its_own():
    text = "dL/dW1: 424\ndL/dW2: 1520.14\ndL/dW3: 1171.8"
    assert read_printout(text, 3).shows([424.0005, 1520.136, 1171.7995])
    assert not read_printout(text, 3).shows([425.0005, 1520.136, 1171.7995])
