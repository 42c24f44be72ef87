"""Every attack is contained: in full as this machine is, a telling sample with fewer rights."""

import sys

import pytest

from tests.attacks import ATTACKS
from tests.attacks.__main__ import SETTINGS, claimed, try_in
from tests.rights import needs_other_users

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="walls are Linux's")]
SAMPLE = [attack.name for attack in ATTACKS if attack.telling]
EMULATED = [setting for setting in SETTINGS if setting != "as it is"]


def breaches(setting, names=None):
    """What got through, attack by attack; the outcome of every attack asked for is there."""
    outcomes = try_in(setting, names)
    assert len(outcomes) == len(names or ATTACKS)
    must_hold = {attack.name for attack in ATTACKS if claimed(attack, setting)}
    return {outcome.name: outcome.breaches for outcome in outcomes if outcome.breaches and outcome.name in must_hold}


def test_every_attack_is_contained():
    assert breaches("as it is") == {}


@needs_other_users  # rights are given up
@pytest.mark.parametrize("setting", EMULATED)
def test_telling_attacks_are_contained_with_fewer_rights(setting):
    assert breaches(setting, SAMPLE) == {}


def test_the_corpus_is_as_large_as_promised_and_says_what_each_attack_tries():
    assert len(ATTACKS) >= 60
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert all(attack.tries for attack in ATTACKS)
