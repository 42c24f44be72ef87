"""q2 as ordinary Otter tests, run in the student's kernel: the other side of the comparison in docs/security.md."""

from otter.test_files import test_case

OK_FORMAT = False
name = "q2"


def compare_norms(print_gnorms, train_x, train_y, widths):
    import contextlib
    import io
    from itertools import pairwise

    import torch
    from torch import nn

    torch.manual_seed(11)
    layers = []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        nn.init.kaiming_normal_(layers[-2].weight)
    model = nn.Sequential(*layers[:-1])
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        print_gnorms(model)
    found = torch.tensor([float(line.split()[-1]) for line in printed.getvalue().splitlines() if ".weight" in line])

    model.zero_grad()
    x, y = (torch.from_numpy(data).float() for data in (train_x, train_y))
    nn.functional.mse_loss(model(x.unsqueeze(-1)).view(-1), y).backward()
    expected = torch.stack([torch.linalg.matrix_norm(layer.weight.grad) for layer in list(model)[::2]])
    assert torch.allclose(found, expected, rtol=1e-3), f"printed {found.tolist()}, expected {expected.tolist()}"


@test_case(name="q2.norms", points=2)
def test_norms(print_gnorms, train_x, train_y):
    compare_norms(print_gnorms, train_x, train_y, [1, 20, 20, 20, 20, 1])


@test_case(name="q2.general", points=1, hidden=True)
def test_general(print_gnorms, train_x, train_y):
    compare_norms(print_gnorms, train_x, train_y, [1, 7, 13, 1])
