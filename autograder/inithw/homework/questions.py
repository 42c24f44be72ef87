"""What the worker is asked of a challenge, and how its answers are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from inithw.engine.homework import Question
from inithw.engine.records import CellRun, FloatArray, Unavailable
from inithw.engine.reply import MalformedError, Reply
from inithw.homework.records import (
    Challenge,
    Child,
    Evidence,
    ForwardTask,
    InitEvidence,
    LayerTask,
    ModelEvidence,
    Network,
    Remark,
    WeightSample,
)

_MOST_CHILDREN = 200
_PRINTED_LIMIT = 1 << 20  # characters


def questions(challenge: Challenge) -> tuple[Question, ...]:
    """The network of q1, the initialization of q3, then each printout of q2."""
    networks = challenge.forward.networks
    return (
        Question(
            name="model",
            handler="model",
            arrays=(*(array for network in networks for array in _flat(network)), challenge.forward.inputs),
            details={"networks": len(networks)},
            read=lambda reply: _read_model(reply, challenge.forward),
        ),
        Question(
            name="init",
            handler="init",
            details={
                "layers": [[task.fan_in, task.fan_out, task.draws] for task in challenge.layers],
                "networks": challenge.networks,
                "restarted": challenge.restarted,
                "widths": challenge.start.widths,
                "seed": challenge.worker_seed,
            },
            arrays=(*_flat(challenge.start), challenge.forward.inputs),
            read=lambda reply: _with_remark("q3", reply, _read_init(reply, challenge)),
        ),
        *(
            Question(
                name=_printout(index),
                handler="norms",
                arrays=(*_flat(task.network), task.x, task.y),
                details={"widths": task.network.widths},
                read=lambda reply: _with_remark("q2", reply, reply.text("text", _PRINTED_LIMIT)),
            )
            for index, task in enumerate(challenge.norms)
        ),
    )


def evidence(
    challenge: Challenge, cells: tuple[CellRun, ...], answers: Mapping[str, Any | Unavailable], seconds: float
) -> Evidence:
    """Put the answers into the record that the checks read."""
    remarks = tuple(dict.fromkeys(part.remark for part in answers.values() if isinstance(part, _Remarked)))
    answers = {name: part.part if isinstance(part, _Remarked) else part for name, part in answers.items()}
    return Evidence(
        challenge=challenge,
        cells=cells,
        model=answers["model"],
        norms=tuple(answers[_printout(index)] for index in range(len(challenge.norms))),
        init=answers["init"],
        seconds=seconds,
        remarks=tuple(remark for remark in remarks if remark.absent or remark.raised),
    )


@dataclass(frozen=True, slots=True)
class _Remarked:
    """A part of the evidence, and what a lost item should be told about it."""

    part: Any
    remark: Remark


def _with_remark(question: str, reply: Reply, part: Any) -> _Remarked:
    return _Remarked(part, Remark(question, reply.text("absent"), reply.text("raised")))


def _printout(index: int) -> str:
    return f"norms {index}"


def _read_model(reply: Reply, task: ForwardTask) -> ModelEvidence:
    outputs: FloatArray | Unavailable
    shape = len(task.networks), _parameters(task.networks[0])
    if reply.flag("outputs"):
        outputs, gradients = reply.floats((len(task.networks), *task.inputs.shape), shape)
    else:
        outputs, gradients = Unavailable("not reached", reply.text("reason")), np.zeros(shape, np.float32)
    return ModelEvidence(
        variable=reply.text("variable"),
        children=tuple(
            _read_child(child, index) for index, child in enumerate(reply.parts("children", _MOST_CHILDREN))
        ),
        parameters=reply.whole("parameters"),
        outputs=outputs,
        gradients=gradients,
    )


def _read_child(child: Reply, index: int) -> Child:
    earlier = child.whole("repeats") if "repeats" in child else -1
    if earlier >= index:
        raise MalformedError("its answer was malformed")
    return Child(
        kind=child.text("kind"),
        fan_in=child.whole("fan_in"),
        fan_out=child.whole("fan_out"),
        bias=child.flag("bias"),
        repeats=earlier,
    )


def _read_init(reply: Reply, challenge: Challenge) -> InitEvidence:
    layers = tuple(_read_sample(reply, task) for task in challenge.layers)
    fans = list(pairwise(challenge.start.widths))
    networks = _read_networks(reply, fans, challenge.networks)
    restarted = _read_networks(reply, fans, challenge.restarted)
    outputs, gradients = reply.floats(challenge.forward.inputs.shape, (_parameters(challenge.start),))
    return InitEvidence(layers, networks, restarted, outputs, gradients, reply.text("forward_error"))


def _read_networks(reply: Reply, fans: list[tuple[int, int]], count: int) -> tuple[WeightSample, ...]:
    """Drawn network by network, kept layer by layer."""
    (block,) = reply.floats((count, sum((fan_in + 1) * fan_out for fan_in, fan_out in fans)))
    networks, start = [], 0
    for fan_in, fan_out in fans:
        end = start + (fan_in + 1) * fan_out
        networks.append(_sample(block[:, start:end], fan_in, fan_out))
        start = end
    return tuple(networks)


def _read_sample(reply: Reply, task: LayerTask) -> WeightSample:
    (block,) = reply.floats((task.draws, (task.fan_in + 1) * task.fan_out))
    return _sample(block, task.fan_in, task.fan_out)


def _sample(block: FloatArray, fan_in: int, fan_out: int) -> WeightSample:
    """From values of shape (draws, (fan_in + 1) fan_out): weights of one layer, then its biases."""
    weights = block[:, : fan_in * fan_out].reshape(-1, fan_out, fan_in)
    return WeightSample(fan_in, fan_out, weights, block[:, fan_in * fan_out :])


def _parameters(network: Network) -> int:
    return sum(array.size for array in _flat(network))


def _flat(network: Network) -> list[FloatArray]:
    return [array for layer in zip(network.weights, network.biases, strict=True) for array in layer]
