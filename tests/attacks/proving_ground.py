"""Where attacks are tried: things to be got at, an honest neighbour, and a look at what came of it."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import io
import json
import os
import queue
import re
import secrets
import shutil
import site
import socket
import string
import tempfile
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import psutil
from inithw.engine.execution import execute
from inithw.engine.records import Cell, Grade, Limits, Submission
from inithw.engine.report.gradescope import to_results
from inithw.engine.report.json_line import to_json
from inithw.engine.report.table import write_csv
from inithw.engine.report.terminal import print_grade
from inithw.engine.sandbox import Sandbox
from inithw.engine.text import clean
from inithw.engine.wire.plan import WallPlan
from inithw.homework.challenge import draw_challenge
from inithw.homework.definition import HOMEWORK
from inithw.homework.records import Challenge
from rich.console import Console

from tests.attacks import ATTACKS, CATEGORIES
from tests.attacks.attack import Attack, write_attack
from tests.parts import grader

LIMITS = Limits(
    notebook_seconds=10,
    cell_seconds=1.5,
    question_seconds=3,
    total_seconds=25,
    memory_bytes=1 << 30,
    scratch_bytes=16 << 20,
    processes=32,
)
GRACE = 180
"""Seconds over `total_seconds` after which an attack has held up the judge: the last wait, and a machine under load."""
NEIGHBOURS_LIMITS = dataclasses.replace(
    LIMITS, cell_seconds=20, question_seconds=30, notebook_seconds=60, total_seconds=90
)
KEY_MARK = "inithw-proving-"
_CATEGORY = {attack.name: category for category, attacks in CATEGORIES.items() for attack in attacks}
_FORMULA = ("=", "+", "-", "@")
_BEFORE_A_FORMULA = string.whitespace + '"'
_DRAWN_BADLY = re.compile(r"[\ufe00-\ufe0f\U000e0100-\U000e01ef\u3164\u2800]|[\u0300-\u036f\u20d0-\u20f0]{4}")
_AT_HOME = threading.Lock()

HONEST = (
    """
import numpy as np, torch, torch.nn as nn
train_x = np.random.uniform(-1, 1, 1500)
train_y = np.sin(train_x)
model = nn.Sequential(nn.Linear(1, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(),
                      nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 1))
assert len(model) == 9
""",
    """
def print_gnorms(model):
    x = torch.from_numpy(train_x).float().unsqueeze(-1)
    loss = nn.MSELoss()(torch.from_numpy(train_y).float(), model(x).view(-1))
    model.zero_grad()
    loss.backward()
    for name, param in model.named_parameters():
        if name.endswith(".weight"):
            print(name, "{:.8f}".format(param.grad.norm()))
""",
    """
def better_init(module):
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(module.bias)
open("note", "w").write("my own")
torch.save(model.state_dict(), "model.pt")
""",
)
"""The neighbour: every answer right, and files of its own."""


@dataclass(frozen=True)
class Outcome:
    """What came of one attack.

    Attributes:
        name: The attack's.
        category: The attack's.
        breaches: One line for each thing that it should not have got, left, changed or reached.
        seconds: How long it took to grade.
    """

    name: str
    category: str
    breaches: tuple[str, ...]
    seconds: float


def run(
    attacks: Sequence[Attack] = ATTACKS,
    *,
    skeleton: Path,
    limits: Limits = LIMITS,
    jobs: int = 2,
    key: str = "",
    on_done: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Try attacks, several at once, and return what came of each, in the order given.

    Args:
        attacks: What to try.
        skeleton: The handout's notebook, into which they are put.
        limits: What each may use: short ones, for many attacks use all.
        jobs: How many at once. Each has a pre-loaded process of its own: what an attack does to it meets an honest
            submission next, and that one's evidence must be the same bit for bit as before.
        key: Grading key, `KEY_MARK` and something secret; drawn when empty.
        on_done: Called after each.
    """
    waiting: queue.SimpleQueue[Attack] = queue.SimpleQueue()
    for attack in attacks:
        waiting.put(attack)
    outcomes: dict[str, Outcome] = {}
    faults: list[BaseException] = []
    key = key or KEY_MARK + secrets.token_hex(8)

    def work(folder: Path) -> None:
        try:
            with ProvingGround(folder, skeleton, limits, key) as ground, contextlib.suppress(queue.Empty):
                while not faults:
                    outcome = ground.attack(waiting.get_nowait())
                    outcomes[outcome.name] = outcome
                    on_done(outcome)
        except BaseException as fault:
            faults.append(fault)

    with _place() as place:
        threads = [threading.Thread(target=work, args=(place / str(number),)) for number in range(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if faults:
        raise faults[0]
    return [outcomes[attack.name] for attack in attacks]


@contextlib.contextmanager
def _place() -> Iterator[Path]:
    """A folder that every user can pass through, in which workers get their folders, too."""
    usual = tempfile.tempdir
    folder = Path(tempfile.mkdtemp(prefix="proving-"))
    folder.chmod(0o711)
    scratch = folder / "scratch"
    scratch.mkdir()
    scratch.chmod(0o711)
    tempfile.tempdir = str(scratch)
    try:
        yield folder
    finally:
        tempfile.tempdir = usual
        shutil.rmtree(folder, ignore_errors=True)


class _WatchedSandbox(Sandbox):
    """Remembers which processes and folders its workers had."""

    def __enter__(self) -> _WatchedSandbox:
        super().__enter__()
        self.pids: list[int] = []
        self.folders: list[Path] = []
        return self

    def spawn(self, plan: WallPlan, child_end: socket.socket) -> int:
        self.folders.append(Path(plan.scratch))
        self.pids.append(pid := super().spawn(plan, child_end))
        return pid

    def survivors(self) -> list[int]:
        """Processes of the workers' user, or of their session (which they cannot leave), that still live."""
        slot, ancestor = self._claimed[0], self._process.pid
        found = []
        for each in psutil.process_iter(["uids", "status"]):
            with contextlib.suppress(ProcessLookupError):
                mine = each.info["uids"].effective == slot.uid or os.getsid(each.pid) == ancestor
                if mine and each.pid != ancestor and each.info["status"] != psutil.STATUS_ZOMBIE:
                    found.append(each.pid)
        return found


class ProvingGround:
    """One sandbox with targets around it; use as a context manager."""

    def __init__(self, folder: Path, skeleton: Path, limits: Limits, key: str) -> None:
        self.folder, self.skeleton, self.limits, self.key = folder, skeleton, limits, key
        self.shared, self.submissions = folder / "shared", folder / "submissions"
        self.secrets = {
            what: secrets.token_hex(8)
            for what in ("a closed file", "a file open to all", "a neighbour's work", "that it had succeeded")
        }
        self.secrets["the key"] = key.removeprefix(KEY_MARK)

    def __enter__(self) -> ProvingGround:
        self._open = contextlib.ExitStack()
        self.folder.mkdir()
        self.folder.chmod(0o755)
        for folder, mode in ((self.shared, 0o777), (self.submissions, 0o755)):
            folder.mkdir()
            folder.chmod(mode)
        self._write("closed", self.secrets["a closed file"], 0o600)
        self._write("public", self.secrets["a file open to all"], 0o644)
        self._write("submissions/other.ipynb", self.secrets["a neighbour's work"], 0o644)
        self._write("shared/writable", "as it was", 0o666)
        self._servers = [self._open.enter_context(server) for server in self._make_servers()]
        self.sandbox = self._open.enter_context(_WatchedSandbox(HOMEWORK.worker))
        self.usual = self._honest()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def attack(self, attack: Attack) -> Outcome:
        """Grade one attack, then an honest submission in the same sandbox, and look around."""
        token = secrets.token_hex(8)
        path = write_attack(attack, self.skeleton, self.submissions / token, self._targets(token))
        written = path.read_bytes()
        started = time.monotonic()
        record = self._graded(path, attack.file_name)
        seconds = time.monotonic() - started
        breaches = [
            *(f"earned {item.id}" for item in record.items if item.earned and item.id not in attack.earns),
            *([] if record.status == "graded" else [f"status {record.status}: {record.message}"]),
            *([] if seconds < self.limits.total_seconds + GRACE else [f"held up the judge for {seconds:.0f} s"]),
            *self._left(),
            *(f"showed {what}" for what, secret in self.secrets.items() if secret in json.dumps(to_json(record))),
            *injected(record),
            *self._changed(token),
            *([] if path.read_bytes() == written else ["changed its own file"]),
            *(f"reached the {kind} server" for kind in self._reached()),
        ]
        if self._honest() != self.usual:
            breaches.append("the next submission's evidence is another")
        shutil.rmtree(path.parent)
        return Outcome(attack.name, _CATEGORY[attack.name], tuple(breaches), seconds)

    def _graded(self, path: Path, name: str) -> Grade:
        """Grade as from a command line in the submission's own folder, where its name is all that is said of it.

        Only where the name is the attack: a process has one current folder for all its threads.
        """
        judge = grader(self.sandbox, self.key.encode(), self.limits)
        if name == Attack.file_name:
            return judge.grade(path).grade
        with _AT_HOME, contextlib.chdir(path.parent):
            record = judge.grade(Path(name)).grade
        assert record.submission.startswith(clean(name, 20)[:5]), record.submission  # else nothing would be tried
        return record

    # ------------------------------------------------------------------ targets

    def _write(self, name: str, text: str, mode: int) -> None:
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(mode)

    def _make_servers(self) -> list[socket.socket]:
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(tcp.getsockname())
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(str(self.folder / "unix"))
        (self.folder / "unix").chmod(0o777)
        unix.listen()
        for server in (tcp, udp, unix):
            server.setblocking(False)
        return [tcp, udp, unix]

    def _targets(self, token: str) -> dict[str, object]:
        project = self.skeleton.resolve().parents[1]
        return {
            "TOKEN": token,
            "BOAST": self.secrets["that it had succeeded"],
            "SCRATCH_BYTES": self.limits.scratch_bytes,
            "KEY_MARK": KEY_MARK,
            "CLOSED": str(self.folder / "closed"),
            "PUBLIC": str(self.folder / "public"),
            "NEIGHBOUR": str(self.submissions / "other.ipynb"),
            "WRITABLE": str(self.shared / "writable"),
            "SHARED": str(self.shared),
            "UNIX": str(self.folder / "unix"),
            "PORT": self._servers[0].getsockname()[1],
            "JUDGE": os.getpid(),
            "HOME": os.path.expanduser("~"),
            "PROJECT": str(project),
        }

    # ------------------------------------------------------------------ what came of it

    def _honest(self) -> str:
        """A fingerprint of the evidence that an honest submission gives."""
        evidence = execute(*self._neighbour, HOMEWORK, self.sandbox, NEIGHBOURS_LIMITS)
        return fingerprint(dataclasses.replace(evidence, seconds=0.0))

    @cached_property
    def _neighbour(self) -> tuple[Submission, Challenge]:
        """The honest submission, and less of a challenge than usual."""
        cells = tuple(Cell(number, source) for number, source in enumerate(HONEST, 1))
        submission = Submission("honest", cells, digest="0" * 64)
        challenge = draw_challenge(self.key.encode(), submission)
        return submission, dataclasses.replace(challenge, layers=challenge.layers[:1], networks=2)

    def _left(self) -> Iterator[str]:
        if alive := self.sandbox.survivors():
            yield f"left {len(alive)} process(es)"
        if [folder for folder in self.sandbox.folders if folder.exists()]:
            yield "left its folder"
        self.sandbox.folders.clear()

    def _changed(self, token: str) -> Iterator[str]:
        if (self.folder / "closed").read_text() != self.secrets["a closed file"]:
            yield "changed a closed file"
        writable = self.shared / "writable"
        if not writable.exists() or writable.read_text() != "as it was":
            yield "changed a file that is open to all"
            self._write("shared/writable", "as it was", 0o666)
        strangers = set(os.listdir(self.shared)) - {"writable"}
        places = {str(place) for place in _PLACES if place.is_dir()}
        found = [*(self.shared / name for name in strangers), *_named(places, token)]
        for path in found:
            yield f"left {path}"
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _reached(self) -> Iterator[str]:
        for kind, server in zip(("TCP", "UDP", "unix"), self._servers, strict=True):
            with contextlib.suppress(BlockingIOError):
                server.recv(1) if kind == "UDP" else server.accept()[0].close()
                yield kind


_PLACES = [
    *map(Path, ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/etc/cron.d", "/etc/cron.hourly", "/etc/init.d")),
    *map(Path, ("/var/spool/cron/crontabs", "/etc/systemd/system", "/usr/lib/python3/dist-packages", "/root")),
    *map(Path, (*site.getsitepackages(), site.getusersitepackages(), Path(__file__).parents[2], Path.home())),
    *(Path.home() / name for name in (".config/matplotlib", ".ipython/profile_default/startup", ".jupyter")),
]


def _named(places: set[str], token: str) -> list[Path]:
    return [Path(place, name) for place in sorted(places) for name in _listed(place) if token in name]


def _listed(place: str) -> list[str]:
    with contextlib.suppress(OSError):
        return os.listdir(place)
    return []


def injected(record: Grade) -> Iterator[str]:
    """What in a record, or in one of its renderings, somebody's program would act on."""
    record_as_json = to_json(record)
    texts = [record_as_json["submission"], record_as_json["message"], *record_as_json["notes"]]
    texts += [*record_as_json["messages"].values(), *record_as_json["cell_errors"].values()]
    for text in texts:
        if kinds := {unicodedata.category(letter) for letter in text} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
            yield f"characters of the kinds {kinds} in {text!r:.80}"
        if _DRAWN_BADLY.search(text):
            yield f"invisible or piled characters in {text!r:.80}"
    console = Console(file=io.StringIO(), width=10_000, highlight=False, force_terminal=True, color_system=None)
    print_grade(record, console)
    shown = console.file.getvalue()
    if {letter for letter in shown if unicodedata.category(letter) in ("Cc", "Cf", "Cs")} - {"\n"}:
        yield "a terminal gets control characters"
    if missing := [text for text in record_as_json["cell_errors"].values() if text not in shown]:
        yield f"markup in {missing[0]!r:.80} was not shown as text"
    with tempfile.TemporaryDirectory() as folder:
        write_csv(Path(folder, "grades.csv"), [record])
        with Path(folder, "grades.csv").open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    if len(rows) != 2:
        yield "a spreadsheet gets rows of its own"
    fields = [part for row in rows for field in row for part in (field, *re.split("[;\t]", field))]
    for field in fields:  # a semicolon or a tab begins a new cell where lists are written with them
        if unicodedata.normalize("NFKC", field).lstrip(_BEFORE_A_FORMULA).startswith(_FORMULA):
            yield f"a spreadsheet gets {field!r:.40}"
    results = json.loads(json.dumps(to_results(record)))
    parts = [results, *results["tests"]]
    formats = {part.get(name, "text") for part in parts for name in part if name.endswith("format")}
    if formats - {"text"} or not all("output_format" in part for part in (results,)):
        yield f"a browser gets text as {formats}"


def fingerprint(value: object) -> str:
    """A hash of records, arrays and plain values: equal when they are equal bit for bit."""

    def feed(value: object) -> Iterator[bytes]:
        if isinstance(value, np.ndarray):
            yield f"{value.dtype}{value.shape}".encode() + value.tobytes()
        elif isinstance(value, tuple | list):
            yield b"("
            for item in value:
                yield from feed(item)
            yield b")"
        elif dataclasses.is_dataclass(value):
            yield type(value).__name__.encode()
            yield from feed(tuple(getattr(value, field.name) for field in dataclasses.fields(value)))
        else:
            yield repr(value).encode()

    return hashlib.sha256(b"\0".join(feed(value))).hexdigest()
