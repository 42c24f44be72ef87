"""Another homework for the same engine: softmax cross-entropy that does not overflow, and its gradient."""

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from inithw.engine import Homework, Item, Lost, Question, Unavailable, available

ROWS, CLASSES = 16, 5


@dataclass(frozen=True)
class Challenge:
    """Logits of shape (ROWS, CLASSES), some of them huge, and labels of shape (ROWS,)."""

    moderate: np.ndarray
    huge: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Evidence:
    """Losses, shape (ROWS,), for moderate and for huge logits, and gradients for moderate ones."""

    challenge: Challenge
    cells: tuple
    losses: np.ndarray | Unavailable
    huge_losses: np.ndarray | Unavailable
    gradients: np.ndarray | Unavailable
    seconds: float = 0.0


def draw(key, submission):
    """Fresh logits for every submission."""
    seed = hmac.new(key, submission.digest.encode(), hashlib.sha256).digest()
    random = np.random.default_rng(int.from_bytes(seed, "big"))
    moderate = random.normal(size=(ROWS, CLASSES)).astype(np.float32)
    return Challenge(moderate, moderate * np.float32(1e4), random.integers(CLASSES, size=ROWS))


def questions(challenge):
    """Each function on the logits it is judged by."""

    def ask(name, function, logits, shape):
        details = {"function": function, "labels": challenge.labels.tolist()}
        return Question(name, "call", lambda reply: reply.floats(shape)[0], details, (logits,))

    return (
        ask("losses", "cross_entropy", challenge.moderate, (ROWS,)),
        ask("huge_losses", "cross_entropy", challenge.huge, (ROWS,)),
        ask("gradients", "cross_entropy_gradient", challenge.moderate, (ROWS, CLASSES)),
    )


def softmax(logits):
    """Shifted by the largest logit, in float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def expected_losses(challenge, logits):
    """Log of the sum of exponentials, minus the label's logit."""
    logits = logits.astype(np.float64)
    top = logits.max(axis=1)
    return top + np.log(np.exp(logits - top[:, None]).sum(axis=1)) - logits[range(ROWS), challenge.labels]


def compare(found, expected, what):
    """Lost where they differ by more than float32 explains."""
    if not np.allclose(found, expected, rtol=1e-4, atol=1e-5):
        worst = np.argmax(np.abs(np.nan_to_num(found, nan=np.inf) - expected))
        raise Lost(f"{what} was {found.flat[worst]:.6g} where {expected.flat[worst]:.6g} was expected.")


def check_value(evidence):
    compare(available(evidence.losses), expected_losses(evidence.challenge, evidence.challenge.moderate), "a loss")


def check_stable(evidence):
    found = available(evidence.huge_losses)
    if not np.isfinite(found).all():
        raise Lost("a loss was not finite for large logits.", diagnosis="s1.overflow", hint="What may be subtracted?")
    compare(found, expected_losses(evidence.challenge, evidence.challenge.huge), "a loss for large logits")


def check_gradient(evidence):
    challenge = evidence.challenge
    compare(available(evidence.gradients), softmax(challenge.moderate) - np.eye(CLASSES)[challenge.labels], "an entry")


HOMEWORK = Homework(
    title="Softmax cross-entropy",
    rubric=(
        Item("s1.value", 1.0, "the loss", "Each loss is that of its row.", check_value),
        Item("s1.stable", 1.0, "the loss of large logits", "Large logits give finite, right losses.", check_stable),
        Item("s2.gradient", 2.0, "the gradient", "Each row is softmax minus the label's one-hot row.", check_gradient),
    ),
    draw=draw,
    questions=questions,
    evidence=lambda challenge, cells, answers, seconds: Evidence(challenge, cells, **answers, seconds=seconds),
    records=(Challenge, Evidence),
    worker="tests.another_homework.worker",
    names=("cross_entropy", "cross_entropy_gradient"),
    handout=Path(__file__).with_name("given.json"),
)
