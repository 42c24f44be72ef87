"""The generated files: complete, reproducible, in step with their source, and without a line of a solution."""

import ast
import contextlib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from inithw.release.distribution import PAGES, SOURCE, SourceError, build, check, split_solution, write
from packaging.requirements import Requirement

from tests.parts import project_copy, read_submission

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ("assignment/homework.ipynb", "solutions/homework.ipynb")


@pytest.fixture(scope="module")
def files():
    return build(ROOT)


@pytest.fixture
def copy(tmp_path):
    """A copy of the project, built."""
    project = project_copy(tmp_path)
    write(project)
    return project


def notebook(files, path):
    return nbformat.reads(files[path].decode(), as_version=4)


def code(files, path):
    return [cell.source for cell in notebook(files, path).cells if cell.cell_type == "code"]


def solution_lines():
    """An independent reading of the source: what stands between markers and is not the student's line."""
    blocks = re.findall(r"# BEGIN SOLUTION\n(.*?)# END SOLUTION", (ROOT / SOURCE).read_text("utf-8"), re.DOTALL)
    lines = {line.strip() for block in blocks for line in block.splitlines() if "# STUDENT:" not in line}
    return {line for line in lines if line}


# ---------------------------------------------------------------- building


def test_generated_files_are_up_to_date():
    assert [stale.path for stale in check(ROOT)] == [], "run `inithw build`"


@pytest.mark.slow
def test_another_process_builds_the_same_bytes(files):
    script = "import hashlib, pathlib, sys; from inithw.release.distribution import build\n"
    script += "for path, content in sorted(build(pathlib.Path(sys.argv[1])).items()): "
    script += "print(path, hashlib.sha256(content).hexdigest())"
    done = subprocess.run(
        [sys.executable, "-c", script, ROOT],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT / "autograder"), "TZ": "Asia/Tokyo"},
    )
    assert done.stdout.splitlines() == [
        f"{path} {hashlib.sha256(content).hexdigest()}" for path, content in sorted(files.items())
    ]


def test_write_changes_nothing_the_second_time(copy):
    assert write(copy) == []


def test_check_shows_the_difference_in_a_stale_file(copy):
    target = copy / "assignment/requirements.txt"
    target.write_text(target.read_text().replace("numpy", "numbat"))
    (stale,) = check(copy)
    assert stale.path == "assignment/requirements.txt"
    assert re.search(r"^-numbat.*\n(?:.*\n)*\+numpy", stale.diff, re.MULTILINE)


def test_check_notices_a_missing_file_and_changed_newlines(copy):
    (copy / "assignment/tests/q2.py").unlink()
    target = copy / "assignment/tests/q1.py"
    target.write_bytes(target.read_bytes().replace(b"\n", b"\r\n"))
    assert {stale.path for stale in check(copy)} == {"assignment/tests/q1.py", "assignment/tests/q2.py"}
    assert all(stale.diff for stale in check(copy))
    write(copy)
    assert check(copy) == []


def test_an_edit_of_the_source_makes_its_products_stale(copy):
    source = copy / SOURCE
    source.write_text(source.read_text("utf-8").replace("width = ", "width =  "), encoding="utf-8")
    assert {stale.path for stale in check(copy)} == {*NOTEBOOKS, "autograder/inithw/homework/given.json"}


def test_generated_files_say_so_and_name_the_command(files):
    for path, content in files.items():
        text = content.decode()
        note = json.loads(text)["metadata"]["inithw"]["note"] if path.endswith(".ipynb") else text[:250]
        if path in PAGES:
            assert text.count("<!-- inithw build: ") >= 1, path
        else:
            assert "inithw build" in note, path
            source = "homework/rubric.py" if path.startswith("tests/otter") else "solutions/homework.py"
            assert source in note, path


def test_generated_files_need_no_particular_encoding_of_the_reader(files):
    for path, content in files.items():
        if path.endswith((".py", ".txt")):  # Otter opens tests in the encoding of the system
            assert content.isascii(), path


# ---------------------------------------------------------------- markers


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("# BEGIN SOLUTION\nx = 1\n# STUDENT: todo()", "without END"),
        ("x = 1\n# END SOLUTION", "without BEGIN"),
        ("# BEGIN SOLUTION\n# BEGIN SOLUTION\n# STUDENT: y\n# END SOLUTION", "inside the solution"),
        ("# BEGIN SOLUTION\nx = 1\n# END SOLUTION", "no '# STUDENT: ' line"),
        ("# BEGIN SOLUTION\n# STUDENT: y\n# END SOLUTION\n# END SOLUTION", "without BEGIN"),
        ("# STUDENT: y", "outside a solution"),
        ("# begin solution\nx = 1\n# end solution", "looks like a solution marker"),
        ("#BEGIN SOLUTION\nx = 1\n#END SOLUTION", "looks like a solution marker"),
        ("# BEGIN SOLUTION \nx = 1\n# END SOLUTION", "looks like a solution marker"),
        ("# BEGIN SOLUTIONS\nx = 1", "looks like a solution marker"),
        ("x = 1  # BEGIN SOLUTION", "looks like a solution marker"),
        ("# BEGIN SOLUTION\n#STUDENT: y\n# END SOLUTION", "looks like a solution marker"),
    ],
)
def test_bad_markers_raise(source, problem):
    with pytest.raises(SourceError, match=problem):
        split_solution(source)


def test_a_student_gets_the_stub_at_its_place_and_the_reference_the_solution():
    source = "f(\n    # BEGIN SOLUTION\n    a,\n    b,\n    # STUDENT: todo('q1'),\n    # END SOLUTION\n)"
    assert split_solution(source) == ("f(\n    todo('q1'),\n)", "f(\n    a,\n    b,\n)", ["a,", "b,"])


def test_a_solution_line_repeated_in_given_code_stops_the_build(copy):
    source = copy / SOURCE
    line = max(solution_lines(), key=len)
    source.write_text(source.read_text("utf-8") + f"\n# %%\nif True:\n    {line}\n", encoding="utf-8")
    with pytest.raises(SourceError, match="also stands in a part that students get"):
        build(copy)


# ---------------------------------------------------------------- what students get


def test_no_line_of_a_solution_reaches_the_assignment(files):
    assert len(solution_lines()) >= 5
    given = "\n".join(
        [
            *(cell.source for cell in notebook(files, "assignment/homework.ipynb").cells),
            *(content.decode() for path, content in files.items() if path.startswith("assignment/tests")),
            (ROOT / "assignment/README.md").read_text("utf-8"),
        ]
    )
    assert not solution_lines() & {line.strip() for line in given.splitlines()}
    for telling in ("kaiming", "xavier", "nn.Linear(width, width)", ".grad.norm", "SOLUTION", "STUDENT"):
        assert telling not in given, telling
    assert all(path.name in {"q1.py", "q2.py", "q3.py"} for path in (ROOT / "assignment/tests").glob("*.py"))


def test_the_notebooks_differ_only_in_three_cells(files):
    student, reference = (notebook(files, path).cells for path in NOTEBOOKS)
    assert [cell.id for cell in student] == [cell.id for cell in reference]
    differing = [mine.source for mine, theirs in zip(student, reference, strict=True) if mine != theirs]
    assert [re.findall(r'todo\("(q\d)"\)', source) for source in differing] == [["q1"], ["q2"], ["q3"]]


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_notebooks_are_valid_and_clean(files, path):
    cells = notebook(files, path).cells
    nbformat.validate(notebook(files, path))
    assert len({cell.id for cell in cells}) == len(cells)
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells if cell.cell_type == "code")


@pytest.mark.parametrize("path", NOTEBOOKS)
def test_every_code_cell_is_plain_python(files, path):
    for source in code(files, path):
        ast.parse(source)


def test_cell_ids_survive_an_edit_elsewhere(copy):
    before = [cell.id for cell in nbformat.read(copy / NOTEBOOKS[0], as_version=4).cells]
    source = copy / SOURCE
    source.write_text(source.read_text("utf-8").replace("# %%\nwidth = ", "# %%\nwidth =  ", 1), encoding="utf-8")
    write(copy)
    after = [cell.id for cell in nbformat.read(copy / NOTEBOOKS[0], as_version=4).cells]
    assert len(after) == len(before)
    assert sum(a != b for a, b in zip(after, before, strict=True)) == 1


def test_demonstrations_are_marked_and_read_as_such(files):
    cells = [cell for cell in notebook(files, "assignment/homework.ipynb").cells if cell.cell_type == "code"]
    tagged = [cell.source for cell in cells if "demonstration" in cell.metadata.get("tags", [])]
    given = json.loads(files["autograder/inithw/homework/given.json"])
    assert [cell["source"] for cell in given["cells"] if cell["demonstration"]] == tagged
    assert [cell["source"] for cell in given["cells"]] == [cell.source for cell in cells]
    read = read_submission(ROOT / "solutions/homework.ipynb").cells
    assert [cell.source for cell in read if cell.demonstration] == tagged


def test_the_other_cells_run_without_the_demonstrations(files):
    namespace = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for cell in notebook(files, "solutions/homework.ipynb").cells:
            if cell.cell_type == "code" and "demonstration" not in cell.metadata.get("tags", []):
                exec(cell.source, namespace)
    assert len(re.findall(r"^\d\.weight \d", printed.getvalue(), re.MULTILINE)) == 15  # three times five gradient norms
    assert len(namespace["model"]) == 9


def test_demonstrations_hold_no_answer(files):
    for cell in notebook(files, "assignment/homework.ipynb").cells:
        if "demonstration" in cell.metadata.get("tags", []):
            assert not re.search(r'todo\("q', cell.source)


def test_each_stub_stops_its_cell_and_says_which_question_is_open(files):
    cells = code(files, "assignment/homework.ipynb")
    namespace = {}
    for source in cells:
        if "\nimport copy\n" in source or "def todo" in source or "train_y =" in source or "F_TRUE_PARAMS =" in source:
            exec(source, namespace)
    namespace.update(width=20, model=namespace["nn"].Linear(1, 1))
    for question in ("q1", "q2", "q3"):
        (source,) = [source for source in cells if f'todo("{question}")' in source]
        with pytest.raises(NotImplementedError, match=f"^{question} is not answered yet") as raised:
            exec(source, {**namespace, "model": namespace["nn"].Sequential(namespace["nn"].Linear(1, 1))})
        assert f'todo("{question}")' in str(raised.value)


def test_requirements_install_on_every_system(files):
    lines = files["assignment/requirements.txt"].decode().splitlines()
    assert lines[0].startswith("#")
    requirements = [Requirement(line) for line in lines[1:]]
    imported = {
        name.split(".")[0]
        for source in code(files, "assignment/homework.ipynb")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    third_party = (
        imported - set(sys.stdlib_module_names) - {"IPython", "nbconvert", "nbformat"}  # Jupyter's own
    )
    packages = {"otter": "otter-grader"}
    besides = {"jupyterlab", "jsonschema"}  # where it runs, and what that would load too late a version of
    assert {requirement.name for requirement in requirements} == {packages.get(n, n) for n in third_party} | besides
    for requirement in requirements:
        assert requirement.marker is None
        assert not any(specifier.operator == "==" for specifier in requirement.specifier), "a pin fits one system only"
        assert any(specifier.operator == ">=" for specifier in requirement.specifier)


# ---------------------------------------------------------------- public tests


def run_public_test(path, namespace):
    """As Otter does: arguments by name from the namespace; returns the messages of what failed."""
    from otter.nbmeta_config import NBMetadataConfig
    from otter.test_files import create_test_file

    test = create_test_file(str(path), NBMetadataConfig())
    test.run(namespace)
    return [result.message for result in test.test_case_results if not result.passed]


@pytest.fixture(scope="module")
def answers(files):
    namespace = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in notebook(files, "solutions/homework.ipynb").cells:
            if cell.cell_type == "code" and "demonstration" not in cell.metadata.get("tags", []):
                exec(cell.source, namespace)
    return namespace


@pytest.mark.parametrize("question", ["q1", "q2", "q3"])
def test_public_tests_accept_the_reference(answers, question):
    assert run_public_test(ROOT / f"assignment/tests/{question}.py", answers) == []


@pytest.mark.parametrize("question", ["q1", "q2", "q3"])
def test_public_tests_fail_without_an_answer(question):
    assert run_public_test(ROOT / f"assignment/tests/{question}.py", {})


def printing(gnorm):
    """A print_gnorms as the notebook's, with this for the answer."""

    def print_gnorms(model):
        import torch

        x, y = (torch.from_numpy(values).float() for values in (DATA["train_x"], DATA["train_y"]))
        model.zero_grad()
        torch.nn.functional.mse_loss(model(x.unsqueeze(-1)).view(-1), y).backward()
        for name, param in model.named_parameters():
            if name.endswith(".weight"):
                with torch.no_grad():
                    print(name, f"{gnorm(param):.8f}")

    return print_gnorms


DATA: dict = {}  # as in a notebook, print_gnorms looks for the data where it was defined


def message_of(question, namespace):
    return "\n".join(run_public_test(ROOT / f"assignment/tests/{question}.py", namespace))


@pytest.mark.parametrize(
    "gnorm",
    {
        "of the parameter": lambda param: param.norm(),
        "squared": lambda param: param.grad.norm() ** 2,
        "mean": lambda param: param.grad.mean().abs(),
        "L1": lambda param: param.grad.abs().sum(),
        "largest entry": lambda param: param.grad.abs().max(),
        "root mean square": lambda param: param.grad.square().mean().sqrt(),
    }.values(),
)
def test_the_public_test_of_q2_tells_a_wrong_norm_from_the_right_one(answers, gnorm):
    DATA.update(answers)
    assert "are not the L2 norms of the gradients" in message_of("q2", {**answers, "print_gnorms": printing(gnorm)})
    right = printing(lambda param: param.grad.square().sum().sqrt())
    assert message_of("q2", {**answers, "print_gnorms": right}) == ""


@pytest.mark.parametrize(
    ("shown", "problem"),
    [
        ("?", "expected a number"),
        ("-1.0", "not negative"),
        ("nan", "not negative"),
        ("0.12345678", "are not the L2 norms"),
    ],
)
def test_the_public_test_of_q2_names_what_is_wrong_with_a_printed_number(answers, shown, problem):
    def print_gnorms(model):
        for name, _ in model.named_parameters():
            if name.endswith(".weight"):
                print(name, shown)

    assert problem in message_of("q2", {**answers, "print_gnorms": print_gnorms})


def test_the_public_test_of_q2_counts_lines(answers):
    found = message_of("q2", {**answers, "print_gnorms": lambda model: print("0.weight 0.5")})
    assert "1 lines name a weight matrix, expected 5" in found


def test_the_public_test_of_q1_names_what_is_wrong(answers):
    import torch

    def refuses(model, problem):
        assert problem in message_of("q1", {"model": model})

    refuses(answers["model"][:3], "3 modules, expected 9")
    refuses(None, "the cell of q1 was not run, or stopped")
    refuses(answers["StandIn"]("q1 is not answered yet"), "q1 is not answered yet")
    refuses(torch.nn.Sequential(*answers["model"][:8], torch.nn.Linear(20, 2)), "1342 parameters, expected 1321")
    tanh = torch.nn.Sequential(*[m if i % 2 == 0 else torch.nn.Tanh() for i, m in enumerate(answers["model"])])
    assert message_of("q1", {"model": tanh}) == "", "wrong in substance, right in structure"


@pytest.mark.slow
def test_the_public_test_of_q1_knows_a_model_that_an_earlier_run_left():
    """An edit with a syntax error leaves the old `model`, which would pass."""
    from nbclient import NotebookClient

    solved = [
        cell.source for cell in nbformat.read(ROOT / NOTEBOOKS[1], as_version=4).cells if cell.cell_type == "code"
    ]
    (q1,) = [source for source in solved if "# TODO q1" in source]
    check = f"import otter; print(otter.Notebook(tests_dir={str(ROOT / 'assignment/tests')!r}).check('q1'))"
    sources = [
        "import torch\nfrom torch import nn",
        q1,
        check,
        q1.replace("nn.Linear(1, width),", "nn.Linear(1, width)"),
        check,
    ]
    sources += [q1.replace("nn.Linear(1, width),", "nn.Linear('1', width),"), check, q1, check]
    sources += ["%pwd\n" + q1, check]  # no Python, and no mistake
    run = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    with contextlib.suppress(FileNotFoundError):
        NotebookClient(run, timeout=120, kernel_name="python3", allow_errors=True).execute()
    said = ["".join(o.get("text", "") for o in cell.outputs) for cell in run.cells if "otter" in cell.source]
    assert "All test cases passed!" in said[0]
    assert "was run with a syntax error" in said[1]
    assert "the cell of q1 was not run, or stopped" in said[2]
    assert ["All test cases passed!" in text for text in said[3:]] == [True, True]


def initializing(draw):
    def better_init(module):
        import torch

        if isinstance(module, torch.nn.Linear):
            draw(module)
            module.bias.data.zero_()

    return better_init


@pytest.mark.parametrize(
    ("draw", "problem"),
    {
        "no effect": (lambda m: None, "35 of 35 weights are not finite"),
        "constant": (lambda m: m.weight.data.fill_(0.1), "two layers got the same weights"),
        "float64": (lambda m: setattr(m.weight, "data", m.weight.data.double().normal_()), "type torch.float64"),
        "transposed": (lambda m: setattr(m.weight, "data", m.weight.data.T.clone().normal_()), "have shape [7, 5]"),
        "picked by hand": (lambda m: m.weight.data.uniform_(-0.3, 0.3), "expected a clearly smaller one"),
    }.values(),
)
def test_the_public_test_of_q3_names_what_is_wrong(draw, problem):
    assert problem in message_of("q3", {"better_init": initializing(draw)})


@pytest.mark.parametrize(
    "name", ["xavier_uniform_", "xavier_normal_", "kaiming_normal_", "kaiming_uniform_", "orthogonal_"]
)
def test_the_public_test_of_q3_accepts_every_usual_initialization_and_a_wrong_gain(name):
    import torch

    draw = getattr(torch.nn.init, name)
    for gain in (1, 10):
        scaled = initializing(lambda m, gain=gain: (draw(m.weight), m.weight.data.mul_(gain)))
        assert message_of("q3", {"better_init": scaled}) == "", "the scale itself is left to the grader"


def test_public_tests_say_what_they_leave_out_and_no_points(files):
    for question in ("q1", "q2", "q3"):
        text = files[f"assignment/tests/{question}.py"].decode()
        assert "Not checked here: " in text
        assert "points" not in text


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("solutions/homework.py", "# ### Question W11\n", "# ### Question W12\n", "answers W1, W2"),
        ("solutions/written-answers.md", "## W11 ", "### W11 ", "asks W1, W2"),
        ("assignment/README.md", "W1 to W11", "W1 to W10", "the last question is W11"),
    ],
)
def test_a_question_without_a_model_answer_or_another_count_of_them_is_refused(tmp_path, file, old, new, said):
    project = project_copy(tmp_path / "project")
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))
    with pytest.raises(SourceError, match=said):
        build(project)
