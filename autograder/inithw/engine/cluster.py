"""Grade on the machines of a Dask cluster: each has a sandbox of its own, and reads the key for itself.

What travels is the submission, the rules by which to grade, without the key, and the grade. A machine that would grade
by other rules, by its key, its program or its thresholds, refuses.
"""

from __future__ import annotations

import atexit
import logging
import pkgutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from inithw import __version__
from inithw.engine.batch import Pool
from inithw.engine.container import fitting, usable_memory
from inithw.engine.course.fingerprints import differing, fingerprints
from inithw.engine.grading import Grader, Outcome
from inithw.engine.homework import Homework
from inithw.engine.records import Submission
from inithw.engine.sandbox import Sandbox, forbid_inspection
from inithw.engine.settings import KEY_FILE, KEY_VARIABLE, PUBLIC_KEY, Settings, find_config, load_settings

_CONNECT_SECONDS = 10
_MACHINES_SECONDS = 30
_MOST_TOLD = 5  # machines that refuse


class ClusterError(Exception):
    """The cluster cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What every machine must grade by. It holds no secret: logs of a cluster show what it was sent.

    Attributes:
        homework: Where the homework's record is, as `package.module:NAME`.
        settings: Those of who asked, with the public key in the place of theirs.
        graded_with: Names and fingerprints of what decides, the key's among them.
        keep_evidence: Whether evidence is sent back.
    """

    homework: str
    settings: Settings
    graded_with: tuple[tuple[str, str], ...]
    keep_evidence: bool = False

    @classmethod
    def of(cls, homework: str, settings: Settings, graded_with: dict[str, str], keep_evidence: bool) -> Terms:
        """Leave the key out."""
        return cls(homework, replace(settings, key=PUBLIC_KEY), tuple(graded_with.items()), keep_evidence)


@contextmanager
def cluster(address: str, terms: Terms) -> Iterator[Pool]:
    """The machines of an existing cluster, once all of them have agreed to the terms.

    Args:
        address: Of its scheduler, such as `tcp://10.0.0.5:8786`.
        terms: What they grade by.

    Raises:
        ClusterError: There is no such cluster, it has no machines, or one of them would grade by other rules.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ClusterError('--scheduler needs Dask: say `pip install "inithw[cluster]"`, here and there') from error
    forbid_inspection()
    for logger in ("distributed", "distributed.client"):  # what goes wrong is told as what came of a submission
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"--scheduler {address}: no Dask scheduler answers there ({error}). `dask scheduler` starts one and prints "
            "its address"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_MACHINES_SECONDS)
        except TimeoutError as error:
            raise ClusterError(
                f"--scheduler {address}: it has no workers; start some with `dask worker {address}`"
            ) from error
        _agree(client.run(objection, terms, on_error="return"))
        slots = sum(client.nthreads().values())
        yield Pool(_Machines(client), _There(terms), ahead=2 * slots)


class _Machines(Executor):
    """Dask's executor; once the scheduler is gone, nothing can be handed to it."""

    def __init__(self, client: Any) -> None:
        self._address = client.scheduler.address
        self._executor = client.get_executor(pure=False)

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        try:
            future: Future[Any] = self._executor.submit(work, *arguments, **named)
        except Exception as error:
            raise ClusterError(f"the Dask scheduler {self._address} was lost") from error
        return future


def _agree(objections: dict[str, str | BaseException]) -> None:
    told = [
        f"{machine}: {reason if isinstance(reason, str) else f'{type(reason).__name__}: {reason}'}"
        for machine, reason in sorted(objections.items())
        if reason
    ]
    if told:
        raise ClusterError(
            f"{len(told)} of {len(objections)} workers of the cluster cannot grade this class; nothing was graded.\n"
            + "\n".join(told[:_MOST_TOLD])
        )


# ---------------------------------------------------------------- on a machine of the cluster


@dataclass(frozen=True, slots=True)
class _There:
    """Grades a submission on whichever machine it is called."""

    terms: Terms

    def __call__(self, submission: Submission) -> Outcome:
        from distributed import get_worker

        with _lock:
            grader = _grader(self.terms, get_worker())
        outcome = grader.grade_read(submission)
        return replace(outcome, submission=None, evidence=outcome.evidence if self.terms.keep_evidence else None)


def objection(terms: Terms, dask_worker: Any) -> str:
    """Why this machine cannot grade by the terms, in words; empty where it can. (Dask fills `dask_worker` in.)"""
    try:
        with _lock:
            _grader(terms, dask_worker)
    except Exception as error:
        return str(error) if isinstance(error, ClusterError) else f"{type(error).__name__}: {error}"
    return ""


_lock = threading.Lock()  # a process of the cluster may grade several at a time, and has one sandbox


@lru_cache(maxsize=4)
def _grader(terms: Terms, process: Any) -> Grader:
    """Who grades in this process, with this machine's key.

    Raises:
        ClusterError: It would grade otherwise.
    """
    homework: Homework = pkgutil.resolve_name(terms.homework)
    jobs = process.state.nthreads
    sandbox = _sandbox(homework.worker, jobs)  # before the key is read
    config = find_config(Path.cwd())
    if config is not None:
        sandbox.refuse_readable([config, config.parent / KEY_FILE])
    settings = replace(terms.settings, key=load_settings(config).key)
    wanted, here = dict(terms.graded_with), fingerprints(homework, settings, __version__)
    if others := differing(wanted, here):
        listed = ", ".join(f"{name} {here.get(name)}, not {wanted.get(name)}" for name in others)
        raise ClusterError(f"it would grade otherwise: {listed}. {_advice(others)}")
    memory = min(filter(None, (usable_memory(), process.memory_manager.memory_limit)), default=None)
    return Grader(homework, sandbox, settings.key, fitting(settings.limits, memory, jobs), settings.scale)


def _advice(others: tuple[str, ...]) -> str:
    if others == ("key",):
        return (
            f"Give {KEY_VARIABLE} the same key where `dask worker` is started, or put {KEY_FILE} beside the "
            "otter_config.json of that folder, and start it again"
        )
    return "Install the same version of inithw there, with the same homework, and start `dask worker` again"


@lru_cache(maxsize=1)
def _sandbox(worker: str, jobs: int) -> Sandbox:
    """This process's sandbox, until it ends."""
    stack = ExitStack()
    sandbox = stack.enter_context(Sandbox(worker, jobs))
    atexit.register(stack.close)
    return sandbox
