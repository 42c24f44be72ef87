"""The package as others see it: public names, version, types."""

import re
from importlib import resources

import inithw
import inithw.engine as engine
from inithw.homework.definition import HOMEWORK
from inithw.homework.worker.answers import Answers


def test_every_public_name_of_the_engine_is_there_and_says_what_it_is():
    for name in engine.__all__:
        assert getattr(engine, name).__doc__, name


def test_the_version_is_that_of_the_newest_entry_of_the_changelog(root):
    newest = re.search(r"^## (\S+)", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest[1] == inithw.__version__


def test_the_package_carries_its_types():
    assert (resources.files("inithw") / "py.typed").is_file()


def test_the_functions_that_the_untrusted_half_asks_are_the_names_by_which_notebooks_are_known():
    assert Answers.functions == HOMEWORK.names
