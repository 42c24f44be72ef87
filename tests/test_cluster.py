"""A class on several machines: a real scheduler and two workers on this one, of which one is killed."""

import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from inithw.engine import cluster as on_a_cluster
from inithw.engine.cluster import ClusterError, Terms, cluster
from inithw.engine.settings import Settings

from tests import small_class
from tests.exports import FORMS, notebook
from tests.faults import records_of, scores_of
from tests.rights import unless_closed

pytestmark = [pytest.mark.slow, unless_closed]

ROOT = Path(__file__).parent.parent
KEY = "a key that no log may show"
SLEEPS = "\n# %%\nimport time\ntime.sleep(5)\n"
"""Costs no processor time, and keeps both workers busy until one of them is killed."""


@contextmanager
def started(*command, log, **variables):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *map(str, command)], cwd=log.parent, env=environment, stdout=file, stderr=file
        )
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()


@contextmanager
def scheduler(log):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
    with started(*command, log=log):
        yield f"tcp://127.0.0.1:{port}"


def worker(address, log):
    command = ("distributed.cli.dask_worker", address, "--nthreads", 1, "--no-nanny", "--no-dashboard")
    return started(*command, "--local-directory", log.parent / "dask", log=log, INITHW_KEY=KEY)


def grade(folder, *arguments, key=KEY, **options):
    command = [sys.executable, "-m", "tests.small_class", "grade", folder / "class", "--save-evidence", *arguments]
    environment = {**os.environ, "INITHW_KEY": key}
    return subprocess.Popen(
        list(map(str, command)), cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, **options
    )


def busy(client, workers):
    until = time.monotonic() + 600
    while sum(map(bool, client.processing().values())) < workers:
        assert time.monotonic() < until, "the workers never began"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A class graded by two workers of which one is killed while both are at work: (folder, scores, what was told)."""
    from distributed import Client

    folder = tmp_path_factory.mktemp("cluster")
    people, scores = small_class.people(6)
    for place in (0, 1):
        source = small_class.source(small_class.QUICK[place], str(place)) + SLEEPS
        people[place] = replace(people[place], files={"homework.ipynb": notebook(source)})
    FORMS["folders"](folder / "class", people)
    log = folder / "log"
    told = {}
    with scheduler(log) as address, worker(address, log) as first, worker(address, log), Client(address) as client:
        client.wait_for_workers(2, timeout=600)
        run = grade(folder, "--out", folder / "far", "--scheduler", address, key="another key, long enough")
        told["another key"] = run.communicate(timeout=120)[1], run.returncode
        run = grade(folder, "--out", folder / "far", "--scheduler", address, stdout=subprocess.DEVNULL)
        busy(client, 2)
        first.send_signal(signal.SIGKILL)
        told["killed"] = run.communicate(timeout=240)[1], run.returncode
    return folder, scores, told


def test_a_class_on_two_machines_gets_its_grades_though_one_is_killed(killed):
    folder, scores, told = killed
    errors, code = told["killed"]
    assert code == 0, errors
    assert "6 records; 6 graded now, 0 as they were" in errors
    assert scores_of(folder / "far") == scores


def test_what_machines_graded_counts_on_this_one(killed):
    folder, _, _ = killed
    before = records_of(folder / "far")
    run = grade(folder, "--out", folder / "far", "--jobs", "1", stdout=subprocess.DEVNULL)
    errors = run.communicate(timeout=240)[1]
    assert run.returncode == 0, errors
    assert "0 graded now, 6 as they were" in errors
    assert records_of(folder / "far") == before


def test_machines_with_another_key_are_refused_before_anything_is_graded(killed):
    _, _, told = killed
    errors, code = told["another key"]
    errors = " ".join(errors.split())
    assert code == 1
    assert "2 of 2 workers of the cluster cannot grade this class; nothing was graded" in errors
    assert "Give INITHW_KEY the same key where `dask worker` is started" in errors


def test_no_log_of_the_cluster_shows_the_key_nor_is_it_sent(killed):
    folder, _, _ = killed
    assert KEY not in (folder / "log").read_text()
    settings = Settings(key=KEY.encode())
    sent = Terms.of(small_class.HOMEWORK, settings, {"key": "a fingerprint"}, keep_evidence=False)
    assert KEY.encode() not in pickle.dumps(sent)
    assert KEY not in repr(sent)


def test_where_no_scheduler_answers_the_message_says_how_to_start_one(monkeypatch):
    monkeypatch.setattr(on_a_cluster, "_CONNECT_SECONDS", 1)
    monkeypatch.setattr(on_a_cluster, "forbid_inspection", lambda: None)
    terms = Terms.of(small_class.HOMEWORK, Settings(), {}, keep_evidence=False)
    with (
        pytest.raises(ClusterError, match=r"no Dask scheduler answers there .*`dask scheduler` starts one"),
        cluster("tcp://127.0.0.1:9", terms),
    ):
        pass
