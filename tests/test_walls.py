"""The walls: what a child behind them can no longer do, and what it still can."""

from __future__ import annotations

import errno
import io
import json
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from inithw import doctor
from inithw.engine.wire.plan import REQUIRED
from inithw.engine.worker import walls
from inithw.engine.worker.walls import WALLS, build_filter, readable_by
from rich.console import Console

from tests.rights import ROOT, needs_other_users, unless_closed

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="walls are Linux's")]

UID = 64321
READABLE = ("/usr", "/lib", "/lib64", sys.prefix, sys.base_prefix, "/proc/self", "/proc/cpuinfo", "/dev/urandom")

# A fresh interpreter, like the worker: raise the walls, run the code, tell how it ended.
CHILD = """
import ctypes, errno, json, os, sys
from pathlib import Path
from inithw.engine.wire.plan import WallPlan
from inithw.engine.worker.walls import raise_walls
plan, chosen = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
result = {"walls": {}}
def call(name, *arguments):
    if libc[name](*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)
def tell():
    print(json.dumps(result), flush=True)
try:
    exec(sys.argv[3])
    result["walls"] = raise_walls(WallPlan.from_json(plan), None if chosen is None else tuple(chosen))
    exec(sys.argv[2])
    result["end"] = "through"
except BaseException as error:
    result |= {"end": type(error).__name__, "errno": getattr(error, "errno", None), "message": str(error)}
tell()
"""


@dataclass(frozen=True)
class Outcome:
    """How the child ended: exit status, report of the walls, and `through` or the name of an exception."""

    status: int
    walls: dict[str, str]
    end: str
    errno: int | None
    message: str
    said: dict[str, object]


Behind = Callable[..., Outcome]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="walls-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def behind(place: Path) -> Behind:
    """Run code in a fresh interpreter behind the walls named, all by default."""

    def run(
        code: str,
        walls: tuple[str, ...] | None = None,
        before: str = "",
        wrapper: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        **changes: object,
    ) -> Outcome:
        plan = dict(
            uid=UID if ROOT else None,
            scratch=tempfile.mkdtemp(dir=place),
            readable=READABLE,
            memory_bytes=1 << 30,
            total_seconds=60,
            scratch_bytes=8 << 20,
            scratch_entries=100,
            file_bytes=1 << 20,
            open_files=64,
            processes=8,
            keep=(1, 2),
            required=(),
        )
        command = [*wrapper, sys.executable, "-c", CHILD, json.dumps([plan | changes, walls])]
        done = subprocess.run(
            [*command, textwrap.dedent(code), textwrap.dedent(before)],
            capture_output=True,
            text=True,
            timeout=120,
            cwd="/",
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **(env or {})},
        )
        said = json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
        return Outcome(
            status=done.returncode,
            walls=said.get("walls", {}),
            end=said.get("end", done.stderr),
            errno=said.get("errno"),
            message=said.get("message", ""),
            said=said,
        )

    return run


# ---------------------------------------------------------------- each wall alone

REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS}
ALONE: dict[str, tuple[tuple[str, ...], str]] = {
    "another user's file cannot be read": (("uid",), "open({closed!r}).read()"),
    "another user's file cannot be changed": (("uid",), "open({closed!r}, 'a')"),
    "another user's folder cannot be listed": (("uid",), "os.listdir({private!r})"),
    "the parent cannot be signalled by another user": (("uid",), "os.kill(os.getppid(), 0)"),
    "root cannot be had back": (("uid",), "os.setresuid(0, 0, 0)"),
    "no group is left": (("uid",), "if os.getgid(): raise PermissionError(1, str(os.getgroups()))"),
    "the root folder cannot be changed": (("capabilities",), "os.chroot('/')"),
    "no other user can be become": (("capabilities",), "os.setresuid(1, 1, 1)"),
    "a neighbour's memory is closed": (
        ("uid", "capabilities", "unseen"),
        """
        pid = os.fork()
        if not pid:
            import time; time.sleep(20); os._exit(0)
        try:
            open(f'/proc/{{pid}}/environ').read()
        finally:
            os.kill(pid, 9)
        """,
    ),
    "Landlock closes files that all may read": (("no_new_privs", "landlock"), "open({open!r}).read()"),
    "Landlock closes files that all may write": (("no_new_privs", "landlock"), "open({open!r}, 'a')"),
    "Landlock lets no file be made outside": (("no_new_privs", "landlock"), "open({shared!r} + '/new', 'w')"),
    "Landlock lets nothing be removed outside": (("no_new_privs", "landlock"), "os.remove({open!r})"),
    "Landlock lets nothing be truncated outside": (("no_new_privs", "landlock"), "os.truncate({open!r}, 0)"),
    "Landlock lets nothing be moved out": (
        ("no_new_privs", "landlock"),
        "open('x', 'w').close(); os.rename('x', {shared!r} + '/x')",
    ),
    "Landlock sees through links": (
        ("no_new_privs", "landlock"),
        "open('/proc/self/root' + {open!r}).read()",
    ),
    "Landlock lets no program run": (("no_new_privs", "landlock"), "import subprocess; subprocess.run(['/bin/true'])"),
    "Landlock hides the judge's own package": (
        ("no_new_privs", "landlock"),
        "import inithw; open(inithw.__file__).read()",
    ),
    "seccomp lets no program run": (("seccomp",), "os.execv('/bin/true', ['true'])"),
    "seccomp lets no process be made": (("seccomp",), "os.fork() or os._exit(0)"),
    "seccomp lets no socket be made": (("seccomp",), "import socket; socket.socket()"),
    "seccomp lets no pair of sockets be made": (("seccomp",), "import socket; socket.socketpair()"),
    "seccomp lets no process be signalled": (("seccomp",), "os.kill(os.getppid(), 0)"),
    "seccomp lets no other process be signalled by thread": (
        ("seccomp",),
        "call('syscall', {tgkill}, os.getppid(), os.getppid(), 0)",
    ),
    "seccomp lets no link be made": (("seccomp",), "os.symlink('/etc/passwd', 'link')"),
    "seccomp lets no hard link be made": (("seccomp",), "open('x', 'w').close(); os.link('x', 'y')"),
    "seccomp lets no pipe be made by name": (("seccomp",), "os.mkfifo('fifo')"),
    "seccomp lets no owner be changed": (("seccomp",), "os.chown('.', os.getuid(), os.getgid())"),
    "seccomp keeps the umask": (
        ("seccomp",),
        """
        libc.umask(0)  # has no error to report
        open('x', 'w').close()
        if not os.stat('x').st_mode & 0o007:
            raise PermissionError(1, 'closed')
        """,
    ),
    "seccomp keeps modes": (
        ("seccomp",),
        """
        open('x', 'w').close()
        os.chmod('x', 0o4777)
        if not os.stat('x').st_mode & 0o4007:
            raise PermissionError(1, 'unchanged')
        """,
    ),
    "seccomp keeps file times": (("seccomp",), "os.utime('.', (1, 1))"),
    "seccomp empties nothing that is opened to read": (
        ("seccomp",),
        "open('x', 'w').write('1'); os.open('x', os.O_RDONLY | os.O_TRUNC)",
    ),
    "seccomp keeps the session": (("seccomp",), "os.setpgid(0, 0)"),
    "seccomp keeps the signal at the parent's death": (("seccomp",), "call('prctl', 1, 0, 0, 0, 0)"),
    "seccomp keeps memory closed": (("seccomp",), "call('prctl', 4, 1, 0, 0, 0)"),
    "seccomp keeps the parent's limits": (
        ("seccomp",),
        "import resource; resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)",
    ),
    "seccomp lets no signal be sent through fcntl": (
        ("seccomp",),
        "import fcntl; r, w = os.pipe(); fcntl.fcntl(r, fcntl.F_SETOWN, os.getppid())",
    ),
}


@pytest.mark.parametrize("claim", ALONE)
def test_one_wall_alone_is_enough_for(claim: str, behind: Behind, place: Path) -> None:
    chosen, code = ALONE[claim]
    shared = place / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (place / "private").mkdir(mode=0o700)
    (shared / "open").write_text("canary")
    (shared / "open").chmod(0o666)
    (place / "closed").write_text("canary")
    (place / "closed").chmod(0o600)
    code = code.format(
        closed=str(place / "closed"),
        private=str(place / "private"),
        shared=str(shared),
        open=str(shared / "open"),
        tgkill={"x86_64": 234, "aarch64": 131}.get(platform.machine()),
    )
    free = behind(code, walls=(), before="os.umask(0)")
    (shared / "open").write_text("canary")
    if free.end != "through":
        pytest.skip(f"this user cannot do it without walls either: {free.message}")
    shut = behind(code, walls=chosen)
    if shut.walls[chosen[-1]] != "up":
        pytest.skip(shut.walls[chosen[-1]])
    assert shut.errno in REFUSED, shut
    assert (shared / "open").read_text() == "canary"
    assert {entry.name for entry in shared.iterdir()} <= {"open", "x", "new"}


# Arguments with which a call that is let through does no harm.
HARMLESS: dict[str, tuple[int, ...]] = {
    "add_key": (0, 0, 0, 0, 0),
    "bpf": (-1, 0, 0),
    "clone3": (0, 0),
    "execveat": (-1, 0, 0, 0, 0),
    "fanotify_init": (-1, 0),
    "inotify_init1": (0,),
    "io_uring_setup": (0, 0),
    "kcmp": (0, 0, -1, 0, 0),
    "keyctl": (-1, 0, 0, 0, 0),
    "landlock_create_ruleset": (0, 0, 1),
    "memfd_create": (0, 0),
    "memfd_secret": (-1,),
    "mount": (0, 0, 0, 0, 0),
    "mq_open": (0, 0, 0, 0),
    "msgget": (0, 0o600),
    "name_to_handle_at": (-1, 0, 0, 0, 0),
    "open_by_handle_at": (-1, 0, 0),
    "openat2": (-1, 0, 0, 0),
    "perf_event_open": (0, 0, 0, 0, 0),
    "personality": (0xFFFFFFFF,),
    "pidfd_open": (-1, 0),
    "pidfd_getfd": (-1, 0, 0),
    "pidfd_send_signal": (-1, 0, 0, 0),
    "pivot_root": (0, 0),
    "process_madvise": (-1, 0, 0, 0, 0),
    "process_vm_readv": (-1, 0, 0, 0, 0, 0),
    "process_vm_writev": (-1, 0, 0, 0, 0, 0),
    "ptrace": (-1, 0, 0, 0),
    "rt_sigqueueinfo": (-1, 0, 0),
    "seccomp": (-1, 0, 0),
    "semget": (0, 0, 0o600),
    "setns": (-1, 0),
    "shmget": (0, 0, 0),
    "signalfd4": (-1, 0, 8, 0),
    "splice": (-1, 0, -1, 0, 0, 0),
    "timer_create": (-1, 0, 0),
    "unshare": (0,),
    "userfaultfd": (-1,),
    "vmsplice": (-1, 0, 0, 0),
}
CALL_ALL = """
import pyseccomp
result["errors"] = {}
for name, arguments in json.loads(NAMES).items():
    ctypes.set_errno(0)
    libc.syscall(pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name), *arguments)
    result["errors"][name] = ctypes.get_errno()
"""


def test_no_call_that_reaches_other_processes_or_the_kernels_depths_is_let_through(behind: Behind) -> None:
    code = f"NAMES = {json.dumps(HARMLESS)!r}\n" + CALL_ALL
    free = behind(code, walls=())
    shut = behind(code, walls=("seccomp",), before="import pyseccomp")
    assert free.end == shut.end == "through"
    assert isinstance(free.said["errors"], dict)
    assert isinstance(shut.said["errors"], dict)
    reached = {name for name, error in free.said["errors"].items() if error not in {errno.ENOSYS, errno.EPERM}}
    assert len(reached) > 25  # so that the filter, not the kernel, is what refuses below
    assert {name: error for name, error in shut.said["errors"].items() if error not in REFUSED} == {}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="calls by interrupt 0x80 are x86's")
def test_a_32_bit_call_ends_the_process(behind: Behind) -> None:
    code = """
    import mmap
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes.fromhex("b814000000cd80c3"))  # mov eax, 20 (getpid); int 0x80; ret
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
    """
    assert behind(code, walls=()).end == "through"
    assert behind(code, walls=("seccomp",)).status == -31  # SIGSYS


# ---------------------------------------------------------------- limits

LIMITS = {
    "memory": ("bytearray(2 << 30)", "MemoryError"),
    "file size": ("open('x', 'wb').write(bytes(2 << 20))", "OSError"),
    "descriptors": ("files = [open('/dev/null') for _ in range(100)]", "OSError"),
    "threads": (
        """
        import threading
        threading.stack_size(1 << 16)
        end = threading.Event()
        try:
            for _ in range(20):
                threading.Thread(target=end.wait, daemon=True).start()
        finally:
            end.set()
        """,
        "RuntimeError",
    ),
}


@unless_closed
@pytest.mark.parametrize("kind", LIMITS)
def test_a_limit_bounds(kind: str, behind: Behind) -> None:
    code, error = LIMITS[kind]
    if ROOT:
        assert behind(code, walls=("uid",)).end == "through"
    assert behind(code, walls=("uid", "capabilities", "limits")).end == error


def test_processor_time_ends_even_a_process_that_ignores_the_signal(behind: Behind) -> None:
    code = """
    import signal
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    while True:
        pass
    """
    assert behind(code, total_seconds=1).status == -9


@unless_closed
def test_threads_are_allowed_and_counted_against_the_user_alone(behind: Behind) -> None:
    code = "from concurrent.futures import ThreadPoolExecutor as Pool\nassert list(Pool(4).map(abs, [-1])) == [1]"
    assert behind(code).end == "through"


@needs_other_users
def test_a_child_that_had_to_stay_root_gets_no_threads_because_nothing_would_bound_them(behind: Behind) -> None:
    code = "import threading; threading.Thread(target=print).start()"
    assert behind(code, uid=None).end == "RuntimeError"


# ---------------------------------------------------------------- all together


@pytest.mark.parametrize("uid", [pytest.param(UID, marks=needs_other_users), None], ids=["own user", "same user"])
def test_every_wall_is_up_or_says_why_not(uid: int | None, behind: Behind) -> None:
    outcome = behind("result['identity'] = [os.getresuid(), os.getresgid(), os.getgroups()]", uid=uid)
    assert list(outcome.walls) == list(WALLS)
    down = {name: state for name, state in outcome.walls.items() if state != "up"}
    if uid is None:
        assert down.pop("uid").startswith("down: no user was named")
    else:
        assert outcome.said["identity"] == [[uid] * 3, [uid] * 3, []]
    if not landlock_version():
        assert down.pop("landlock").startswith("down: this kernel has no Landlock")
    assert down == {}


def landlock_version() -> int:
    """The kernel's, zero when it has none."""
    return max(0, int(walls._libc.syscall(444, None, 0, 1)))


def test_the_kernel_confirms_what_the_report_says(behind: Behind) -> None:
    outcome = behind("result['status'] = Path('/proc/self/status').read_text()")
    status = dict(line.split(":\t", 1) for line in str(outcome.said["status"]).splitlines() if ":\t" in line)
    assert [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == ["0" * 16] * 4
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    if ROOT:
        assert status["CapBnd"] == "0" * 16
        assert status["Groups"].strip() == ""


def test_what_a_notebook_needs_still_works(behind: Behind) -> None:
    code = """
    import importlib, tempfile, threading
    import torch.distributions, torch.func, torch.nn.utils.parametrize
    from IPython.core.interactiveshell import InteractiveShell
    matplotlib.pyplot.figure(); matplotlib.pyplot.plot([1, 2]); matplotlib.pyplot.savefig("figure.png")
    result["figure"] = Path("figure.png").read_bytes()[1:4].decode()
    matrix = np.random.default_rng(0).normal(size=(300, 200))
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    result["svd"] = float(abs((u * s) @ v - matrix).max())
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(1, 20), torch.nn.ReLU(), torch.nn.Linear(20, 1))
    optimizer, x = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9), torch.linspace(-1, 1, 64)[:, None]
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = ((model(x) - x) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    result["losses"] = [losses[0], losses[-1]]
    point = lambda p, z: torch.func.functional_call(model, p, (z,)).squeeze()
    slopes = torch.func.vmap(torch.func.grad(point), in_dims=(None, 0))(dict(model.named_parameters()), x)
    result["slopes"] = list(slopes["0.weight"].shape)
    ran = shell.run_cell("import scipy.stats\\n%timeit -n1 -r1 -q 1\\nanswer = 6 * 7\\nanswer")
    result["cell"] = [ran.success, ran.result]
    torch.save(model.state_dict(), "model.pt")
    model.load_state_dict(torch.load("model.pt"))
    Path("deep/er").mkdir(parents=True); Path("deep/er/file").touch(); os.rename("deep/er/file", "file")
    shutil.copy("file", "copy"); os.remove("copy"); shutil.rmtree("deep")
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    result["home"] = [os.path.expanduser("~"), os.getcwd(), tempfile.gettempdir()]
    """
    before = """
    import matplotlib, matplotlib.pyplot, numpy as np, shutil, torch
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config
    torch.set_num_threads(1)
    config = Config(); config.HistoryManager.enabled = False
    os.environ["IPYTHONDIR"] = plan["scratch"]
    sys.stdout = sys.stderr
    shell = InteractiveShell(config=config)
    sys.stdout = sys.__stdout__
    """
    outcome = behind(
        code, before=before, scratch_bytes=64 << 20, scratch_entries=1000, file_bytes=64 << 20, open_files=256
    )
    assert outcome.end == "through", outcome
    said = outcome.said
    assert said["figure"] == "PNG"
    assert isinstance(said["svd"], float)
    assert said["svd"] < 1e-10
    assert isinstance(said["losses"], list)
    assert said["losses"][1] < said["losses"][0]
    assert said["slopes"] == [64, 20, 1]
    assert said["cell"] == [True, 42]
    assert isinstance(said["home"], list)
    assert len(set(said["home"])) == 1


def test_the_environment_is_made_afresh(behind: Behind) -> None:
    outcome = behind("result['names'] = sorted(os.environ)", env={"INITHW_KEY": "secret"})
    assert isinstance(outcome.said["names"], list)
    assert "INITHW_KEY" not in outcome.said["names"]
    assert "HOME" in outcome.said["names"]


def test_no_descriptor_is_inherited_but_those_kept(behind: Behind) -> None:
    code = """
    result["open"] = [number for number in range(64) if os.path.exists(f"/proc/self/fd/{number}")]
    result["in"] = os.read(0, 9).hex()
    """
    before = "leaked = [os.open('/etc/passwd', os.O_RDONLY) for _ in range(5)]"
    outcome = behind(code, before=before)
    assert outcome.said["open"] == [0, 1, 2]
    assert outcome.said["in"] == ""
    assert behind("os.read(leaked[0], 1)", before=before).errno == errno.EBADF


def test_a_readable_tree_keeps_its_hidden_parts(behind: Behind, place: Path) -> None:
    tree = place / "tree"
    (tree / "deep" / "secret").mkdir(parents=True)
    (tree / "deep" / "secret" / "key").write_text("canary")
    (tree / "deep" / "public").write_text("text")
    (tree / "deep" / "alias").symlink_to("secret")
    code = f"""
    os.chdir({str(tree)!r})
    result["names"] = sorted(os.listdir("deep"))
    result["text"] = Path("deep/public").read_text()
    for path in ("deep/secret/key", "deep/alias/key"):
        try:
            result["leak"] = Path(path).read_text()
        except PermissionError:
            pass
    """
    hidden = {"readable": (*READABLE, str(tree)), "hidden": (str(tree / "deep" / "secret"),)}
    outcome = behind(code, **hidden)
    if outcome.walls["landlock"] != "up":
        pytest.skip(outcome.walls["landlock"])
    assert outcome.end == "through", outcome
    assert outcome.said["names"] == ["alias", "public", "secret"]
    assert outcome.said["text"] == "text"
    assert "leak" not in outcome.said
    assert behind(code, **{**hidden, "hidden": ()}).said["leak"] == "canary"


def test_the_child_ends_with_its_parent(behind: Behind, place: Path) -> None:
    before = """
    read, write = os.pipe()
    if os.fork():
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    plan["keep"].append(write)
    """
    code = "result['pid'] = os.getpid(); tell(); os.write(write, b'x'); import time; time.sleep(60)"
    outcome = behind(code, before=before)
    deadline = time.monotonic() + 600
    while Path(f"/proc/{outcome.said['pid']}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{outcome.said['pid']}").exists()


def test_walls_are_refused_to_a_process_with_threads_because_they_would_bind_one_of_them(behind: Behind) -> None:
    before = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    assert behind("pass", before=before).end == "RuntimeError"


# ---------------------------------------------------------------- when a wall is down


def test_a_required_wall_that_is_down_stops_everything(behind: Behind) -> None:
    before = "import inithw.engine.worker.walls as w; w.pyseccomp, w._NO_SECCOMP = None, 'not installed'"
    assert behind("pass", before=before).walls["seccomp"] == "down: not installed"
    outcome = behind("result['ran'] = True", before=before, required=REQUIRED)
    assert outcome.end == "WallsDownError"
    assert "not installed" in outcome.message
    assert "ran" not in outcome.said


# An older kernel or a stricter container, emulated by a filter that takes system calls away.
WITHOUT = """
import pyseccomp
table = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
for name in {names!r}:
    table.add_rule(pyseccomp.ERRNO(38), name)
table.load()
"""
NO_LANDLOCK = WITHOUT.format(names=["landlock_create_ruleset"])


def test_without_landlock_and_without_another_user_nothing_is_run(behind: Behind) -> None:
    outcome = behind("result['ran'] = True", before=NO_LANDLOCK, uid=None, required=REQUIRED)
    assert outcome.end == "WallsDownError"
    assert "Linux 5.13" in outcome.message
    assert "ran" not in outcome.said


@needs_other_users
def test_without_landlock_another_user_is_enough(behind: Behind, place: Path) -> None:
    (place / "closed").write_text("canary")
    (place / "closed").chmod(0o600)
    outcome = behind(f"open({str(place / 'closed')!r})", before=NO_LANDLOCK, required=REQUIRED)
    assert outcome.walls["landlock"].startswith("down: this kernel has no Landlock")
    assert outcome.errno == errno.EACCES


@needs_other_users
def test_python_in_a_closed_folder_is_recognized_and_the_walls_of_the_same_user_hold(
    behind: Behind, place: Path
) -> None:
    library = place / "closed" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    library.parent.mkdir(parents=True)
    library.symlink_to(Path(json.__file__).parents[1])
    (place / "closed").chmod(0o700)
    packages = [path for path in sys.path if Path(path, "torch").is_dir() or Path(path, "inithw").is_dir()]
    home = {"PYTHONHOME": str(place / "closed"), "PYTHONPATH": os.pathsep.join(packages)}
    code = f"""
    import wave
    Path("file").write_text("text")
    result["user"] = os.getresuid()
    Path({str(place / "outside")!r}).write_text("text")
    """
    readable = (*READABLE, str(place / "closed"))
    outcome = behind(code, env=home, readable=readable, required=REQUIRED)
    assert outcome.walls["uid"].startswith(f"down: user {UID} cannot read {place}/closed/lib/")
    assert "use a Python that every user can read" in outcome.walls["uid"]
    assert {state for name, state in outcome.walls.items() if name != "uid"} == {"up"}
    assert outcome.said["user"] == [0, 0, 0]
    assert outcome.errno in (errno.EACCES, errno.EROFS)  # and not before the last line: its own folder is its own


@needs_other_users
def test_readable_by_agrees_with_a_process_of_that_user(place: Path) -> None:
    (place / "shut").mkdir(mode=0o700)
    (place / "through").mkdir()
    (place / "through").chmod(0o711)
    for name, mode in [("shut/file", 0o644), ("through/file", 0o644), ("own", 0o400), ("group", 0o040), ("none", 0)]:
        (place / name).write_text("text")
        (place / name).chmod(mode)
    os.chown(place / "own", UID, 0)
    os.chown(place / "group", 0, UID)
    (place / "way in").symlink_to("shut/file")
    before = (os.getresuid(), os.getresgid(), os.getgroups())
    for name in ["shut", "shut/file", "through", "through/file", "own", "group", "none", "way in", "absent", "."]:
        path = place / name
        command = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
        tool = ["ls", str(path)] if path.is_dir() else ["cat", str(path)]
        oracle = subprocess.run([*command, *tool], capture_output=True, check=False).returncode == 0
        assert readable_by(UID, str(path)) == oracle, name
    assert (os.getresuid(), os.getresgid(), os.getgroups()) == before


# ---------------------------------------------------------------- the filter's program, on both architectures

KILL, ALLOW, ERROR = 0x80000000, 0x7FFF0000, 0x00050000
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# From the kernel's tables, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h
NUMBERS = {
    "x86_64": dict(
        read=0, clone=56, fork=57, execve=59, socket=41, prctl=157, openat=257, tgkill=234, mmap=9, chmod=90
    ),
    "aarch64": dict(read=63, clone=220, execve=221, socket=198, prctl=167, openat=56, tgkill=131, mmap=222),
}
PTHREAD = 0x3D0F00


def verdict(program: bytes, number: int, audit: int, *arguments: int) -> int:
    """What a filter answers: an interpreter of classic BPF over `struct seccomp_data`."""
    data = struct.pack("=iIQ6Q", number, audit, 0, *(arguments + (0,) * 6)[:6])
    code = list(struct.iter_unpack("=HBBI", program))
    accumulator = position = 0
    while True:
        operation, yes, no, constant = code[position]
        position += 1
        if operation == 0x20:  # load a word
            accumulator = struct.unpack_from("=I", data, constant)[0]
        elif operation == 0x54:  # and
            accumulator &= constant
        elif operation == 0x06:  # return
            return constant
        elif operation == 0x05:  # jump
            position += constant
        else:
            holds = {0x15: accumulator == constant, 0x25: accumulator > constant, 0x35: accumulator >= constant}
            position += yes if holds[operation] else no


@pytest.fixture(params=["x86_64", "aarch64"])
def judged(request: pytest.FixtureRequest) -> Callable[..., int]:
    """Ask the filter of one architecture by the call's name."""
    pyseccomp = pytest.importorskip("pyseccomp")
    arch = request.param
    with tempfile.TemporaryFile() as file:
        build_filter(4321, threads=True, arch=getattr(pyseccomp.Arch, arch.upper())).export_bpf(file)
        file.seek(0)
        program = file.read()

    def ask(name: str, *arguments: int, audit: int = AUDIT[arch], bit: int = 0) -> int:
        return verdict(program, NUMBERS[arch].get(name, -1) | bit, audit, *arguments)

    return ask


def test_the_filter_judges_calls_by_number_and_arguments(judged: Callable[..., int]) -> None:
    read_only, write, truncate = os.O_RDONLY | os.O_CLOEXEC, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, os.O_TRUNC
    assert judged("read") == judged("mmap") == ALLOW
    assert judged("execve") == judged("socket") == ERROR | errno.EPERM
    assert judged("clone", PTHREAD) == ALLOW
    assert judged("clone", 17) == ERROR | errno.EPERM
    for namespace in (0x20000, 0x10000000, 0x20000000, 0x40000000):
        assert judged("clone", PTHREAD | namespace) & ERROR == ERROR
    assert judged("openat", 0, 0, read_only) == judged("openat", 0, 0, write) == ALLOW
    assert judged("openat", 0, 0, truncate) == ERROR | errno.ENOSYS
    assert judged("tgkill", 4321) == ALLOW
    assert judged("tgkill", 4322) == judged("tgkill", 4321 + (1 << 32)) == ERROR | errno.ENOSYS
    assert judged("prctl", 15) == ALLOW
    assert judged("prctl", 4) == judged("prctl", 1) == ERROR | errno.ENOSYS


def test_the_filter_kills_at_calls_of_another_architecture(judged: Callable[..., int]) -> None:
    for audit in (0x40000003, 0x40000028, 0xC0000016):  # i386, 32-bit ARM, s390x
        assert judged("read", audit=audit) == KILL


def test_the_filter_lets_no_x32_call_through(judged: Callable[..., int]) -> None:
    assert judged("read", bit=0x40000000) != ALLOW


# ---------------------------------------------------------------- the doctor, in the three settings

# Docker's default capabilities
CONTAINER = """
    chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod audit_write
    setfcap
"""
SETTINGS = {
    "root": ((), UID),
    "plain container": (
        ("setpriv", "--inh-caps=-all", f"--bounding-set=-all,{','.join('+' + name for name in CONTAINER.split())}"),
        UID,
    ),
    "ordinary user": (("setpriv", "--reuid=12321", "--regid=12321", "--clear-groups"), None),
}


@unless_closed
@pytest.mark.parametrize("setting", SETTINGS if ROOT else ["as we are"])
def test_nothing_that_works_without_walls_works_behind_all_of_them(setting: str) -> None:
    wrapper, uid = SETTINGS.get(setting, ((), None))
    examine = f"print(json.dumps([d.astuple(r) for r in i.examine({uid})]))"
    code = f"import json, dataclasses as d, inithw.doctor as i; {examine}"
    done = subprocess.run([*wrapper, sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    rows = {row[0]: doctor.Finding(*row) for row in json.loads(done.stdout)}
    assert list(rows) == [*WALLS, doctor.TOGETHER]
    assert rows[doctor.TOGETHER].state == "up", rows[doctor.TOGETHER].detail
    assert len(rows[doctor.TOGETHER].keeps_out) > 20
    assert rows["seccomp"].state == rows["limits"].state == rows["descriptors"].state == "up"
    assert (rows["uid"].state == "up") == (uid is not None)
    if landlock_version() >= 6:
        assert rows["landlock"].state == "up"


def test_the_doctor_reports_a_wall_that_is_down_as_down_with_the_reason() -> None:
    code = "import inithw.doctor as d; print(*[(r.state, r.detail) for r in d.examine() if r.name == 'landlock'])"
    done = subprocess.run(
        [sys.executable, "-c", NO_LANDLOCK + code], capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout.startswith("('down', 'this kernel has no Landlock")


def finding(name: str, state: str) -> doctor.Finding:
    return doctor.Finding(name, state, ("[red]this[/]",) if state == "up" else (), "" if state == "up" else "why")


@pytest.mark.parametrize(
    ("down", "graded", "said"),
    [
        ((), True, "can be graded here"),
        (("landlock",), True, "closed to others"),
        (("uid",), True, "as your user"),
        (("uid", "landlock"), False, "uid or landlock must be up"),
        (("seccomp",), False, "seccomp must be up"),
    ],
)
def test_the_doctors_table_says_whether_grading_is_possible_and_why_not(
    down: tuple[str, ...], graded: bool, said: str
) -> None:
    console = Console(file=io.StringIO(), width=200)
    findings = [finding(name, "down" if name in down else "up") for name in WALLS]
    assert doctor.print_findings(findings, console) == graded
    printed = console.file.getvalue()
    assert said in printed
    assert "[red]this[/]" in printed
    assert ("refused" in printed) != graded
