"""The oracle of gradients: torch differentiates the network of a task."""

import torch


def differentiated(task, dtype=torch.float64):
    """Its weights and its biases, with their gradients of the mean squared error in `grad`; and that error."""
    weights, biases = (
        [torch.tensor(array, dtype=dtype, requires_grad=True) for array in arrays]
        for arrays in (task.network.weights, task.network.biases)
    )
    hidden = torch.tensor(task.x, dtype=dtype).unsqueeze(1)
    for k, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        hidden = torch.nn.functional.linear(hidden if k == 0 else torch.relu(hidden), weight, bias)
    loss = torch.nn.functional.mse_loss(hidden.squeeze(1), torch.tensor(task.y, dtype=dtype))
    loss.backward()
    return weights, biases, loss
