"""The student's way, for real: JupyterLab in a headless Chromium, from the first cell to the page that is handed in."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

from tests.parts import without_coverage

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # cells out of sight stay in the page
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
WRONG = {
    "q1": ("nn.Linear(1, width), nn.ReLU(), nn.Linear(width, 1),", "model has 3 modules, expected 9"),
    "q2": ("gnorm = param.norm()", "the numbers are not the L2 norms of the gradients"),
    "q3": ("module.weight.data.mul_(0.5)", "35 of 35 weights are not finite"),
}
RIGHT = {
    "q1": (
        "nn.Linear(1, width), nn.ReLU(), *[layer for _ in range(3) for layer in (nn.Linear(width, width), nn.ReLU())],"
        " nn.Linear(width, 1),"
    ),
    "q2": "gnorm = param.grad.square().sum().sqrt()",
    "q3": "nn.init.uniform_(module.weight, -((6 / module.in_features) ** 0.5), (6 / module.in_features) ** 0.5)",
}
LEFT_OUT = {
    "q1": "Not checked here: which layers these are",
    "q2": "Not checked here: gradients of matrices with more than one row",
    "q3": "Not checked here: whether the scale is right",
}
SCREENS = 24  # of the reference, run, in a window of 1366 x 900
PATIENCE = 1_200_000
"""Milliseconds to wait for what comes at once on a free machine: nothing here is about speed."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What a student downloads, with the notebook renamed."""
    folder = tmp_path_factory.mktemp("student")
    shutil.copytree(ROOT / "assignment/tests", folder / "tests")
    shutil.copy(ROOT / "assignment/homework.ipynb", folder / "my homework.ipynb")
    return folder


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    """Address of a JupyterLab that knows nothing of this user's settings."""
    home = tmp_path_factory.mktemp("jupyter")
    for plugin, settings in SETTINGS.items():
        file = home / f"settings/@jupyterlab/{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(settings))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    environment = without_coverage() | {name: str(home / name.lower()) for name in names}
    environment |= {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(home / "work")}
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"),
                *("--ServerApp.port_retries=0", "--IdentityProvider.token=test", f"--ServerApp.root_dir={folder}"),
                *("--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
            ],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(f"{address}/api?token=test", process, home / "log")
            yield address
        finally:
            process.terminate()
            process.wait(30)


def wait_for(address, process, log):
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def page(chromium, server):
    page = chromium.new_page(viewport={"width": 1366, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.goto(f"{server}/lab/tree/my%20homework.ipynb?token=test")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    yield page
    page.close()


def code_cell(page, source):
    """The code cell whose source matches."""
    return page.locator(".jp-CodeCell").filter(has=page.locator(".cm-content").filter(has_text=source))


def check_cell(page, question):
    return code_cell(page, re.compile(rf'^grader\.check\("{question}"\)$'))


def menu(page, *names):
    for name in names:
        page.get_by_role("menuitem", name=name, exact=True).click()


def settle(page):
    """Wait until the kernel has done what it was told: a cell that fails takes with it those that still wait."""
    page.wait_for_timeout(500)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()


def write(page, question, old, new):
    """Type `new` over the line `old` in the cell of a question, and run that cell."""
    settle(page)
    place = code_cell(page, f"# TODO {question}")
    line = place.locator(".cm-line").filter(has_text=old)
    line.scroll_into_view_if_needed()
    line.click()
    page.keyboard.press("Home")
    page.keyboard.press("Shift+End")
    page.keyboard.insert_text(new)
    page.keyboard.press("Shift+Enter")


def run(page, cell):
    """Run a cell; returns its output, which comes after those it had before."""
    settle(page)
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    cell.locator(".jp-InputPrompt").filter(has_text=re.compile(r"\[\d+\]")).wait_for()
    return cell.locator(".jp-OutputArea")


def test_a_student_runs_answers_checks_and_hands_in_a_page_that_needs_no_connection_and_fits_on_paper(
    page, chromium, folder
):
    expect = playwright_expect()
    menu(page, "Run", "Run All Cells")
    for question in ("q1", "q2", "q3"):
        expect(page.get_by_text(f"{question} is not answered yet: find todo").first).to_be_visible()
        wrong, complaint = WRONG[question]
        write(page, question, f'todo("{question}")', wrong)
        expect(run(page, check_cell(page, question))).to_contain_text(complaint)
        write(page, question, wrong, RIGHT[question])
        output = run(page, check_cell(page, question))
        expect(output).to_contain_text(LEFT_OUT[question])
        expect(output).to_contain_text("passed!")
        if question != "q3":
            menu(page, "Run", "Run Selected Cell and All Below")

    page.locator("em").filter(has_text="Your answer to W1 here.").dblclick()
    page.locator(".jp-MarkdownCell .cm-line").filter(has_text="Your answer to W1 here.").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text("All five are **about one millionth**.")
    page.keyboard.press("Shift+Enter")
    expect(page.locator("strong").filter(has_text="about one millionth")).to_be_visible()
    last = page.locator(".jp-CodeCell").last
    assert page.locator(".jp-CodeCell .jp-Placeholder").count() == 5, "folded cells"
    last.locator(".jp-Placeholder").first.click()  # opened, it shows whether it has run
    menu(page, "Kernel", "Restart Kernel and Run All Cells…")
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    expect(last.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\*\]"))
    expect(last.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]"))
    expect(last.locator(".jp-OutputArea")).to_contain_text("Save this notebook, then run this cell again.")
    alternatives = page.locator(".jp-OutputArea img").evaluate_all("images => images.map(image => image.alt)")
    assert len(alternatives) == 19
    assert all(len(alternative) > 40 for alternative in alternatives)
    sizes = page.locator(".jp-OutputArea img").evaluate_all(
        "images => images.map(image => [image.clientWidth, image.naturalWidth])"
    )
    assert all(natural == 2 * shown for shown, natural in sizes), "no picture is made smaller than it was drawn"
    page.set_viewport_size({"width": 911, "height": 600})  # the same window at 150 %
    shown = page.locator(".jp-OutputArea img").evaluate_all(
        "images => images.map(image => image.clientWidth / image.naturalWidth)"
    )
    page.set_viewport_size({"width": 1366, "height": 900})
    page.wait_for_function("() => document.querySelector('.jp-NotebookPanel').clientHeight > 600")  # laid out anew
    assert all(2 * ratio * 10 * 80 / 72 > 9.99 for ratio in shown), "text of 10 points at 80 pixels an inch"
    height, window = page.evaluate(
        "() => { const panel = [...document.querySelectorAll('.jp-WindowedPanel-outer')]"
        ".find(panel => panel.scrollHeight > panel.clientHeight); return [panel.scrollHeight, panel.clientHeight] }"
    )
    opened = last.locator(".jp-InputArea").bounding_box()["height"]
    assert (height - opened) / window <= SCREENS

    page.keyboard.press("Control+s")
    saved = folder / "my homework.ipynb"
    wait_until_saved(saved, "Save this notebook, then run this cell again.")
    written = run(page, last)
    expect(written).to_contain_text("Wrote my homework.html from my homework.ipynb as last saved. Not answered: W2, W3")

    outputs = [o for cell in nbformat.read(saved, as_version=4).cells for o in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    graded = subprocess.run(
        [Path(sys.executable).with_name("inithw"), "grade", saved, "--json"], capture_output=True, text=True, check=True
    )
    record = json.loads(graded.stdout)
    assert (record["status"], record["score"]) == ("graded", 10.0), record["messages"]
    read_without_connection(chromium, folder / "my homework.html")


def read_without_connection(chromium, written):
    """Its formulas show, and it prints."""
    tab = chromium.new_page(viewport={"width": 1000, "height": 1400})
    tab.route("http*://**/*", lambda route: route.abort())
    tab.goto(written.as_uri(), wait_until="domcontentloaded")
    heights = tab.locator("math").evaluate_all("all => all.map(formula => formula.getBoundingClientRect().height)")
    assert len(heights) > 60
    assert min(heights) > 5
    assert "$" not in tab.locator("body").inner_text()
    pages = tab.pdf(format="A4")
    assert pages.startswith(b"%PDF")
    tab.close()


def wait_until_saved(path, text):
    """Wait until a file holds `text` and is not being written any more."""
    deadline, size = time.monotonic() + 600, -1
    while text not in path.read_text("utf-8") or path.stat().st_size != size:
        assert time.monotonic() < deadline, f"{path.name} was not saved"
        size = path.stat().st_size
        time.sleep(1)


def playwright_expect():
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE)
    return expect
