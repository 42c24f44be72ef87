"""The configuration: what is accepted, and what every refusal says."""

import json
import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inithw.engine.records import Limits
from inithw.engine.settings import (
    KEY_FILE,
    KEY_VARIABLE,
    LIMIT_KEYS,
    OTTER_KEYS,
    OUR_KEYS,
    PLUGIN,
    PUBLIC_KEY,
    ConfigError,
    Settings,
    find_config,
    load_settings,
)

NO_ENVIRONMENT: dict[str, str] = {}


def ours(**values):
    return {"plugins": [{PLUGIN: values}]}


@pytest.fixture
def write(tmp_path):
    def write(config, name="otter_config.json"):
        path = tmp_path / name
        path.write_text(config if isinstance(config, str) else json.dumps(config))
        return path

    return write


@pytest.fixture
def load(write):
    return lambda config: load_settings(write(config), NO_ENVIRONMENT)


@pytest.fixture
def complaint(write):
    """What is said about a configuration; it always begins with the file's path."""

    def complaint(config):
        path = write(config)
        with pytest.raises(ConfigError) as caught:
            load_settings(path, NO_ENVIRONMENT)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
        return str(caught.value).removeprefix(f"{path}: ")

    return complaint


# ---------------------------------------------------------------- accepted


def test_the_projects_own_configuration_states_every_default(root):
    loaded = load_settings(find_config(root), NO_ENVIRONMENT)
    assert loaded == Settings(key=loaded.key)
    stated = json.loads((root / "otter_config.json").read_text())["plugins"][0][PLUGIN]
    assert set(stated) == set(OUR_KEYS)
    assert set(stated["limits"]) == set(LIMIT_KEYS)


def test_without_a_file_everything_has_its_default():
    assert load_settings(None, NO_ENVIRONMENT) == Settings()


def test_values_reach_the_settings(load):
    loaded = load(
        {
            "points_possible": 25,
            "score_threshold": 0.6,
            "show_stdout": True,
            **ours(
                assignment_name="HW 3",
                visibility="after_due_date",
                leaderboard=True,
                limits={"cell_seconds": 10, "memory_mb": 512, "scratch_mb": 8, "processes": 32},
            ),
        }
    )
    assert loaded == Settings(
        assignment_name="HW 3",
        visibility="after_due_date",
        leaderboard=True,
        points_possible=25,
        score_threshold=0.6,
        show_stdout=True,
        limits=Limits(cell_seconds=10, memory_bytes=512 * 1024**2, scratch_bytes=8 * 1024**2, processes=32),
    )


def test_the_plugin_may_be_named_without_settings(load):
    assert load({"plugins": ["another.Plugin", PLUGIN]}) == Settings()


def test_every_key_of_stock_otter_is_accepted_with_otters_default(load):
    config = pytest.importorskip("otter.run.run_autograder.autograder_config").AutograderConfig()
    theirs = {name: getattr(config, attribute) for attribute, name in config._get_attrs_to_names().items()}
    assert set(theirs) == set(OTTER_KEYS)
    load({**theirs, **ours()})


def test_stock_otter_reads_the_same_file_and_gives_our_settings_to_the_plugin(root):
    autograder_config = pytest.importorskip("otter.run.run_autograder.autograder_config")
    plugins = pytest.importorskip("otter.plugins")
    raw = json.loads((root / "otter_config.json").read_text())
    parsed = plugins.PluginCollection._parse_plugin_config(autograder_config.AutograderConfig(raw).plugins)
    assert parsed == [{"plugin": PLUGIN, "config": raw["plugins"][0][PLUGIN]}]


def test_the_nearest_configuration_above_is_found(write, tmp_path):
    path = write(ours())
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert find_config(tmp_path / "a" / "b") == path


@pytest.mark.parametrize(
    "handed_in", ["", "homework.ipynb", "a", "a/b", "a/homework.ipynb", "link.ipynb", "link", "missing.ipynb"]
)
def test_configuration_in_or_beside_a_submission_is_never_used(write, tmp_path, handed_in):
    """Whatever part of `tmp_path` is the submission: the configuration in it may have come with it."""
    top = write(ours())
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "homework.ipynb").touch()
    (tmp_path / "a" / "homework.ipynb").touch()
    (tmp_path / "link.ipynb").symlink_to("a/homework.ipynb")
    (tmp_path / "link").symlink_to("a")
    inner = tmp_path / "a" / "b" / "otter_config.json"
    inner.write_text(top.read_text())
    beside_top = handed_in in ("", "homework.ipynb", "missing.ipynb")
    assert find_config(inner.parent, [tmp_path / handed_in]) == (None if beside_top else top)
    assert find_config(inner.parent, [tmp_path.parent / "other.ipynb"]) is None  # beside it are all of these


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"show_stdou": True, **ours()}, "show_stdou is not a setting; did you mean show_stdout?"),
        ({"Points_Possible": 3, **ours()}, "did you mean points_possible?"),
        (ours(visiblity="visible"), f"plugins.{PLUGIN}.visiblity is not a setting; did you mean visibility?"),
        (ours(limits={"cell_second": 3}), "limits.cell_second is not a setting; did you mean cell_seconds?"),
        ({"leaderboard": True, **ours()}, f"leaderboard belongs into plugins.{PLUGIN}"),
        ({"memory_mb": 512, **ours()}, f"memory_mb belongs into plugins.{PLUGIN}.limits"),
        (ours(score_threshold=0.5), "score_threshold belongs to the top level"),
        (ours(xyzzy=1), "known are assignment_name, leaderboard, limits, visibility"),
        (ours(key="0123456789abcdef"), f"set {KEY_VARIABLE}"),
        ({"key": "0123456789abcdef", **ours()}, "travels in the zip"),
    ],
)
def test_an_unknown_key_is_refused_with_a_suggestion(complaint, config, said):
    assert said in complaint(config)


@pytest.mark.parametrize(
    ("table", "inside"),
    [
        (OTTER_KEYS, lambda wrong: {**wrong, **ours()}),
        (OUR_KEYS, lambda wrong: ours(**wrong)),
        (LIMIT_KEYS, lambda wrong: ours(limits=wrong)),
    ],
)
def test_any_key_with_one_letter_left_out_is_suggested_as_it_is_spelt(complaint, table, inside):
    for name in table:
        wrong = name[:2] + name[3:]
        assert f"did you mean {name}?" in complaint(inside({wrong: 1}))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"points_possible": "ten", **ours()}, 'points_possible is "ten"; write a number above 0, or null'),
        ({"points_possible": True, **ours()}, "points_possible is true; write a number"),
        ({"score_threshold": 60, **ours()}, "score_threshold is 60; write a number from 0 to 1"),
        ({"show_stdout": "yes", **ours()}, "write true or false"),
        (ours(visibility="hidden"), 'write one of "visible", "after_due_date", "after_published"'),
        (ours(leaderboard=1), "leaderboard is 1; write true or false"),
        (ours(assignment_name=""), "write a text"),
        (ours(limits=[]), "limits is []; write an object in braces"),
        (ours(limits={"cell_seconds": 0}), "write a number of seconds, 1 to 2400"),
        (ours(limits={"memory_mb": 1.5}), "write a whole number of megabytes, 256 to 65536"),
        (ours(limits={"cell_seconds": 300}), "cell_seconds is 300, more than notebook_seconds (240)"),
        (ours(limits={"notebook_seconds": 500}), "notebook_seconds is 500, more than total_seconds (420)"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_write(complaint, config, said):
    assert said in complaint(config)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, f'plugins must hold {{"{PLUGIN}": {{...}}}}'),
        ({"plugins": ["inithw.otter_plugin.IntihwPlugin"]}, '(found "inithw.otter_plugin.IntihwPlugin")'),
        ({"plugins": [PLUGIN, {PLUGIN: {}}]}, "is there twice"),
        ({"plugins": [{PLUGIN: None}]}, f"plugins.{PLUGIN} write an object"),
        ({"plugins": [7]}, "plugins[0] must be a name"),
        ({"plugins": [{"a.B": {}, PLUGIN: {}}]}, "plugins[0] must be a name"),
        ({"plugins": PLUGIN}, "write a list in brackets"),
    ],
)
def test_a_file_that_would_leave_students_code_unguarded_in_otter_is_refused(complaint, config, said):
    assert said in complaint(config)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "must be an object"),
        ('{"pdf": true, "pdf": false}', "pdf is there twice"),
        ('{"seed": NaN}', "NaN is not JSON"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_file_that_is_not_one_json_object_is_refused(complaint, text, said):
    assert said in complaint(text)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path} cannot be read")):
        load_settings(tmp_path, NO_ENVIRONMENT)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from([*OTTER_KEYS, *OUR_KEYS, *LIMIT_KEYS]) | st.text(max_size=10)


@given(st.dictionaries(names, json_values, max_size=4), st.dictionaries(names, json_values, max_size=4) | json_values)
@settings(max_examples=300, deadline=None)
def test_any_json_gives_settings_or_a_configuration_error(tmp_path_factory, top, plugin):
    path = tmp_path_factory.mktemp("config") / "otter_config.json"
    path.write_text(json.dumps({**top, "plugins": [{PLUGIN: plugin}]}))
    try:
        loaded = load_settings(path, NO_ENVIRONMENT)
    except ConfigError:
        return
    assert set(top) - {"plugins"} <= set(OTTER_KEYS)
    assert loaded.assignment_name is None or isinstance(loaded.assignment_name, str)
    assert loaded.limits.cell_seconds <= loaded.limits.notebook_seconds <= loaded.limits.total_seconds


# ---------------------------------------------------------------- the grading key


def test_the_environments_key_wins_over_the_files(write, tmp_path):
    path = write(ours())
    assert load_settings(path, NO_ENVIRONMENT).key == PUBLIC_KEY
    file = tmp_path / KEY_FILE
    file.write_text("a key in a file of sixteen and more\n")
    file.chmod(0o600)
    assert load_settings(path, NO_ENVIRONMENT).key == b"a key in a file of sixteen and more"
    assert load_settings(path, {KEY_VARIABLE: "a key in the environment"}).key == b"a key in the environment"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_file_that_others_can_read_is_refused(write, tmp_path, mode):
    path = write(ours())
    (tmp_path / KEY_FILE).write_text("a key in a file of sixteen and more\n")
    (tmp_path / KEY_FILE).chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_settings(path, NO_ENVIRONMENT)


def test_a_short_key_is_refused_without_showing_it(write):
    with pytest.raises(ConfigError, match=f"{KEY_VARIABLE} holds a key of 6 characters") as caught:
        load_settings(write(ours()), {KEY_VARIABLE: "hunter"})
    assert "hunter" not in str(caught.value)


def test_the_key_is_not_shown_when_settings_are_printed(write):
    loaded = load_settings(write(ours()), {KEY_VARIABLE: "a key in the environment"})
    assert "environment" not in repr(loaded)
