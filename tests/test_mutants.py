"""The mutants of the judge are about its code as it stands: `make mutants` runs them."""

import pytest

from tests.mutants import MUTANTS, PACKAGE


@pytest.mark.parametrize("mutant", [mutant for some in MUTANTS.values() for mutant in some])
def test_every_mutant_finds_its_place(mutant):
    assert (PACKAGE / mutant.file).read_text("utf-8").count(mutant.old) == 1
