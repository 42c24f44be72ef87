"""The judge's side of a worker: who it becomes, what it leaves, and when nothing is run at all."""

import math
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from inithw.engine import execution, slots
from inithw.engine import sandbox as sandboxes
from inithw.engine.batch import grade_all
from inithw.engine.folders import ENTRY_BYTES, exceeds, remove_tree
from inithw.engine.records import Limits
from inithw.engine.sandbox import Sandbox, SandboxError, Worker
from inithw.engine.slots import NoSlotError, _in_use, claim_slots, default_jobs, own_processor, processors
from inithw.homework.definition import HOMEWORK

from tests.parts import TOTAL, grader
from tests.rights import ROOT, needs_other_users, unless_closed

pytestmark = pytest.mark.slow


def deep(folder: Path, levels: int, name: str) -> None:
    """Make folders within folders: deeper than any path can name, without leaving this process's own folder."""
    code = f"import os\nos.chdir({str(folder)!r})\nfor _ in range({levels}): os.mkdir({name!r}); os.chdir({name!r})\n"
    subprocess.run([sys.executable, "-c", code + "open('deepest', 'wb').write(bytes(9 << 20))"], check=True)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def test_files_are_counted_wherever_they_lie(folder):
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_bytes(bytes(100_000))
    assert not exceeds(folder, 120_000)  # folders have a size of their own
    assert exceeds(folder, 99_999)


def test_many_empty_files_count_too(folder):
    for number in range(100):
        (folder / str(number)).touch()
    assert exceeds(folder, 100 * ENTRY_BYTES - 1)
    assert not exceeds(folder, 100 * ENTRY_BYTES)


def test_what_links_point_to_does_not_count(folder, tmp_path):
    (tmp_path / "large").write_bytes(bytes(1 << 20))
    (folder / "link").symlink_to(tmp_path / "large")
    (folder / "out").symlink_to(tmp_path)
    assert not exceeds(folder, 10_000)


def test_files_below_paths_too_long_to_name_are_too_much(folder):
    deep(folder, 100, "d" * 100)
    assert exceeds(folder, 10 << 20)
    remove_tree(folder)
    assert not folder.exists()


def test_a_folder_of_three_thousand_levels_is_removed(folder):
    deep(folder, 3000, "d")
    remove_tree(folder)
    assert not folder.exists()


@unless_closed
def test_closed_folders_are_too_much_for_an_ordinary_user_and_are_removed():
    code = """
    import os, sys
    from pathlib import Path
    from inithw.engine.folders import exceeds, remove_tree
    folder = Path(sys.argv[1], "scratch")
    folder.mkdir()
    assert not exceeds(folder, 10000)
    (folder / "shut" / "inner").mkdir(parents=True)
    (folder / "shut" / "inner" / "file").touch()
    (folder / "shut" / "inner").chmod(0)
    (folder / "shut").chmod(0o300)
    assert exceeds(folder, 10000)
    remove_tree(folder)
    assert not folder.exists()
    """
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        os.chmod(place, 0o777)
        user = ["setpriv", "--reuid=12321", "--regid=12321", "--clear-groups"] if ROOT else []
        subprocess.run([*user, sys.executable, "-c", textwrap.dedent(code), place], check=True, cwd="/")


def test_no_link_is_followed_when_a_folder_is_removed(folder, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("text")
    (folder / "sub").mkdir()
    (folder / "sub" / "link").symlink_to(tmp_path / "kept")
    (folder / "link").symlink_to(tmp_path / "kept")
    (folder / "\udcff\n").touch()
    remove_tree(folder)
    assert not folder.exists()
    assert (tmp_path / "kept" / "file").read_text() == "text"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers have nothing of their own")
def test_no_two_graders_on_a_machine_share_a_slot():
    first = claim_slots(3)
    second = claim_slots(3)
    claimed = [slot.claim.getsockname() for slot in (*first, *second)]
    assert len(set(claimed)) == 6
    if ROOT:
        assert len({slot.uid for slot in (*first, *second)}) == 6
    for slot in (*first, *second):
        slot.claim.close()
    again = claim_slots(1)
    assert again[0].claim.getsockname() in claimed  # what is closed is free again
    again[0].claim.close()


@needs_other_users
def test_a_user_with_processes_of_its_own_is_nobody_for_us():
    slots = claim_slots(1)
    slots[0].claim.close()
    user = str(slots[0].uid)
    with subprocess.Popen(["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "sleep", "60"]) as other:
        try:
            while not _in_use(slots[0].uid):
                assert other.poll() is None
            others = claim_slots(1)
            assert others[0].uid != slots[0].uid
            others[0].claim.close()
        finally:
            other.kill()


def test_systems_without_walls_are_refused_with_what_the_option_means(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SandboxError, match="--allow-unsandboxed students' code runs with all your rights"):
        Sandbox(HOMEWORK.worker)
    Sandbox(HOMEWORK.worker, unsandboxed=True)


def test_systems_that_cannot_fork_are_refused_even_so(monkeypatch):
    monkeypatch.delattr(os, "fork")
    with pytest.raises(SandboxError, match="cannot fork"):
        Sandbox(HOMEWORK.worker, unsandboxed=True)


# No Landlock, and not root: neither of the two walls of which one must be up.
WITHOUT_WALLS = """
import os, pyseccomp, sys
from pathlib import Path
table = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
table.add_rule(pyseccomp.ERRNO(38), "landlock_create_ruleset")
table.load()
from inithw.engine.grading import Grader
from inithw.engine.records import Limits
from inithw.engine.sandbox import Sandbox
from inithw.homework.definition import HOMEWORK
path = Path(sys.argv[1], "homework.py")
path.write_text("import torch.nn as nn\\ndef better_init(module):\\n    return None\\n")
with Sandbox(HOMEWORK.worker, unsandboxed=len(sys.argv) > 2) as sandbox:
    record = Grader(HOMEWORK, sandbox, b"key", Limits()).grade(path).grade
print(record.status, record.message)
"""


@needs_other_users  # the two settings are emulated by giving up rights
@pytest.mark.parametrize("agreed", [False, True])
def test_without_required_walls_nothing_is_run_unless_agreed_to(agreed):
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        os.chmod(place, 0o777)
        command = ["setpriv", "--reuid=12321", "--regid=12321", "--clear-groups", sys.executable, "-c", WITHOUT_WALLS]
        done = subprocess.run(
            [*command, place, *(["agreed"] if agreed else [])], capture_output=True, text=True, check=True, cwd="/"
        )
    if agreed:
        assert done.stdout.startswith("graded")
    else:
        assert done.stdout.startswith("infrastructure_error")
        assert "landlock is down: this kernel has no Landlock" in done.stdout
        assert "inithw doctor" in done.stdout


@unless_closed
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere memory stays open")
def test_the_judges_memory_and_environment_are_closed_to_its_own_user():
    code = """
    import os, subprocess, sys
    from inithw.engine.sandbox import Sandbox
    from inithw.homework.definition import HOMEWORK
    look = f"open('/proc/{os.getpid()}/environ').read()"
    run = lambda: subprocess.run([sys.executable, "-c", look], capture_output=True).returncode
    before = run()
    with Sandbox(HOMEWORK.worker):
        print(before, run())
    """
    user = ["setpriv", "--reuid=12321", "--regid=12321", "--clear-groups"] if ROOT else []
    done = subprocess.run(
        [*user, sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout.split() == ["0", "1"]


def test_nothing_is_left_of_a_process_that_was_started_while_the_sandbox_was_closing():
    sandbox = Sandbox(HOMEWORK.worker).__enter__()
    with sandbox._lock:
        closing = threading.Thread(target=sandbox.__exit__, args=(None, None, None))
        closing.start()
        sandbox._process.wait(timeout=600)
        sandbox._start()  # as `spawn` does when it finds the process dead
    closing.join(timeout=600)
    assert not closing.is_alive()
    assert sandbox._process.poll() is not None


# ---------------------------------------------------------------- neighbours, and workers that are taken away

HONEST = Path(__file__).parents[1] / "solutions" / "homework.ipynb"
LONG = Limits(notebook_seconds=120, cell_seconds=60, question_seconds=60, total_seconds=1200)


class Predator(Sandbox):
    """Takes the first workers away, some time after they have begun."""

    def __init__(self, count, take, delay):
        super().__init__(HOMEWORK.worker)
        self.count, self.take, self.delay = count, take, delay

    def spawn(self, plan, child_end):
        pid = super().spawn(plan, child_end)
        if self.count:
            self.count -= 1
            victim = {"worker": pid, "its ancestor": self._process.pid}[self.take]
            threading.Timer(self.delay, os.kill, (victim, signal.SIGKILL)).start()
        return pid


@pytest.mark.parametrize("delay", [0, 0.02, 0.2], ids=["at once", "soon", "in the middle"])
@pytest.mark.parametrize("take", ["worker", "its ancestor"])
def test_a_submission_whose_worker_is_killed_from_outside_runs_again_and_loses_nothing(take, delay):
    with Predator(1, take, delay) as sandbox:
        assert grader(sandbox, limits=LONG).grade(HONEST).grade.score == TOTAL


@pytest.mark.parametrize("take", ["worker", "its ancestor"])
def test_a_submission_whose_workers_are_all_killed_from_outside_is_not_graded(take):
    with Predator(100, take, 0.02) as sandbox:
        record = grader(sandbox, limits=LONG).grade(HONEST).grade
    assert record.status == "infrastructure_error"
    assert "3 workers in a row were lost" in record.message


class Watched(Worker):
    """A worker whose disk the kernel does not bound."""

    def _walls(self):
        return super()._walls() | {"disk": "down: as in a container"}


def test_when_the_disk_gets_full_nobody_is_to_blame_and_the_disk_is_named(sandbox, monkeypatch, tmp_path):
    looked = set()

    def free_bytes(folder):
        before, _ = folder in looked, looked.add(folder)
        return 10 << 20 if before else 50 << 30

    monkeypatch.setattr(execution, "Worker", Watched)
    monkeypatch.setattr(sandboxes, "_free_bytes", free_bytes)
    (tmp_path / "homework.py").write_text("import time\ntime.sleep(10 ** 6)")
    record = grader(sandbox, limits=LONG).grade(tmp_path / "homework.py").grade
    assert record.status == "infrastructure_error"
    assert "is full: 10 MB are free" in record.message
    assert len(looked) == 3


def test_a_worker_that_ends_between_two_looks_is_looked_at_in_vain(sandbox, monkeypatch):
    monkeypatch.setattr(Worker, "_watch", lambda _self: None)
    with Worker(sandbox, LONG) as worker:
        (worker.scratch / "file").touch()
        sandbox.end(worker.pid, worker._slot.uid, wait=False)
        monkeypatch.setattr(Path, "is_dir", lambda _self: True)  # as it was a moment ago
        assert worker.starved_seconds() == 0
        assert not worker._holds_too_much()


def test_a_worker_that_is_waited_for_holds_up_no_other(sandbox, monkeypatch):
    monkeypatch.setattr(sandboxes, "_EXIT_SECONDS", math.inf)
    with Worker(sandbox, LONG) as sleeper:
        waiting = threading.Thread(target=sandbox.end, args=(sleeper.pid, sleeper._slot.uid, True))
        waiting.start()
        with Worker(sandbox, LONG) as other:
            assert other.walls is not None
            assert waiting.is_alive()
        os.kill(sleeper.pid, signal.SIGKILL)
        waiting.join()


@needs_other_users
def test_what_is_written_to_another_disk_is_looked_at_before_the_next_look_is_due(sandbox, monkeypatch):
    class Open(Watched):
        def _open_places(self):
            return (str(there),)

    monkeypatch.setattr(sandboxes, "_LOOK_SECONDS", 10**6)
    there, free = Path("/dev/shm"), sandboxes._free_bytes
    elsewhere = there / f"written-{os.getpid()}"
    # Of the first disk, other programs use some.
    monkeypatch.setattr(sandboxes, "_free_bytes", lambda folder: free(folder) if folder == there else 1 << 40)
    with Open(sandbox, replace(LONG, scratch_bytes=1 << 20)) as worker:
        try:
            with elsewhere.open("wb") as file:
                os.chown(elsewhere, worker._slot.uid, -1)
                for _ in range(200):  # bit by bit: the first look must not see it all
                    if not worker.stopped_because:
                        file.write(bytes(1 << 17))
                        file.flush()
                        time.sleep(0.2)
        finally:
            elsewhere.unlink(missing_ok=True)  # it is swept away with the worker otherwise
    assert "it wrote more than 1 MB" in worker.stopped_because


@pytest.mark.parametrize("starved", [False, True])
def test_a_worker_that_other_programs_keep_from_running_is_not_to_blame(sandbox, monkeypatch, tmp_path, starved):
    """The kernel's record of waiting is replaced, for it cannot be brought about at will."""
    deaf = "while True:\n    try: time.sleep(9)\n    except BaseException: pass"
    (tmp_path / "homework.py").write_text(f"import time\n{deaf}")
    limits = Limits(notebook_seconds=2, cell_seconds=1, question_seconds=2, total_seconds=20)
    if starved:
        monkeypatch.setattr(Worker, "starved_seconds", lambda _self: time.monotonic())
        monkeypatch.setattr(sandboxes, "_MOST_STARVED", 1.2)
    record = grader(sandbox, limits=limits).grade(tmp_path / "homework.py").grade
    if starved:
        assert record.status == "infrastructure_error"
        assert "other programs left it no processor time" in record.message
    else:
        assert record.status == "graded"
        assert "no answer within" in record.cells[0].error


SUICIDES = {
    "kill": "os.kill(os.getpid(), signal.SIGKILL)",
    "raise": "signal.raise_signal(signal.SIGKILL)",
    "by thread": "signal.pthread_kill(threading.get_ident(), signal.SIGKILL)",
    "tgkill": "ctypes.CDLL(None).syscall(234, os.getpid(), threading.get_native_id(), 9)",
    "by a timer": "ctypes.CDLL(None).syscall(222, 0, 0, 0)",
    "by its group": "os.killpg(0, signal.SIGKILL)",
    "its processor time": "while True: pass",
    "its connection": "[o.close() for o in gc.get_objects() if type(o) is socket.socket]; time.sleep(10 ** 6)",
    "leaving": "os._exit(137)",
    "by a limit of its own": "resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass",
    "stopping": "signal.raise_signal(signal.SIGSTOP)",
    "all memory": "kept = []\nwhile True: kept.append(bytearray(64 << 20))",
}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there are no walls")
@pytest.mark.parametrize("how", SUICIDES)
def test_no_submission_can_look_as_if_it_had_been_taken_away(how, sandbox, tmp_path):
    path = tmp_path / "homework.py"
    path.write_text(f"import ctypes, gc, os, resource, signal, socket, threading, time\n{SUICIDES[how]}")
    limits = Limits(notebook_seconds=4, cell_seconds=2, question_seconds=2, total_seconds=30, memory_bytes=1 << 30)
    assert grader(sandbox, limits=limits).grade(path).grade.status == "graded"


SPINNING = """
import threading
def spin():
    while True: pass
for _ in range(60):
    try: threading.Thread(target=spin, daemon=True).start()
    except RuntimeError: break
spin()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads cannot be kept on one processor")
@pytest.mark.parametrize("jobs", [1, 3], ids=["in turn", "sharing, as asked for"])
def test_an_honest_notebook_beside_spinning_threads_on_one_processor_loses_nothing(jobs, tmp_path):
    paths = [tmp_path / "one.py", tmp_path / "two.py", HONEST]
    for path in paths[:2]:
        path.write_text(SPINNING)
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(usable)})
    try:
        with Sandbox(HOMEWORK.worker, jobs) as sandbox:
            limits = Limits(notebook_seconds=6, cell_seconds=3, question_seconds=6, total_seconds=900)
            *spun, honest = grade_all(grader(sandbox, limits=limits), paths, jobs=jobs)
    finally:
        os.sched_setaffinity(0, usable)
    assert honest.score == TOTAL
    assert [record.score for record in spun] == [0, 0]
    assert "took longer than 3 s" in spun[0].cells[0].error


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processors cannot be claimed")
def test_no_two_workers_on_this_machine_have_the_same_processor_unless_there_are_more_jobs_than_processors():
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(usable)})
    try:
        assert processors() == (min(usable),)
        with own_processor(lambda: False) as number:
            assert number == min(usable)
            assert default_jobs() == 1
            with pytest.raises(NoSlotError, match="stopped"), own_processor(lambda: True):
                pass
        with own_processor(lambda: True) as number:  # free again
            assert number == min(usable)
    finally:
        os.sched_setaffinity(0, usable)


@pytest.mark.parametrize(("quota", "count"), [(None, 4), (0.5, 1), (1.0, 1), (2.5, 2), (64.0, 4)])
def test_a_containers_quota_counts(monkeypatch, quota, count):
    monkeypatch.setattr(slots, "container_processors", lambda: quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {2, 3, 5, 7})
    assert len(processors()) == len(set(processors())) == count
    assert set(processors()) <= {2, 3, 5, 7}


# ---------------------------------------------------------------- what workers may read

PRYING = """
import glob, torch, numpy, scipy.special, matplotlib.pyplot
found = []
for path in {paths!r}:
    try: found.append(open(path).read())
    except OSError: pass
raise RuntimeError(found)
"""


@needs_other_users  # an ordinary user is emulated by giving up rights
@pytest.mark.parametrize("place", [".", ".venv", "tools/env"], ids=["the project itself", "in it", "deeper"])
def test_an_environment_inside_the_project_opens_neither_key_nor_submissions_to_an_ordinary_users_workers(place):
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        project = Path(name)
        environment = project / place
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
        (packages,) = environment.glob("lib/python*/site-packages")
        ours = [path for path in sys.path if Path(path, "torch").is_dir() or Path(path, "inithw").is_dir()]
        (packages / "ours.pth").write_text("\n".join([*ours, str(Path(sandboxes.__file__).parents[2])]))
        secrets = {path: f"secret {number}" for number, path in enumerate(("inithw.key", "other.ipynb", "lib/notes"))}
        for path, text in secrets.items():
            (project / path).parent.mkdir(exist_ok=True)
            (project / path).write_text(text)
        paths = [str(project / path) for path in secrets]
        (project / "homework.py").write_text(PRYING.format(paths=paths))
        os.chmod(project, 0o755)
        code = """
        import sys
        from pathlib import Path
        from inithw.engine.sandbox import Sandbox
        from tests.parts import grader
        with Sandbox("inithw.homework.worker.answers") as sandbox:
            sandbox.readable += tuple(sys.argv[2:])
            print(grader(sandbox).grade(Path(sys.argv[1])).grade.cells[0].error)
        """
        user = ["setpriv", "--reuid=12321", "--regid=12321", "--clear-groups"]
        done = subprocess.run(
            [*user, str(environment / "bin/python"), "-c", textwrap.dedent(code), str(project / "homework.py"), *ours],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[1],
        )
    assert done.stdout.startswith("RuntimeError: []")


def test_threads_that_wait_for_each_other_put_no_end_off(monkeypatch):
    """Ten threads on one processor: each waits nine tenths of the time, in which the others run."""
    worker, since = Worker.__new__(Worker), time.monotonic() - 10
    worker._allowance = sandboxes._Allowance(seconds=3, patience=15, used=0.0, since=since, starved=0.0)
    monkeypatch.setattr(Worker, "starved_seconds", lambda _self: 9.0)
    monkeypatch.setattr(Worker, "used_seconds", lambda _self: time.monotonic() - since)
    assert worker.waited_seconds() <= 0.0
    monkeypatch.setattr(Worker, "used_seconds", lambda _self: 1.0)
    assert worker.waited_seconds() == 9.0
