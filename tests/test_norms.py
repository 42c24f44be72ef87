"""q2 is judged by the norms that torch computes, and a wrong quantity is called by its name."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from inithw.engine.records import Submission, Unavailable
from inithw.engine.verdict import Lost, NotAnswered, NotReached
from inithw.homework.challenge import draw_challenge
from inithw.homework.checks import check_general, check_norms
from inithw.homework.diagnosis.norms import hedges, name_norms
from inithw.homework.printout import read_printout
from inithw.homework.records import Evidence
from inithw.homework.reference.network import gradients

from tests.autograd import differentiated
from tests.printouts import wrong_verdicts

CHALLENGE = draw_challenge(b"key", Submission("s", (), "digest"))
OPEN = Unavailable("not answered", "print_gnorms still holds the open TODO")
CRASHED = Unavailable("not reached", "print_gnorms raised IndexError: index 4 is out of range")


def torch_gradients(task):
    """By the oracle in float64: of the weights, then of the biases."""
    weights, biases, _loss = differentiated(task)
    return [weight.grad for weight in weights], [bias.grad for bias in biases]


def evidence(*texts):
    return Evidence(CHALLENGE, (), OPEN, tuple(texts), OPEN)


def printed(quantity, form="{:.8f}"):
    """What a print_gnorms that computes `quantity` of each gradient prints for every network."""
    texts = []
    for task in CHALLENGE.norms:
        gradients, _ = torch_gradients(task)
        texts.append("\n".join(f"{2 * k}.weight {form.format(float(quantity(g)))}" for k, g in enumerate(gradients)))
    return evidence(*texts)


def lost(check, found):
    with pytest.raises(Lost) as caught:
        check(found)
    return caught.value


def test_the_frobenius_norm_passes():
    for norm in (torch.linalg.norm, lambda g: g.norm(2), lambda g: g.flatten().square().sum().sqrt()):
        check_norms(printed(norm))
        check_general(printed(norm))


@pytest.mark.parametrize(
    ("quantity", "label"),
    [
        (lambda g: torch.linalg.norm(g, 2), "q2.spectral"),
        (lambda g: torch.linalg.norm(g, "nuc"), "q2.nuclear"),
        (lambda g: g.square().sum(), "q2.squared"),
        (lambda g: g.abs().sum(), "q2.l1"),
        (lambda g: g.abs().max(), "q2.max"),
        (lambda g: g.mean(), "q2.mean"),
        (lambda g: g.abs().mean(), "q2.mean"),
        (lambda g: g.sum(), "q2.sum"),
        (lambda g: g.std(), "q2.std"),
        (lambda g: g.square().mean().sqrt(), "q2.rms"),
        (lambda g: g.norm() * 1500, "q2.same_factor"),
        (lambda g: 3.14159, "q2.hard_coded"),
    ],
)
def test_a_wrong_quantity_is_lost_under_its_name(quantity, label):
    assert lost(check_norms, printed(quantity)).diagnosis == label
    if label not in ("q2.hard_coded",):
        assert lost(check_general, printed(quantity)).diagnosis == label


def test_a_wrong_quantity_on_a_students_own_data_is_named_too():
    x = np.random.default_rng(1).uniform(-1, 1, len(CHALLENGE.own_data[0]))
    tasks = [replace(task, x=x, y=np.sin(3 * x)) for task in CHALLENGE.norms if task.item == "q2.norms"]
    texts = ["\n".join(f"{g.square().sum().item()}" for g in torch_gradients(task)[0]) for task in tasks]
    asked = [(task, read_printout(text, len(task.network.weights))) for task, text in zip(tasks, texts, strict=True)]
    assert name_norms(asked).label == "q2.squared"


def test_the_weights_norm_a_running_total_and_a_global_norm_are_named():
    of_weights, running, of_weights_alone, of_everything = [], [], [], []
    for task in CHALLENGE.norms:
        gradients, biases = torch_gradients(task)
        norms = [float(g.norm()) for g in gradients]
        of_weights.append(
            "\n".join(f"{2 * k}.weight {np.linalg.norm(w):.8f}" for k, w in enumerate(task.network.weights))
        )
        running.append("\n".join(f"{2 * k}.weight {sum(norms[: k + 1]):.8f}" for k in range(len(norms))))
        total = np.linalg.norm(norms)
        of_weights_alone.append("\n".join(f"{2 * k}.weight {total:.8f}" for k in range(len(norms))))
        total = np.linalg.norm([*norms, *(float(b.norm()) for b in biases)])
        of_everything.append("\n".join(f"{2 * k}.weight {total:.8f}" for k in range(len(norms))))
    assert lost(check_norms, evidence(*of_weights)).diagnosis == "q2.parameter"
    assert lost(check_norms, evidence(*running)).diagnosis == "q2.running_total"
    assert lost(check_norms, evidence(*of_weights_alone)).diagnosis == "q2.global_total"
    assert lost(check_norms, evidence(*of_everything)).diagnosis == "q2.global_total"


def test_two_digits_are_too_few_and_the_message_says_so():
    found = lost(check_norms, printed(torch.linalg.norm, form="{:.1e}"))
    assert found.diagnosis == "q2.too_few_digits"
    assert "four significant digits" in found.hint


def test_no_number_is_told_from_a_wrong_one():
    found = lost(check_norms, evidence(*["done"] * 6))
    assert found.diagnosis == "q2.no_numbers"
    assert "printed no number" in found.message


def test_what_was_not_answered_or_not_reached_is_called_so():
    assert isinstance(lost(check_norms, evidence(*[OPEN] * 6)), NotAnswered)
    assert isinstance(lost(check_norms, evidence(*[CRASHED] * 6)), NotReached)


def test_a_function_for_one_network_only_loses_the_general_item_alone():
    right = printed(torch.linalg.norm).norms
    found = evidence(
        *(CRASHED if task.item == "q2.general" else text for task, text in zip(CHALLENGE.norms, right, strict=True))
    )
    check_norms(found)
    assert lost(check_general, found).diagnosis == "q2.one_network"


def test_a_message_says_what_where_and_what_was_expected():
    task = CHALLENGE.norms[0]
    (first, *_), _biases = torch_gradients(task)
    message = lost(check_norms, printed(lambda g: g.abs().sum())).message
    assert (
        f"printed {float(first.abs().sum()):.8f} for 0.weight where {float(first.norm()):.5g} was expected" in message
    )


def test_one_wrong_network_of_three_is_enough_to_lose():
    texts = list(printed(torch.linalg.norm).norms)
    texts[2] = texts[2].replace("4.weight ", "4.weight 9")
    lost(check_norms, evidence(*texts))


def test_the_right_norms_beside_wrong_ones_are_no_answer_and_the_message_says_so():
    for wrong in (lambda g: torch.linalg.norm(g, 2), lambda g: g.abs().sum(), lambda g: g.norm() * 1500):
        texts = []
        for task in CHALLENGE.norms:
            lines = [(2 * k, float(wrong(g)), float(g.norm())) for k, g in enumerate(torch_gradients(task)[0])]
            texts.append("\n".join(f"{index}.weight {other:.6f} {norm:.6f}" for index, other, norm in lines))
        found = lost(check_norms, evidence(*texts))
        assert found.diagnosis == "q2.many_numbers"
        assert "wrong norms beside the right ones" in found.message


def test_numbers_that_are_no_norms_may_stand_beside():
    texts = []
    for task in CHALLENGE.norms:
        lines = [(2 * k, float(g.norm()), g.numel()) for k, g in enumerate(torch_gradients(task)[0])]
        texts.append("loss 1.2345\n" + "\n".join(f"{index}.weight {norm:.6f} lr 0.1 n {n}" for index, norm, n in lines))
    check_norms(evidence(*texts))
    check_general(evidence(*texts))


def test_numbers_that_look_by_chance_like_different_wrong_norms_or_like_multiples_of_two_norms_are_no_hedge():
    task, (*_, shallow) = CHALLENGE.norms[0], CHALLENGE.norms
    matrices = gradients(task.network, task.x, task.y)
    wrong = [np.std(matrices[0], ddof=1), np.abs(matrices[1]).sum(), np.linalg.norm(matrices[2], 2)]
    biases = [*(f"{value * 1.002:.3g}" for value in wrong), "1.17", "0.0197"]
    text = "\n".join(
        f"layer {k}: {np.linalg.norm(matrix):.6g} (bias {bias})"
        for k, (matrix, bias) in enumerate(zip(matrices, biases, strict=True))
    )
    assert not hedges(read_printout(text, 5), task.network, matrices)
    matrices = gradients(shallow.network, shallow.x, shallow.y)
    norms = [float(np.linalg.norm(matrix)) for matrix in matrices]
    text = f"loss {2.4 * norms[0]:.4f}\n{norms[0]:.4f}\n{norms[1]:.4f}\nsum {2.4 * norms[1]:.4f}"
    assert not hedges(read_printout(text, 2), shallow.network, matrices)


@pytest.mark.slow
def test_no_honest_form_is_lost_and_every_hedge_is_caught_whatever_the_challenge():
    assert not wrong_verdicts(range(1_000_000, 1_000_005))


def test_shares_of_totals_that_are_nearly_the_same_in_three_networks_are_no_factor():
    factor = {"q2.norms": lambda k: 0.1 + k / 3000, "q2.general": lambda k: 0.2 + k / 10}
    texts = [
        "\n".join(
            f"{2 * layer}.weight {norm:.4f} {factor[task.item](k) * norm / 1000:.4f}"
            for layer, norm in enumerate(float(gradient.norm()) for gradient in torch_gradients(task)[0])
        )
        for k, task in enumerate(CHALLENGE.norms)
    ]
    check_norms(evidence(*texts))
    check_general(evidence(*texts))
    found = lost(check_norms, evidence(*texts[:3], *[CRASHED] * 3))
    assert found.diagnosis == "q2.many_numbers"


@pytest.mark.slow
def test_under_every_key_a_loss_and_a_total_are_no_hedge_and_spectral_norms_in_three_digits_are_one():
    for key in range(100):
        challenge = draw_challenge(str(key).encode(), Submission("s", (), "digest"))
        caught = {"q2.norms": False, "q2.general": False}
        for task in challenge.norms:
            matrices = gradients(task.network, task.x, task.y)
            norms = [float(np.linalg.norm(matrix)) for matrix in matrices]
            lines = [f"{2 * k}.weight {norm}" for k, norm in enumerate(norms)]
            honest = "\n".join(["loss 267.18688", *lines, f"total {np.linalg.norm(norms)}"])
            assert not hedges(read_printout(honest, len(norms)), task.network, matrices), (key, honest)
            spectral = [f" {np.linalg.norm(matrix, 2):.3g}" for matrix in matrices]
            hedged = "\n".join(map("".join, zip(lines, spectral, strict=True)))
            caught[task.item] |= hedges(read_printout(hedged, len(norms)), task.network, matrices)
        assert all(caught.values()), key
