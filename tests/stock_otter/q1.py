"""q1 as ordinary Otter tests, run in the student's kernel: the other side of the comparison in docs/security.md."""

from otter.test_files import test_case

OK_FORMAT = False
name = "q1"


@test_case(name="q1.layers", points=1)
def test_layers(model):
    from torch import nn

    assert len(model) == 9
    assert sum(parameter.numel() for parameter in model.parameters()) == 1321
    for place, layer in enumerate(model):
        assert isinstance(layer, nn.ReLU if place % 2 else nn.Linear), f"child {place} is a {type(layer).__name__}"
    sizes = [(layer.in_features, layer.out_features) for layer in list(model)[::2]]
    assert sizes == [(1, 20), (20, 20), (20, 20), (20, 20), (20, 1)], f"the layers have the sizes {sizes}"


@test_case(name="q1.forward", points=1, hidden=True)
def test_forward(model):
    import copy

    import torch

    student = copy.deepcopy(model)
    torch.manual_seed(7)
    weights = [torch.randn_like(parameter) for parameter in student.parameters()]
    with torch.no_grad():
        for parameter, weight in zip(student.parameters(), weights, strict=True):
            parameter.copy_(weight)
        x = torch.linspace(-3, 3, 101).unsqueeze(-1)
        expected = x
        for layer in range(5):
            expected = expected @ weights[2 * layer].T + weights[2 * layer + 1]
            if layer < 4:
                expected = torch.relu(expected)
        assert torch.allclose(student(x), expected, rtol=1e-4), "the model computes another function"
