"""The q1 network is found by what cells say and did."""

import pytest
import torch
from inithw.homework.worker.model import Timeline, Wanted, asserted_names, describe_children, initialized_names, load
from torch import nn

SHALLOW = "model = nn.Sequential(nn.Linear(1, 20), nn.ReLU(), nn.Linear(20, 1))"
DEEP = (
    "{name} = nn.Sequential(*[layer for fan_in in (1, 20, 20, 20) for layer in (nn.Linear(fan_in, 20), nn.{kind}())],"
    " nn.Linear(20, 1))"
)
ASSERTED = "\nassert len({name}) == 9\nassert sum(p.numel() for p in {name}.parameters()) == 1321"
APPLY = "{name}.apply(functools.partial(naive_init, 0.03))"


def deep(name="model", kind="ReLU", asserted=True):
    return (DEEP + (ASSERTED if asserted else "")).format(name=name, kind=kind)


WANTED = Wanted(children=9, parameters=1321, given=((20, 1), (20,), (1, 20), (1,)))


def found(*cells):
    """Run cells and describe the answer: its variable and the kind of its second child."""
    namespace = {"nn": nn, "torch": torch}
    timeline, failed = Timeline(), set()
    for number, cell in enumerate(cells, 1):
        try:
            exec(cell, namespace)
        except Exception as error:
            failed.add((number, error.__traceback__.tb_next.tb_lineno))
        timeline.look((number, 1), namespace)
    seen = timeline.answer(dict(enumerate(cells, 1)), failed, WANTED)
    return None if seen is None else (seen.variable, type(seen.network[1]).__name__)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        pytest.param([SHALLOW, deep()], ("model", "ReLU"), id="the usual notebook"),
        pytest.param([SHALLOW], None, id="the given shallow network is no answer"),
        pytest.param([SHALLOW, deep("net")], ("net", "ReLU"), id="a renamed network"),
        pytest.param([deep(), SHALLOW], ("model", "ReLU"), id="cells in another order"),
        pytest.param([deep(), "model = nn.Linear(1, 1)"], ("model", "ReLU"), id="rebound at the end"),
        pytest.param([deep(), "model.append(nn.Tanh())"], ("model", "ReLU"), id="extended at the end"),
        pytest.param([deep(kind="Tanh"), deep()], ("model", "ReLU"), id="the answer cell twice: the later counts"),
        pytest.param(
            [deep(kind="Tanh"), deep("scratch", asserted=False)],
            ("model", "Tanh"),
            id="a scratch network does not heal",
        ),
        pytest.param([deep(asserted=False), APPLY.format(name="model")], ("model", "ReLU"), id="assertions deleted"),
        pytest.param(
            [
                deep("mine", asserted=False),
                APPLY.format(name="mine"),
                "model = nn.Sequential(nn.Linear(1, 2))",
            ],
            ("mine", "ReLU"),
            id="assertions deleted and renamed: what naive_init is applied to",
        ),
        pytest.param(
            [deep(asserted=False), ASSERTED.format(name="model")],
            ("model", "ReLU"),
            id="assertions in their own cell",
        ),
        pytest.param(
            [
                "model = nn.Sequential(nn.Linear(1, 5), nn.ReLU())" + ASSERTED.format(name="model"),
                deep(asserted=False),
                APPLY.format(name="model"),
            ],
            ("model", "ReLU"),
            id="an attempt that failed its assertions, mended in the next cell",
        ),
        pytest.param(
            ["model = nn.Sequential(nn.Linear(1, 5), nn.GELU())" + ASSERTED.format(name="model")],
            ("model", "GELU"),
            id="a wrong answer is an answer",
        ),
    ],
)
def test_the_answer_is_found(cells, expected):
    assert found(*cells) == expected


def test_later_training_does_not_touch_the_network_that_was_seen():
    network = nn.Sequential(nn.Linear(1, 3), nn.ReLU())
    timeline = Timeline()
    timeline.look((1, 1), {"model": network})
    with torch.no_grad():
        network[0].weight.fill_(torch.nan)
    assert torch.isfinite(timeline.sightings[0].network[0].weight).all()


def test_a_training_run_is_not_a_new_network():
    network = nn.Sequential(nn.Linear(1, 3))
    timeline = Timeline()
    for cell in range(5):
        timeline.look((cell, 1), {"model": network})
    assert len(timeline.sightings) == 1


def test_names_are_read_from_code_and_broken_code_has_none():
    assert asserted_names("assert len(net) == 9", WANTED) == [(1, "net")]
    assert asserted_names("assert 1321 == sum(p.numel() for p in deep.parameters())", WANTED) == [(1, "deep")]
    assert initialized_names("net.apply(functools.partial(naive_init, 0.03))") == [(1, "net")]
    assert asserted_names("assert (", WANTED) == initialized_names("x.apply(") == []


def test_shared_and_repeated_children_are_told_apart():
    linear, relu = nn.Linear(20, 20), nn.ReLU()
    children = describe_children(nn.Sequential(linear, relu, linear, relu))
    assert [child.get("repeats") for child in children] == [None, None, 0, None]


def test_layers_with_tied_weights_repeat_each_other():
    network = nn.Sequential(nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 20))
    network[2].weight = network[0].weight
    assert [child.get("repeats") for child in describe_children(network)] == [None, None, 0]


def test_a_relu_that_was_changed_in_the_object_is_none():
    changed, hooked, recorded = nn.ReLU(), nn.ReLU(), nn.ReLU(inplace=True)
    changed.forward = torch.tanh
    hooked.register_forward_hook(lambda module, inputs, output: output + 1)
    recorded.register_forward_hook(lambda module, inputs, output: None)
    kinds = [child["kind"] for child in describe_children(nn.Sequential(changed, hooked, recorded))]
    assert kinds == ["OwnReLU", "OwnReLU", "ReLU"]


@pytest.mark.parametrize("change", ["model[1].forward = torch.tanh", "model[1].register_forward_hook(print)"])
def test_a_network_that_is_changed_in_place_is_seen_anew(change):
    cells = ["model = nn.Sequential(nn.Linear(1, 20), nn.ReLU(), nn.Linear(20, 20))", change]
    namespace, timeline = {"nn": nn, "torch": torch}, Timeline()
    for number, cell in enumerate(cells, 1):
        exec(cell, namespace)
        timeline.look((number, 1), namespace)
    assert [seen.place for seen in timeline.sightings] == [(1, 1), (2, 1)]


@pytest.mark.parametrize("bias_first", [False, True])
def test_weights_are_loaded_whatever_the_order_in_which_a_layer_registers_them(bias_first):
    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            names = ["bias", "weight"] if bias_first else ["weight", "bias"]
            for name in names:
                self.register_parameter(name, nn.Parameter(torch.zeros((3, 2) if name == "weight" else (3,))))

    layer = Layer()
    weight, bias = torch.randn(3, 2), torch.randn(3)
    load(layer, [weight, bias])
    assert torch.equal(layer.weight, weight)
    assert torch.equal(layer.bias, bias)


def test_a_network_with_other_shapes_is_refused_with_both_lists():
    with pytest.raises(ValueError, match=r"\(5, 1\).*where \[\(20, 1\)"):
        load(nn.Linear(1, 5), [torch.zeros(20, 1), torch.zeros(20)])
