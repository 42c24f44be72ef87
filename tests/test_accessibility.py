"""Who can read it: headings, links, alternative texts, contrast; by axe-core where a page is drawn."""

import html
import re
from itertools import pairwise
from pathlib import Path

import matplotlib.colors
import nbconvert
import nbformat
import numpy as np
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
NOTEBOOK = nbformat.read(ROOT / "assignment/homework.ipynb", as_version=4)
DOCUMENTS = {
    "notebook": "\n\n".join(cell.source for cell in NOTEBOOK.cells if cell.cell_type == "markdown"),
    **{
        path: (ROOT / path).read_text("utf-8")
        for path in ("assignment/README.md", "solutions/written-answers.md", "docs/teaching-notes.md")
    },
}


def prose(name):
    """A document without its code blocks."""
    return re.sub(r"```.*?```", "", DOCUMENTS[name], flags=re.DOTALL)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_headings_start_at_one_and_skip_no_level(name):
    levels = [len(marks) for marks in re.findall(r"^(#+) ", prose(name), re.MULTILINE)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_and_pictures_have_texts_that_say_where_they_lead(name):
    for picture, label, target in re.findall(r"(!?)\[((?:!\[[^\]]*\]\([^)]*\)|[^\]])*)\]\(([^)]*)\)", prose(name)):
        text = re.sub(r"!\[([^\]]*)\]\([^)]*\)", r"\1", label)
        assert len(text) >= 4, (picture, label, target)
        assert text.lower() not in {"here", "link", "this", "click here"}
        assert not text.startswith("http")


def test_every_figure_has_an_alternative_text_of_its_own(executed):
    """As HTML: neither JupyterLab nor nbconvert passes on the `alt` of a plain image/png output."""
    outputs = [output for cell in executed[1].cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if "image/png" in output.get("data", {})]
    figures = [output.data for output in outputs if "<img" in output.get("data", {}).get("text/html", "")]
    texts = [html.unescape(re.search(r'<img [^>]* alt="([^"]*)"', figure["text/html"])[1]) for figure in figures]
    assert texts == [figure["text/plain"] for figure in figures]
    assert len(set(texts)) == len(texts) == 19
    assert all(len(text) > 40 for text in texts)


def contrast(first, second):
    """Contrast ratio of two colours, 1 to 21, by the WCAG 2 definition."""

    def luminance(colour):
        channels = np.array(matplotlib.colors.to_rgb(colour))
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return linear @ (0.2126, 0.7152, 0.0722)

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_lines_stand_out_from_the_page():
    (source,) = [cell.source for cell in NOTEBOOK.cells if "BLUE, ORANGE" in cell.source and "rcParams" in cell.source]
    colours = source[source.index("BLUE, ORANGE") : source.index("plt.rcParams")]
    assert len(re.findall(r'"#\w{6}"', colours)) == 6
    for colour in re.findall(r'"(#\w{6})"', colours):
        assert contrast(colour, "white") >= 3  # WCAG 2.1, 1.4.11: graphical objects


def violations(chromium, page):
    """What axe-core finds in an HTML page, {rule: elements}, without loading anything from elsewhere."""
    from axe_playwright_python.sync_playwright import Axe

    tab = chromium.new_page()
    tab.route("**/*", lambda route: route.abort())
    tab.set_content(page, wait_until="domcontentloaded")
    results = Axe().run(tab, options={}).response
    tab.close()
    assert len(results["passes"]) > 3
    return {rule["id"]: [node["html"][:200] for node in rule["nodes"]] for rule in results["violations"]}


def test_axe_finds_nothing_in_the_page_of_written_answers(chromium, executed):
    page, _ = nbconvert.HTMLExporter(exclude_input=True, exclude_output_prompt=True).from_notebook_node(executed[1])
    assert violations(chromium, page) == {}


def test_axe_finds_what_is_wrong_with_a_page(chromium, executed):
    page, _ = nbconvert.HTMLExporter(exclude_input=True, exclude_output_prompt=True).from_notebook_node(executed[1])
    spoilt = re.sub(r' alt="[^"]*"', "", page).replace("<h3", "<h6").replace("</h3", "</h6")
    assert {"image-alt", "heading-order"} <= violations(chromium, spoilt).keys()
