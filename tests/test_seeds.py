"""The same file gives the same evidence, whatever generator it draws from and whether it is seeded."""

import pytest
from inithw.engine.sandbox import Sandbox
from inithw.homework.definition import HOMEWORK

from tests.parts import grader

DRAWS = {
    "default_rng": "np.random.default_rng().normal()",
    "a seed sequence": "np.random.SeedSequence().entropy",
    "a bit generator": "np.random.Generator(np.random.PCG64()).random()",
    "RandomState": "np.random.RandomState().rand()",
    "numpy, seeded with nothing": "[np.random.seed(), np.random.rand()]",
    "numpy, as it is": "np.random.rand()",
    "random, as it is": "random.random()",
    "random, seeded with nothing": "[random.seed(), random.random()]",
    "an instance of Random": "random.Random().random()",
    "a subclass of Random": "type('Mine', (random.Random,), {})().random()",
    "SystemRandom": "random.SystemRandom().random()",
    "secrets": "secrets.token_hex()",
    "os.urandom": "os.urandom(8)",
    "os.getrandom": "os.getrandom(8)",
    "uuid4": "uuid.uuid4()",
    "torch, as it is": "torch.rand(1).item()",
    "torch, seeded with nothing": "[torch.seed(), torch.rand(1).item()]",
    "torch.random, seeded with nothing": "[torch.random.seed(), torch.rand(1).item()]",
    "a generator of torch's": "torch.rand(1, generator=torch.Generator()).item()",
    "hashes of texts": "hash('text')",
    "a set of texts": "list({'a', 'b', 'c', 'd'})",
    "a scipy distribution": "scipy.stats.norm.rvs()",
    "shuffled": "torch.randperm(9).tolist()",
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, sandbox):
    """What each draw gave, twice in one sandbox and once in another."""
    path = tmp_path_factory.mktemp("draws") / "homework.py"
    imports = "import os, random, secrets, uuid, numpy as np, scipy.stats, torch"
    path.write_text("\n".join(["# %%", imports, *(f"# %%\nraise ValueError({draw})" for draw in DRAWS.values())]))
    runs = []
    with Sandbox(HOMEWORK.worker) as another:
        for each in (sandbox, sandbox, another):
            cells = grader(each).grade(path).grade.cells
            runs.append(dict(zip(DRAWS, (cell.error for cell in cells[1:]), strict=True)))
    return runs


@pytest.mark.slow
@pytest.mark.parametrize("how", DRAWS)
def test_unseeded_draws_are_the_same_every_time(drawn, how):
    first, again, elsewhere = (run[how] for run in drawn)
    assert first.startswith("ValueError")
    assert first == again == elsewhere
