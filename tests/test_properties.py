"""What must not matter to a verdict does not, and what is no answer never passes: on evidence, without a worker."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inithw.engine.records import Submission, Unavailable
from inithw.engine.scoring import score
from inithw.homework.challenge import draw_challenge
from inithw.homework.checks.response import expected_gradients
from inithw.homework.records import Child, Evidence, InitEvidence, ModelEvidence, Network, WeightSample
from inithw.homework.reference.network import forward, gradients
from inithw.homework.reference.norms import frobenius
from inithw.homework.rubric import POINTS, RUBRIC
from inithw.homework.thresholds import thresholds

CHALLENGE = draw_challenge(b"properties", Submission("x", (), "digest"))
WIDTHS = (1, 20, 20, 20, 20, 1)
few = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def lines(task, form="{name} {norm:.8f}"):
    """What the reference prints for a task."""
    norms = frobenius(gradients(task.network, task.x, task.y))
    return "\n".join(form.format(name=f"{2 * k}.weight", norm=norm) for k, norm in enumerate(norms))


def drawn(gain=2**0.5, seed=0):
    """Evidence of a better_init that draws normal weights of std gain / sqrt(fan_in)."""
    random = np.random.default_rng(seed)

    def sample(fan_in, fan_out, draws):
        weights = random.standard_normal((draws, fan_out, fan_in)) * gain / fan_in**0.5
        return WeightSample(fan_in, fan_out, weights.astype(np.float32), np.zeros((draws, fan_out), np.float32))

    layers = tuple(sample(task.fan_in, task.fan_out, task.draws) for task in CHALLENGE.layers)
    networks = tuple(sample(a, b, CHALLENGE.networks) for a, b in pairwise(WIDTHS))
    restarted = tuple(sample(a, b, CHALLENGE.restarted) for a, b in pairwise(WIDTHS))
    return InitEvidence(layers, networks, restarted, *response(*last(networks)))


def last(networks):
    """Weights and biases of the last network."""
    return [sample.weights[-1] for sample in networks], [sample.biases[-1] for sample in networks]


def response(weights, biases):
    """Outputs and gradients of a network that does what its weights say."""
    network, inputs = Network(tuple(weights), tuple(biases)), CHALLENGE.forward.inputs
    return forward(network, inputs), np.concatenate([part.ravel() for part in expected_gradients(network, inputs)])


def initialized(networks):
    """The right evidence with other networks."""
    outputs, by_weights = response(*last(networks))
    init = replace(RIGHT.init, networks=networks, outputs=outputs, gradients=by_weights)
    return replace(RIGHT, init=init)


def reference():
    """Evidence of a right answer, made without any torch."""
    children = [child for a, b in pairwise(WIDTHS) for child in (Child("Linear", a, b, True), RELU)]
    task = CHALLENGE.forward
    answers = [response(network.weights, network.biases) for network in task.networks]
    return Evidence(
        challenge=CHALLENGE,
        cells=(),
        model=ModelEvidence("model", tuple(children[:-1]), 1321, *map(np.stack, zip(*answers, strict=True))),
        norms=tuple(lines(task) for task in CHALLENGE.norms),
        init=drawn(),
    )


RELU = Child("ReLU")
RIGHT = reference()
NETWORK = ("q1.layers", "q1.forward")
NORMS = ("q2.norms", "q2.general")
INIT = ("q3.draws", "q3.scale", "q3.gradients", "q3.training")
QUICK = ("q3.draws", "q3.scale", "q3.gradients")


def lost(evidence, items=tuple(POINTS)):
    """Items of `items` that the evidence does not earn."""
    return {found.id for found in score(evidence, [item for item in RUBRIC if item.id in items]) if not found.earned}


def test_the_evidence_that_the_properties_start_from_is_right():
    assert lost(RIGHT) == set()


# ---------------------------------------------------------------- what must not matter


@few
@given(st.floats(0, 1), st.integers(0, 100))
def test_any_scale_within_the_accepted_band_keeps_the_verdict(share, seed):
    low, high = (thresholds().limits[name] for name in ("gain_low", "gain_high"))
    gain = np.exp(np.log(low * 1.05) + share * np.log(high * 0.95 / (low * 1.05)))
    assert lost(replace(RIGHT, init=drawn(gain, seed)), ("q3.draws", "q3.scale")) == set()


@few
@given(st.floats(1.1, 1e6), st.booleans())
def test_any_scale_outside_the_band_loses_the_scale_and_no_draw(factor, above):
    low, high = (thresholds().limits[name] for name in ("gain_low", "gain_high"))
    init = drawn(high * factor if above else low / factor)
    assert lost(replace(RIGHT, init=init), ("q3.draws", "q3.scale")) == {"q3.scale"}


@pytest.mark.slow
@few
@given(st.randoms(use_true_random=False))
def test_the_order_of_neurons_does_not_matter(random):
    orders = [random.sample(range(width), width) for width in WIDTHS]
    networks = tuple(
        replace(sample, weights=sample.weights[:, orders[k + 1]][:, :, orders[k]])
        for k, sample in enumerate(RIGHT.init.networks)
    )
    assert lost(initialized(networks), INIT) == set()


@few
@given(st.randoms(use_true_random=False))
def test_the_order_of_draws_does_not_matter(random):
    order = random.sample(range(CHALLENGE.networks), CHALLENGE.networks)
    networks = tuple(replace(sample, weights=sample.weights[order]) for sample in RIGHT.init.networks)
    assert lost(initialized(networks), QUICK) == set()


@many
@given(st.text(max_size=30), st.lists(st.from_regex(r"[A-Z][A-Za-z]{2,20}X", fullmatch=True), min_size=4, max_size=4))
def test_names_of_the_variable_and_of_own_activations_do_not_matter(variable, kinds):
    names = iter(kinds)
    children = tuple(Child(next(names)) if child.kind == "ReLU" else child for child in RIGHT.model.children)
    model = replace(RIGHT.model, variable=variable, children=children)
    assert lost(replace(RIGHT, model=model), NETWORK) == set()


@many
@given(
    st.integers(4, 15), st.sampled_from("gGeE"), st.integers(0, 40), st.sampled_from([" ", ": ", " = ", "\t", " | "])
)
def test_width_and_format_of_the_print_do_not_matter(digits, kind, width, between):
    form = f"{{name}}{between}{{norm:{width}.{digits}{kind}}}"
    assert lost(replace(RIGHT, norms=tuple(lines(task, form) for task in CHALLENGE.norms)), NORMS) == set()


@many
@given(st.lists(st.text("abcdefgh -=:|#*", max_size=40), max_size=12), st.data())
def test_further_lines_without_numbers_do_not_matter(extra, data):
    def crowded(text):
        rows = text.split("\n")
        for line in extra:
            rows.insert(data.draw(st.integers(0, len(rows))), line)
        return "\n".join(rows)

    assert lost(replace(RIGHT, norms=tuple(map(crowded, RIGHT.norms))), NORMS) == set()


@many
@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=3))
def test_a_loss_or_a_total_printed_besides_does_not_matter(values):
    header = "\n".join(f"value {value:.6f}" for value in values)
    assert lost(replace(RIGHT, norms=tuple(f"{header}\n{text}" for text in RIGHT.norms)), NORMS) == set()


# ---------------------------------------------------------------- what never passes, and never raises

BAD = st.sampled_from([np.nan, np.inf, -np.inf])


@many
@given(BAD, st.integers(0, RIGHT.model.outputs.size - 1))
def test_an_output_that_is_no_number_loses_q1(value, index):
    outputs = RIGHT.model.outputs.copy()
    outputs.flat[index] = value
    assert "q1.forward" in lost(replace(RIGHT, model=replace(RIGHT.model, outputs=outputs)), NETWORK)


@many
@given(st.integers(0, 700).filter(lambda count: count != RIGHT.model.outputs.size))
def test_another_number_of_outputs_loses_q1(count):
    outputs = np.resize(RIGHT.model.outputs, count)
    assert "q1.forward" in lost(replace(RIGHT, model=replace(RIGHT.model, outputs=outputs)), NETWORK)


@many
@given(st.floats(1e-3, 1e3), st.integers(0, RIGHT.model.outputs.size - 1))
def test_one_output_off_loses_q1(factor, index):
    outputs = RIGHT.model.outputs.copy()
    outputs.flat[index] += factor * np.abs(outputs).max()
    assert "q1.forward" in lost(replace(RIGHT, model=replace(RIGHT.model, outputs=outputs)), NETWORK)


some_child = st.builds(
    Child,
    kind=st.sampled_from(["Linear", "ReLU", "Tanh", "Identity", "", "Sequential"]),
    fan_in=st.integers(0, 50),
    fan_out=st.integers(0, 50),
    bias=st.booleans(),
    repeats=st.integers(-1, 5),
)


@many
@given(st.lists(some_child, max_size=15))
def test_any_other_children_lose_the_layers(children):
    if tuple(children) != RIGHT.model.children:
        model = replace(RIGHT.model, children=tuple(children))
        assert "q1.layers" in lost(replace(RIGHT, model=model), NETWORK)


@many
@given(
    st.integers(0, len(RIGHT.norms) - 1),
    st.sampled_from(["nan", "inf", "-inf", "NaN", "1e999", "", "0", "tensor(nan)"]),
    st.data(),
)
def test_a_norm_that_is_no_number_loses_its_item(index, word, data):
    rows = RIGHT.norms[index].split("\n")
    row = data.draw(st.integers(0, len(rows) - 1))
    rows[row] = f"{rows[row].split()[0]} {word}"
    norms = (*RIGHT.norms[:index], "\n".join(rows), *RIGHT.norms[index + 1 :])
    assert lost(replace(RIGHT, norms=norms), NORMS) == {CHALLENGE.norms[index].item}


@many
@given(st.integers(0, len(RIGHT.norms) - 1), st.data())
def test_a_missing_norm_loses_its_item(index, data):
    rows = RIGHT.norms[index].split("\n")
    del rows[data.draw(st.integers(0, len(rows) - 1))]
    norms = (*RIGHT.norms[:index], "\n".join(rows), *RIGHT.norms[index + 1 :])
    assert lost(replace(RIGHT, norms=norms), NORMS) == {CHALLENGE.norms[index].item}


@many
@given(st.lists(st.text(max_size=200), min_size=len(RIGHT.norms), max_size=len(RIGHT.norms)))
def test_any_other_text_loses_q2(texts):
    assert lost(replace(RIGHT, norms=tuple(texts)), NORMS) == set(NORMS)


@pytest.mark.slow
@few
@given(BAD, st.sampled_from(["networks", "layers"]), st.integers(0, 4), st.integers(0, 2**31))
def test_a_weight_that_is_no_number_loses_the_draws_and_the_scale(value, part, layer, place):
    samples = list(getattr(RIGHT.init, part))
    weights = samples[layer].weights.copy()
    weights.flat[place % weights.size] = value
    samples[layer] = replace(samples[layer], weights=weights)
    expected = {"q3.draws", "q3.scale"} | ({"q3.gradients", "q3.training"} if part == "networks" else set())
    assert lost(replace(RIGHT, init=replace(RIGHT.init, **{part: tuple(samples)})), INIT) == expected


@few
@given(st.floats(allow_subnormal=False, width=32), st.sampled_from(["networks", "layers"]), st.integers(0, 4))
def test_a_bias_that_is_not_zero_loses_the_draws(value, part, layer):
    samples = list(getattr(RIGHT.init, part))
    biases = samples[layer].biases.copy()
    biases.flat[-1] = value
    samples[layer] = replace(samples[layer], biases=biases)
    found = lost(replace(RIGHT, init=replace(RIGHT.init, **{part: tuple(samples)})), ("q3.draws",))
    assert found == (set() if value == 0 else {"q3.draws"})


@few
@given(st.floats(width=32), st.floats(width=32))
def test_two_values_in_all_weights_never_pass_and_never_raise(first, second):
    def filled(sample):
        weights = np.full_like(sample.weights, first)
        weights[..., ::2] = second
        return replace(sample, weights=weights)

    init = RIGHT.init
    changed = replace(
        init,
        networks=tuple(map(filled, init.networks)),
        layers=tuple(map(filled, init.layers)),
        restarted=tuple(map(filled, init.restarted)),
    )
    assert "q3.draws" in lost(replace(RIGHT, init=changed), QUICK)


@pytest.mark.parametrize("state", ["not answered", "not reached"])
@pytest.mark.parametrize(
    ("part", "items"), [("model", NETWORK), ("init", INIT), ("norms", NORMS), ("outputs", ("q1.forward",))]
)
def test_what_is_not_there_is_said_and_never_passes(state, part, items):
    missing = Unavailable(state, "for a reason")
    if part == "outputs":
        changed = replace(RIGHT, model=replace(RIGHT.model, outputs=missing))
    else:
        changed = replace(RIGHT, **{part: (missing,) * len(RIGHT.norms) if part == "norms" else missing})
    found = {item.id: item for item in score(changed, RUBRIC)}
    for item in items:
        assert (found[item].earned, found[item].state) == (0, state)
        assert "for a reason" in found[item].message
    assert all(item.earned for item in found.values() if item.id[:2] != items[0][:2])


def test_evidence_is_not_changed_by_judging_it():
    before = [array.copy() for sample in RIGHT.init.networks for array in (sample.weights, sample.biases)]
    score(RIGHT, RUBRIC)
    after = [array for sample in RIGHT.init.networks for array in (sample.weights, sample.biases)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
