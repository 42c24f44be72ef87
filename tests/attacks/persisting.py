"""Persisting: something of this submission lives on, or changes what the next one meets."""

from tests.attacks.attack import Attack

LIVE = """
def live():
    while True:
        time.sleep(0.05)
        try:
            touch(SHARED)
        except OSError:
            pass
"""

PERSISTING = (
    Attack(
        "at exit", "registers functions to run when the process ends", "import atexit; atexit.register(touch, SHARED)"
    ),
    Attack(
        "a daemon thread",
        "a thread that goes on after the grade",
        LIVE + "threading.Thread(target=live, daemon=True).start()",
        landlock=True,
    ),
    Attack("a fork", "a child that outlives its parent", LIVE + "if os.fork() == 0:\n    live()", telling=True),
    Attack(
        "a double fork",
        "a daemon in a session of its own",
        LIVE + "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        live()",
    ),
    Attack(
        "a process by raw clone",
        "clone without the library",
        LIVE + "if call('syscall', 56, 17, 0, 0, 0, 0) == 0:\n    live()",
    ),
    Attack(
        "multiprocessing",
        "a process through the standard library",
        LIVE + "import multiprocessing\nmultiprocessing.get_context('fork').Process(target=live).start()",
    ),
    Attack(
        "a program",
        "starts a shell in the background",
        """
        import subprocess
        script = f"while sleep 0.1; do date > {SHARED}/canary-{TOKEN}; done"
        subprocess.Popen(["sh", "-c", script], start_new_session=True)
        """,
        telling=True,
    ),
    Attack(
        "an executable of its own",
        "copies a program into its folder, makes it executable and runs it",
        """
        import shutil
        shutil.copy("/bin/sleep", "mine"); os.chmod("mine", 0o755); os.execv("./mine", ["mine", "60"])
        """,
    ),
    Attack(
        "a program without a file",
        "a memory file, executed through its descriptor",
        """
        number = call("memfd_create", b"x", 0)
        os.write(number, open("/bin/sleep", "rb").read())
        os.execve(number, ["sleep", "60"], {})
        """,
    ),
    Attack(
        "cron",
        "writes jobs where cron and systemd look",
        """
        for place in ("cron.d", "cron.hourly", "systemd/system", "init.d", "../var/spool/cron/crontabs"):
            try:
                touch(os.path.join("/etc", place))
            except OSError:
                pass
        """,
    ),
    Attack(
        "startup files of Python",
        ".pth, sitecustomize and usercustomize wherever Python looks",
        """
        import site, sysconfig
        places = [*site.getsitepackages(), site.getusersitepackages(), sysconfig.get_path("stdlib"), PROJECT]
        for place in places:
            for name in (f"canary-{TOKEN}.pth", f"canary-{TOKEN}.py"):
                try:
                    with open(os.path.join(place, name), "w") as file:
                        file.write("import sys")
                except OSError:
                    pass
        """,
        telling=True,
    ),
    Attack(
        "startup files of libraries",
        "matplotlibrc, IPython profiles, .bashrc in every home",
        """
        import pwd
        homes = [os.path.expanduser("~"), HOME, *{user.pw_dir for user in pwd.getpwall()}]
        for home in homes:
            for name in (".bashrc", ".config/matplotlib", ".ipython/profile_default/startup", ".jupyter", "."):
                try:
                    touch(os.path.join(home, name))
                except OSError:
                    pass
        """,
        landlock=True,
    ),
    Attack(
        "modules for the next one",
        "changes what the pre-loaded process has imported",
        """
        import torch, torch.nn as nn, numpy as np
        import inithw.engine.wire, inithw.engine.worker.session, inithw.engine.worker.walls
        nn.Linear.forward = nn.Module.__call__ = lambda self, x: x * 0
        torch.Tensor.norm = lambda self, *a: torch.zeros(())
        np.random.uniform = lambda *a: np.zeros(a[-1])
        inithw.engine.worker.walls.WALLS.clear(); inithw.engine.worker.walls.raise_walls = lambda *a: {}
        inithw.engine.worker.session.Session.run = inithw.engine.wire.send_json = lambda *a: None
        sys.modules["torch.optim"] = None; gc.freeze()
        """,
        telling=True,
    ),
    Attack(
        "compiled files",
        "poisons __pycache__ of the libraries",
        """
        import torch, numpy, inithw, importlib.util
        for module in (torch, numpy, inithw):
            try:
                cache = Path(importlib.util.cache_from_source(module.__file__))
                touch(cache.parent); cache.write_bytes(b"poison")
            except OSError:
                pass
        """,
    ),
    Attack(
        "notes for the next one",
        "leaves files where everybody may write",
        """
        for place in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/var/lock", SHARED):
            try:
                touch(place); os.mkdir(os.path.join(place, f"folder-{TOKEN}"))
            except OSError:
                pass
        """,
        telling=True,
    ),
    Attack(
        "shared memory",
        "segments that live until the machine restarts",
        """
        from multiprocessing import shared_memory
        for make in (
            lambda: shared_memory.SharedMemory(f"canary-{TOKEN}", create=True, size=64),
            lambda: call("shmget", 0x1717, 4096, 0o1600),
            lambda: call("msgget", 0x1717, 0o1600),
            lambda: call("semget", 0x1717, 1, 0o1600),
        ):
            try:
                make(); touch(SHARED)
            except (OSError, ImportError):
                pass
        """,
    ),
    Attack(
        "a key in the kernel",
        "stores data in the kernel's keyring",
        "call('syscall', 248, b'user', b'canary', b'data', 4, -4); touch(SHARED)",
    ),
    Attack(
        "its folder, kept",
        "a folder that cannot be removed: closed, deep, and with odd names",
        """
        os.makedirs("a/b/c"); open("a/b/c/\\udcff\\n", "w").close()
        os.mkdir("closed", 0o300); os.mkdir("closed/inside", 0o000); os.mkdir("none", 0)
        import posix
        for n in range(1200):  # more than a path has letters, and than Python's recursion goes down
            os.mkdir("deep"); posix.chdir("deep")
        """,
        telling=True,
    ),
    Attack(
        "timers and signals",
        "alarms and handlers that fire later",
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGALRM, lambda *a: touch(SHARED))
        signal.setitimer(signal.ITIMER_REAL, 0.3, 0.1)
        """,
    ),
)
