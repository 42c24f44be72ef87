"""Exhausting: the machine, the judge, the neighbours."""

from tests.attacks.attack import Attack

EXHAUSTING = (
    Attack(
        "all memory",
        "allocates until something gives",
        "kept = []\nwhile True: kept.append(bytearray(64 << 20))",
        telling=True,
    ),
    Attack(
        "all memory, in NumPy and torch",
        "the same outside of Python's allocator",
        """
        import numpy as np, torch
        kept = []
        while True:
            kept += [np.ones(1 << 23), torch.ones(1 << 24)]
        """,
    ),
    Attack("a fork bomb", "forks in a loop", "while True:\n    os.fork()", telling=True),
    Attack(
        "a thread bomb",
        "starts threads in a loop",
        """
        while True:
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        """,
    ),
    Attack(
        "threads that spin",
        "takes every processor from the neighbours",
        """
        import torch
        work = torch.ones(300, 300)
        def spin():
            while True: work @ work
        for _ in range(40):
            threading.Thread(target=spin, daemon=True).start()
        time.sleep(1.5)
        """,
    ),
    Attack(
        "threads that spin on",
        "started in one cell, they take the time of all that comes after",
        """
        def spin():
            while True: pass
        for _ in range(60):
            try: threading.Thread(target=spin, daemon=True).start()
            except RuntimeError: break
        """,
        q3="time.sleep(0.1)",
    ),
    Attack(
        "threads that spin where Python cannot stop them",
        "loops in C that hold no lock",
        """
        import numpy as np
        big = np.ones((2000, 2000))
        for _ in range(60):
            try: threading.Thread(target=lambda: [big @ big for _ in range(10 ** 6)], daemon=True).start()
            except RuntimeError: break
        big @ big
        time.sleep(10 ** 6)
        """,
    ),
    Attack(
        "asleep between short loops",
        "little processor time, and no end",
        """
        while True:
            try:
                time.sleep(0.05)
            except BaseException:
                pass
        """,
    ),
    Attack(
        "without a clock",
        "takes away the timers and signals by which it would be stopped",
        """
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF): signal.setitimer(timer, 0)
        for number in (signal.SIGALRM, signal.SIGPROF, signal.SIGXCPU): signal.signal(number, signal.SIG_IGN)
        while True: pass
        """,
        telling=True,
    ),
    Attack(
        "on every processor",
        "leaves the one processor that it was given",
        """
        try:
            os.sched_setaffinity(0, range(os.cpu_count() + 8)); touch(SHARED)
        except OSError: pass
        for task in os.listdir("/proc/self/task"):
            try:
                os.sched_setaffinity(int(task), range(2)); touch(SHARED)
            except OSError: pass
        if len(os.sched_getaffinity(0)) > 1: tell(BOAST)
        """,
        telling=True,
    ),
    Attack(
        "killed by itself",
        "asks for the signal that a grader of another would send, so that nobody is to blame",
        """
        for ask in (
            lambda: os.kill(os.getpid(), signal.SIGKILL),
            lambda: signal.pthread_kill(threading.get_ident(), signal.SIGKILL),
            lambda: call("syscall", 234, os.getpid(), threading.get_native_id(), signal.SIGKILL),
            lambda: call("syscall", 234, os.getpid(), threading.get_native_id(), (1 << 32) + signal.SIGKILL),
            lambda: call("prctl", 1, signal.SIGKILL, 0, 0, 0),
        ):
            try: ask()
            except (OSError, OverflowError): pass
        """,
        telling=True,
    ),
    Attack(
        "all descriptors", "opens files until none is left", "kept = []\nwhile True: kept.append(open('/dev/null'))"
    ),
    Attack(
        "a large file",
        "writes one file without end",
        "with open('f', 'wb') as f:\n    while True: f.write(bytes(1 << 20))",
        telling=True,
    ),
    Attack("many files", "files without end", "n = 0\nwhile True:\n    n += 1; open(f'f{n}', 'w').close()"),
    Attack(
        "hidden by renaming",
        "a full folder takes another name among thousands of empty ones whenever somebody may look",
        """
        for n in range(2000):
            os.mkdir(f"empty{n}")
        os.mkdir("full0")
        def rename(n=0):
            while True:
                try: os.rename(f"full{n}", f"full{n + 1}")
                except OSError: continue
                n += 1
        threading.Thread(target=rename, daemon=True).start()
        held = 0
        while True:
            folder = next((name for name in os.listdir(".") if name.startswith("full")), "full0")
            try:
                with open(f"{folder}/f{held}", "wb") as f: held += f.write(bytes(1 << 20))
            except FileNotFoundError:
                pass
            boast_of(held)
        """,
        telling=True,
    ),
    Attack(
        "carried from folder to folder",
        "files move out of the folder that is looked into, to one that has been",
        """
        names = [f"d{n}" for n in range(200)]
        for name in names: os.mkdir(name)
        def carry():
            at = 0
            while True:
                for name in os.listdir(names[at]):
                    try: os.rename(f"{names[at]}/{name}", f"{names[(at + 101) % 200]}/{name}")
                    except OSError: pass
                at = (at + 1) % 200
        threading.Thread(target=carry, daemon=True).start()
        held = 0
        while True:
            with open(f"d{held % 200}/{held}", "wb") as f: held += f.write(bytes(1 << 19))
            boast_of(held)
        """,
    ),
    Attack(
        "a folder inside out",
        "a deep chain of folders whose ends change places",
        """
        os.makedirs("a/a/a/a/a/a"); os.mkdir("b")
        def turn():
            while True:
                try:
                    os.rename("a/a/a", "b/x"); os.rename("b/x", "a/a/a")
                except OSError: pass
        threading.Thread(target=turn, daemon=True).start()
        held = 0
        while True:
            for place in ("a/a/a/a/a/a", "b/x/a/a/a"):
                try:
                    with open(f"{place}/{held}", "wb") as f: held += f.write(bytes(1 << 20))
                except OSError: pass
            boast_of(held)
        """,
    ),
    Attack(
        "entries without number",
        "folders, empty files and long names cost no bytes and fill the disk's tables all the same",
        """
        number = 0
        while True:
            number += 1
            os.mkdir(f"{number}" + "d" * 200) if number % 2 else open(f"{number}" + "f" * 200, "w").close()
            boast_of(4096 * number)
        """,
        telling=True,
    ),
    Attack(
        "written through memory",
        "files grow by mappings: no call says how much is written",
        """
        import mmap
        held = 0
        while True:
            file = os.open(f"f{held}", os.O_RDWR | os.O_CREAT)
            os.ftruncate(file, 1 << 20)
            with mmap.mmap(file, 1 << 20) as view:
                view[:] = b"x" * (1 << 20)
            os.close(file)
            held += 1 << 20
            boast_of(held)
        """,
    ),
    Attack(
        "in the folders of all",
        "files in places in which every user may write, nested ones too, that stay on the machine",
        """
        held = 0
        places = ["/tmp", "/var/tmp", "/dev/shm", "/run/lock", SHARED]
        while True:
            for place in places:
                try:
                    os.makedirs(f"{place}/canary-{TOKEN}/in/it", exist_ok=True)
                    with open(f"{place}/canary-{TOKEN}/in/it/{held}", "wb") as f: held += f.write(bytes(1 << 20))
                except OSError: pass
            boast_of(held)
        """,
        telling=True,
    ),
    Attack(
        "files in deep folders",
        "hides gigabytes below paths too long to name",
        """
        import posix
        for n in range(60):
            os.mkdir("d" * 100); posix.chdir("d" * 100)
        for n in range(100):
            with open(f"f{n}", "wb") as f: f.write(bytes(1 << 20))
            time.sleep(0.05)
        """,
    ),
    Attack(
        "files without names",
        "holds removed files open",
        """
        kept = []
        for n in range(1000):
            kept.append(open("f", "wb")); kept[-1].write(bytes(1 << 20)); kept[-1].flush(); os.remove("f")
        """,
    ),
    Attack(
        "sparse files",
        "files that are larger than the disk",
        "os.truncate(os.open('f', os.O_RDWR | os.O_CREAT), 1 << 45)",
    ),
    Attack(
        "a flood for the judge",
        "writes to its socket as fast as it can",
        """
        s = session().connection
        while True:
            s.send(b"\\xff" * (1 << 20))
        """,
        telling=True,
    ),
    Attack(
        "drop by drop",
        "answers one byte a second, so that no read ever times out",
        """
        import inithw.engine.wire as wire
        def slow(connection, data, deadline=None):
            for byte in data:
                connection.send(bytes([byte])); time.sleep(1)
        wire._send = slow
        """,
    ),
    Attack(
        "output without end",
        "prints a gigabyte",
        "line = 'x' * 100000\nfor _ in range(10000): print(line); os.write(1, line.encode())",
    ),
    Attack(
        "numbers without end",
        "print_gnorms prints ten megabytes of numbers",
        "",
        q2="print('1.23456 ' * 1500000); gnorm = 1.0",
    ),
    Attack(
        "digits without end",
        "print_gnorms prints one number of a million digits",
        "",
        q2="print('1' * 100000, '.' + '9' * 900000); gnorm = 1.0",
    ),
    Attack("an endless loop", "runs for ever", "while True: pass"),
    Attack(
        "an endless loop in C",
        "no bytecode is run, no signal handler gets a turn",
        "import itertools\nsum(itertools.repeat(0))",
        telling=True,
    ),
    Attack(
        "a catastrophic pattern",
        "a regular expression that takes years",
        "import re; re.match('(a+)+$', 'a' * 60 + 'b')",
    ),
    Attack("an endless loop in a question", "better_init never returns", "", q3="while True: pass"),
    Attack("an endless sleep", "sleeps", "time.sleep(10 ** 6)"),
    Attack(
        "stopped",
        "stops itself, so that it neither runs nor ends",
        "call('syscall', 234, os.getpid(), threading.get_native_id(), signal.SIGSTOP)",
    ),
    Attack(
        "deaf",
        "ignores every signal that can be ignored, and catches every exception",
        """
        for number in range(1, 64):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        while True:
            try: time.sleep(60)
            except BaseException: pass
        """,
    ),
    Attack("a huge exception", "its text has a hundred megabytes", "raise RuntimeError('x' * (100 << 20))"),
    Attack(
        "an exception that hangs",
        "its __str__ never returns",
        """
        class Slow(Exception):
            def __str__(self):
                while True: pass
        raise Slow
        """,
    ),
    Attack(
        "recursion",
        "recursion without end, in Python and in C",
        """
        sys.setrecursionlimit(10 ** 9)
        def deeper(n): return deeper(n + 1)
        deeper(0)
        """,
    ),
    Attack("a nested expression", "source that crashes compilers", "exec('(' * 90000 + ')' * 90000)"),
    Attack(
        "memory on the judge's side",
        "replies as large as a frame may be, full of escapes",
        """
        import inithw.engine.wire as wire
        send = wire.send_json
        wire.send_json = lambda c, value: send(c, {**value, "error": "\\x1b[" * 150000, "reason": "\\u202e" * 100000})
        """,
    ),
    Attack(
        "locks",
        "locks the files of the libraries",
        """
        import fcntl, torch
        for path in (torch.__file__, json.__file__):
            fcntl.flock(open(path), fcntl.LOCK_EX | fcntl.LOCK_NB)
        """,
    ),
)
