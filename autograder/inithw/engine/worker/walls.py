"""The walls around a student's code, raised in the forked child just before it runs any of it.

Each stands by itself, so that a hole in one leaves the others; docs/security.md says what each keeps out.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import importlib.util
import math
import os
import signal
import stat
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from inithw.engine.wire.plan import WallPlan

if sys.platform == "linux":
    import resource

    _libc = ctypes.CDLL(None, use_errno=True)

try:  # before any wall is up: it runs ldconfig to find libseccomp, and says RuntimeError when there is none
    import pyseccomp
except (ImportError, RuntimeError, OSError) as _error:
    pyseccomp = None
    _NO_SECCOMP = f"{_error}; install the package pyseccomp and the system library libseccomp (libseccomp2)"


class WallsDownError(Exception):
    """A required wall could not be raised.

    Attributes:
        report: As `raise_walls` returns it.
    """

    def __init__(self, message: str, report: dict[str, str]) -> None:
        """Keep the report."""
        super().__init__(message)
        self.report = report


class _Down(Exception):
    """Why a wall is not up."""


# ---------------------------------------------------------------- the kernel's numbers
# linux/prctl.h, linux/capability.h, linux/landlock.h, linux/mount.h

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NAME, _PR_GET_NAME = 1, 4, 15, 16
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 24, 38, 47, 4
_CAPABILITY_VERSION_3 = 0x20080522

_SYS_CREATE_RULESET, _SYS_ADD_RULE, _SYS_RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_DIR, _REMOVE_FILE = 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG, _REFER, _TRUNCATE = 1 << 7, 1 << 8, 1 << 13, 1 << 14
_READ = _READ_FILE | _READ_DIR
_OF_FILES = _READ_FILE | _WRITE_FILE | _TRUNCATE
_OF_SCRATCH = _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
_TCP = 0b11  # bind and connect
_SCOPES = 0b11  # abstract unix sockets and signals


_CLONE_NEWNS = 0x20000
_SYS_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 1 << 14, 1 << 18

# ---------------------------------------------------------------- system calls

# Measured over the whole notebook with torch, NumPy, Matplotlib and IPython, and completed by their kin.
# The 64-bit calls of x86 and ARM; a name that an architecture has not got is left out there.
_ALLOWED = """
    read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek sendfile
    close close_range dup dup2 dup3 pipe pipe2 poll ppoll select pselect6 eventfd2
    epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait
    creat stat lstat fstat newfstatat statx statfs fstatfs access faccessat faccessat2 readlink readlinkat
    getcwd chdir fchdir getdents getdents64 mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2
    ftruncate fsync fdatasync fadvise64 flock
    mmap munmap mremap mprotect madvise msync brk futex membarrier rseq get_robust_list set_robust_list
    set_tid_address exit exit_group restart_syscall wait4 waitid arch_prctl
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack pause
    alarm getitimer setitimer nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time times
    getpid getppid gettid getpgrp getpgid getsid getuid geteuid getgid getegid getresuid getresgid getgroups
    getrlimit getrusage getpriority getrandom getcpu uname sysinfo
    sched_yield sched_getaffinity sched_getscheduler sched_getparam recvfrom
"""

# Refused with the error that programs expect. All others do not exist for the child (ENOSYS): C libraries
# then fall back, from clone3 to clone, whose arguments can be judged, and a new kernel opens no new door.
_REFUSED = """
    execve execveat fork vfork kill tkill ptrace process_vm_readv process_vm_writev
    socket socketpair connect bind listen accept accept4 sendmsg recvmsg
    chown fchown lchown fchownat umask utime utimes utimensat futimesat truncate
    link linkat symlink symlinkat mknod mknodat mount umount2 pivot_root chroot unshare setns
    setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset setsid setpgid
    setpriority setrlimit sched_setaffinity sched_setscheduler personality
"""
# Nothing happens, and the child is told that it did: else `shutil.copy` would fail on its last line.
_IGNORED = "chmod fchmod fchmodat"
_UNSUPPORTED = "getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr"  # what file systems may lack

# Duplicating, flags and locks; not F_SETOWN, which sends signals. The rest of fcntl and ioctl does not exist.
_FCNTL = [0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032]
# TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX; not TIOCSTI, which types into a terminal.
_IOCTL = [0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451]

_CLONE_THREAD = 0x00010000
_OF_THREADS = _CLONE_THREAD | 0x00000900  # CLONE_VM and CLONE_SIGHAND as well
_NOT_OF_THREADS = 0x7E826000  # CLONE_NEW* (seven namespaces), CLONE_PTRACE, CLONE_VFORK, CLONE_UNTRACED


# ---------------------------------------------------------------- the walls, in the order in which they go up


def raise_walls(plan: WallPlan, walls: tuple[str, ...] | None = None) -> dict[str, str]:
    """Shut this process in, for good; call it in a fresh fork that has one thread.

    Args:
        plan: What stays allowed.
        walls: Names from `WALLS` to raise, all by default.

    Returns:
        For each wall `up`, or `down: ` and the reason.

    Raises:
        WallsDownError: A wall that the plan requires is down.
    """
    report: dict[str, str] = {}
    if sys.platform == "linux" and len(os.listdir("/proc/self/task")) > 1:  # most walls bind the calling thread alone
        raise RuntimeError("walls must be raised while the process has one thread")
    _move_in(plan.scratch)
    for name in WALLS if walls is None else walls:
        if name == "descriptors":
            _check(plan.required, report)  # while the error can still be written somewhere
        try:
            if sys.platform != "linux":
                raise _Down(f"not on this system ({sys.platform}), only on Linux")
            WALLS[name](plan)
            report[name] = "up"
        except (_Down, OSError) as reason:
            report[name] = f"down: {reason}"
    _check(plan.required, report)
    return report


def _check(required: tuple[tuple[str, ...], ...], report: dict[str, str]) -> None:
    for group in required:
        if not any(report.get(name) == "up" for name in group):
            reasons = "; ".join(f"{name} is {report.get(name, 'down: not asked for')}" for name in group)
            raise WallsDownError(f"students' code is not run, for a wall is missing: {reasons}", report)


def _move_in(scratch: str) -> None:
    if os.geteuid() == 0:
        os.chown(scratch, 0, 0)  # root without capabilities needs to own it; the wall `uid` gives it away
    os.chdir(scratch)
    os.umask(0o077)
    with contextlib.suppress(OSError):  # when memory runs out, this process goes and not the judge
        Path("/proc/self/oom_score_adj").write_text("1000")
    kept = {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")}
    places = dict.fromkeys(["HOME", "TMPDIR", "MPLCONFIGDIR", "IPYTHONDIR"], scratch)
    names = dict.fromkeys(["USER", "LOGNAME"], "student")  # a uid without a name stops many a library
    os.environ.clear()
    os.environ.update(kept | places | names | {"PATH": os.defpath, "LANG": "C.UTF-8", "MPLBACKEND": "Agg"})
    tempfile.tempdir = scratch


def _disk(plan: WallPlan) -> None:
    """A file system of its own, which the kernel bounds and ends with the process; all others can only be read."""
    _checked(_libc.unshare(_CLONE_NEWNS), "unshare")
    read_only = struct.pack("=QQQQ", _MOUNT_ATTR_RDONLY, 0, _MS_PRIVATE, 0)
    if _libc.syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, b"/", _AT_RECURSIVE, read_only, len(read_only)):
        # before Linux 5.12
        _checked(_libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "mount")
    bounds = f"size={plan.scratch_bytes},nr_inodes={plan.scratch_entries},mode=700"
    flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _checked(_libc.mount(b"inithw", plan.scratch.encode(), b"tmpfs", flags, bounds.encode()), "mount")
    os.chdir(plan.scratch)


def _no_new_privs(_plan: WallPlan) -> None:
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    for capability in range(64):
        try:
            _prctl(_PR_CAPBSET_DROP, capability)
        except OSError:  # past the last one, or not ours to drop: then there is none to gain either
            break


def _uid(plan: WallPlan) -> None:
    if plan.uid is None:
        raise _Down("no user was named to become")
    if os.geteuid() != 0:
        raise _Down(f"only root can become another user; the code runs as user {os.geteuid()}")
    os.chown(plan.scratch, plan.uid, plan.uid)
    try:
        for path in [plan.scratch, *_needed()]:
            if not readable_by(plan.uid, path):
                raise _Down(
                    f"user {plan.uid} cannot read {path}; use a Python that every user can read, such as the "
                    "system's python3 with a virtual environment outside /root"
                )
        os.setgroups([])
        os.setresgid(plan.uid, plan.uid, plan.uid)
        os.setresuid(plan.uid, plan.uid, plan.uid)
    except (_Down, OSError):
        os.chown(plan.scratch, 0, 0)
        raise


def _capabilities(_plan: WallPlan) -> None:
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, 64 bits each
    _checked(_libc.capset(header, none), "capset")


def _unseen(_plan: WallPlan) -> None:
    # Becoming another user has cleared both, so not earlier.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(_PR_SET_DUMPABLE, 0)


def _limits(plan: WallPlan) -> None:
    if plan.processor is not None:  # else many threads would take the time of other submissions
        os.sched_setaffinity(0, {plan.processor})
    page = os.sysconf("SC_PAGE_SIZE")
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * page
    running = 0 if plan.uid == os.geteuid() else _tasks_of(os.geteuid())
    seconds = math.ceil(plan.total_seconds)
    for kind, soft, hard in [
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_CPU, seconds, seconds + 1),  # SIGXCPU can be caught, then SIGKILL
        (resource.RLIMIT_FSIZE, plan.file_bytes, plan.file_bytes),
        (resource.RLIMIT_NOFILE, plan.open_files, plan.open_files),
        (resource.RLIMIT_NPROC, running + plan.processes, running + plan.processes),
        (resource.RLIMIT_AS, mapped + plan.memory_bytes, mapped + plan.memory_bytes),
    ]:
        most = resource.getrlimit(kind)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(kind, (soft, hard))


def _landlock(plan: WallPlan) -> None:
    try:
        version = _checked(_libc.syscall(_SYS_CREATE_RULESET, None, 0, 1), "landlock")
    except OSError as error:
        raise _Down(f"this kernel has no Landlock (Linux 5.13 or later has): {error.strerror}") from error
    handled = (1 << (13, 14, 15, 15, 16)[min(version, 5) - 1]) - 1
    attributes = struct.pack("=QQQ", handled, _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    ruleset = _checked(_libc.syscall(_SYS_CREATE_RULESET, attributes, len(attributes), 0), "landlock")
    hidden = set(map(os.path.realpath, plan.hidden))
    rules = {"/dev/null": _READ_FILE | _WRITE_FILE, plan.scratch: _OF_SCRATCH & handled}
    for path in plan.readable:
        for tree, rights in _without(os.path.realpath(path), hidden):
            rules[tree] = rules.get(tree, 0) | rights
    for path, rights in rules.items():
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # what is not there, or not for this user, needs no rule
            continue
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _OF_FILES
        rule = struct.pack("=Qi", rights, descriptor)
        _checked(_libc.syscall(_SYS_ADD_RULE, ruleset, 1, rule, 0), "landlock_add_rule", path)
        os.close(descriptor)
    _checked(_libc.syscall(_SYS_RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)


def _without(tree: str, hidden: set[str]) -> Iterator[tuple[str, int]]:
    """Landlock can only grant: a tree with hidden parts is granted piece by piece, its folders to list."""
    inside = [path for path in hidden if path == tree or path.startswith(tree.rstrip("/") + "/")]
    if not inside:
        yield tree, _READ
    elif tree not in inside:
        yield tree, _READ_DIR
        with os.scandir(tree) as entries:
            for entry in entries:
                if not entry.is_symlink():
                    yield from _without(entry.path, hidden)


def _seccomp(_plan: WallPlan) -> None:
    if pyseccomp is None:
        raise _Down(_NO_SECCOMP)
    # RLIMIT_NPROC does not bind user 0, so a child that had to stay root gets no threads at all.
    build_filter(os.getpid(), threads=os.geteuid() != 0).load()


def build_filter(pid: int, *, threads: bool, arch: int | None = None) -> pyseccomp.SyscallFilter:
    """The filter of system calls for process `pid`, for this machine unless a `pyseccomp.Arch` is given."""
    arg, equal, masked = pyseccomp.Arg, pyseccomp.EQ, pyseccomp.MASKED_EQ
    arch = pyseccomp.system_arch() if arch is None else arch
    table = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.ENOSYS))
    table.set_attr(pyseccomp.Attr.ACT_BADARCH, pyseccomp.KILL_PROCESS)  # 32-bit calls have other numbers
    if arch != pyseccomp.system_arch():
        table.add_arch(arch)
        table.remove_arch(pyseccomp.system_arch())

    def rule(action: int, name: str, *conditions: pyseccomp.Arg) -> None:
        if pyseccomp.resolve_syscall(arch, name) >= 0:
            table.add_rule(action, name, *conditions)

    for action, names in [
        (pyseccomp.ALLOW, _ALLOWED),
        (pyseccomp.ERRNO(errno.EPERM), _REFUSED),
        (pyseccomp.ERRNO(errno.ENOTSUP), _UNSUPPORTED),
        (pyseccomp.ERRNO(0), _IGNORED),
    ]:
        for name in names.split():
            rule(action, name)
    for name, position, values in [
        ("fcntl", 1, _FCNTL),
        ("ioctl", 1, _IOCTL),
        ("prctl", 0, [_PR_SET_NAME, _PR_GET_NAME]),
        ("sendto", 4, [0]),  # the judge's connection, to nobody by address
    ]:
        for value in values:
            rule(pyseccomp.ALLOW, name, arg(position, equal, value))
    # To read its own limits, not to set them: who is ended by one of his own would seem to have been taken away.
    for target in (0, pid):
        rule(pyseccomp.ALLOW, "prlimit64", arg(0, equal, target), arg(2, equal, 0))
    # Its own threads, but not SIGKILL: who is killed was killed by somebody else.
    rule(pyseccomp.ALLOW, "tgkill", arg(0, equal, pid), arg(2, pyseccomp.LT, signal.SIGKILL))
    rule(pyseccomp.ALLOW, "tgkill", arg(0, equal, pid), arg(2, pyseccomp.GT, signal.SIGKILL))
    # Reading with O_TRUNC empties a file that Landlock before version 3 takes for one that is only read.
    for name, position in [("open", 1), ("openat", 2)]:
        rule(pyseccomp.ALLOW, name, arg(position, masked, os.O_ACCMODE | os.O_TRUNC, os.O_RDONLY))
        rule(pyseccomp.ALLOW, name, arg(position, masked, os.O_ACCMODE, os.O_WRONLY))
        rule(pyseccomp.ALLOW, name, arg(position, masked, os.O_ACCMODE, os.O_RDWR))
    if threads:
        rule(pyseccomp.ALLOW, "clone", arg(0, masked, _OF_THREADS | _NOT_OF_THREADS, _OF_THREADS))
        rule(pyseccomp.ERRNO(errno.EPERM), "clone", arg(0, masked, _CLONE_THREAD, 0))
    else:
        rule(pyseccomp.ERRNO(errno.EPERM), "clone")
    return table


def _descriptors(plan: WallPlan) -> None:
    if plan.keep is None:
        raise _Down("it was not said which descriptors to keep")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in {0, 1, 2} - set(plan.keep):
        os.dup2(null, standard, inheritable=False)
    kept = sorted({0, 1, 2, *plan.keep})
    for before, after in zip(kept, [*kept[1:], 1 << 20], strict=True):
        os.closerange(before + 1, after)


WALLS: dict[str, Callable[[WallPlan], None]] = {
    "disk": _disk,
    "no_new_privs": _no_new_privs,  # first: Landlock and seccomp rest on it, and it needs root's capabilities
    "uid": _uid,
    "capabilities": _capabilities,
    "unseen": _unseen,
    "limits": _limits,
    "landlock": _landlock,
    "seccomp": _seccomp,  # refuses what the walls above call
    "descriptors": _descriptors,
}


# ---------------------------------------------------------------- helpers


def readable_by(uid: int, path: str) -> bool:
    """Whether a process of user `uid`, in no group but its own, could open `path`; must be called as root.

    It is tried, not computed from modes, so that access lists and mounts count.
    """
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(uid)
    os.seteuid(uid)  # takes the effective capabilities away, and seteuid(0) gives them back
    try:
        os.close(os.open(os.path.join(path, ".") if os.path.isdir(path) else path, os.O_RDONLY))
    except OSError:
        return False
    else:
        return True
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def _needed() -> list[str]:
    """A file of the standard library and one of each package that students' code imports."""
    specs = map(importlib.util.find_spec, ("json", "numpy", "torch", "matplotlib", "IPython"))
    return [spec.origin for spec in specs if spec is not None and spec.origin is not None]


def _tasks_of(uid: int) -> int:
    """How many threads user `uid` has now: RLIMIT_NPROC counts them all."""
    count = 0
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.stat(f"/proc/{name}/task").st_uid == uid:
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:  # it has ended meanwhile
            continue
    return count


def _prctl(option: int, value: int) -> None:
    _checked(_libc.prctl(option, *map(ctypes.c_ulong, (value, 0, 0, 0))), "prctl")


def _checked(result: int, call: str, *about: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}", *about)
    return result
