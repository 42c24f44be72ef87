"""q3 as ordinary Otter tests, run in the student's kernel: the other side of the comparison in docs/security.md."""

from otter.test_files import test_case

OK_FORMAT = False
name = "q3"


def initialized(better_init, widths, seed):
    """A network on which better_init was called while its weights were NaN."""
    from itertools import pairwise

    import torch
    from torch import nn

    layers = []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(float("nan"))
    torch.manual_seed(seed)
    model.apply(better_init)
    return model


@test_case(name="q3.draws", points=1)
def test_draws(better_init):
    model = initialized(better_init, [1, 20, 20, 20, 20, 1], seed=600)
    weights = [layer.weight.detach() for layer in list(model)[::2]]
    assert all(weight.isfinite().all() for weight in weights), "some weights are not finite"
    assert all((layer.bias == 0).all() for layer in list(model)[::2]), "some biases are not zero"
    assert not weights[1].equal(weights[2]), "two layers have the same weights"
    assert abs(weights[1].mean()) < weights[1].std() / 4, "the weights are not centred at zero"


@test_case(name="q3.scale", points=2, hidden=True)
def test_scale(better_init):
    for fan_in, fan_out in [(64, 64), (256, 32), (32, 256)]:
        std = float(initialized(better_init, [fan_in, fan_out], seed=3)[0].weight.std())
        accepted = [(2 / fan_in) ** 0.5, (1 / fan_in) ** 0.5, (1 / fan_in / 3) ** 0.5]
        accepted += [(2 / (fan_in + fan_out)) ** 0.5, (4 / (fan_in + fan_out)) ** 0.5]
        assert any(abs(std / wanted - 1) < 0.05 for wanted in accepted), f"std {std} for {fan_in} to {fan_out}"


@test_case(name="q3.gradients", points=1, hidden=True)
def test_gradients(better_init, train_x, train_y):
    import torch
    from torch import nn

    model = initialized(better_init, [1, 20, 20, 20, 20, 1], seed=600)
    x, y = (torch.from_numpy(data).float() for data in (train_x, train_y))
    nn.functional.mse_loss(model(x.unsqueeze(-1)).view(-1), y).backward()
    for layer in list(model)[::2]:
        norm = float(layer.weight.grad.norm())
        assert 1e-3 < norm < 100, f"a gradient norm is {norm}"


@test_case(name="q3.training", points=1, hidden=True)
def test_training(better_init, train_x, train_y, test_x, test_y):
    import numpy as np
    import torch
    from torch import nn, optim

    model = initialized(better_init, [1, 20, 20, 20, 20, 1], seed=600)
    np.random.seed(650)
    optimizer = optim.SGD(model.parameters(), 0.1, momentum=0.9)
    x, y = (torch.from_numpy(data).float() for data in (train_x, train_y))
    order = torch.from_numpy(np.concatenate([np.random.permutation(1500) for _ in range(10)]))
    for step in range(468):
        batch = order[step * 32 : (step + 1) * 32]
        loss = nn.functional.mse_loss(model(x[batch].unsqueeze(-1)).view(-1), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        outputs = model(torch.from_numpy(test_x).float().unsqueeze(-1)).view(-1)
    loss = float(nn.functional.mse_loss(outputs, torch.from_numpy(test_y).float()))
    assert loss < 0.02, f"the test loss is {loss}"
