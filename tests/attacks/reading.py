"""Reading: keys, tests, others' work, the judge's memory."""

from tests.attacks.attack import Attack

READING = (
    Attack(
        "a closed file",
        "reads a file of the judge's user; its text would show",
        "tell(open(CLOSED).read())",
        telling=True,
    ),
    Attack(
        "a file open to all",
        "reads a file that every user may read",
        "tell(open(PUBLIC).read())",
        telling=True,
        landlock=True,
    ),
    Attack(
        "another's submission",
        "reads the neighbour's notebook in the same batch",
        "tell(open(NEIGHBOUR).read())",
        landlock=True,
    ),
    Attack("a folder of submissions", "lists the batch", "tell(os.listdir(os.path.dirname(NEIGHBOUR)))"),
    Attack(
        "the environment",
        "looks for the key in its own environment and its ancestors'",
        """
        found = [str(dict(os.environ))]
        for pid in ("self", os.getppid(), JUDGE, 1):
            try:
                found.append(open(f"/proc/{pid}/environ").read())
            except OSError as error:
                found.append(str(error))
        tell([text[text.find("INITHW_KEY"):][:200] for text in found if "INITHW_KEY" in text])
        """,
        telling=True,
    ),
    Attack(
        "command lines",
        "reads all command lines for secrets",
        """
        lines = [open(path, "rb").read() for path in glob.glob("/proc/[0-9]*/cmdline")]
        tell([line for line in lines if KEY_MARK.encode() in line] or "none of %d" % len(lines))
        """,
    ),
    Attack(
        "the judge's memory through /proc",
        "searches /proc/JUDGE/mem for the key",
        """
        maps = open(f"/proc/{JUDGE}/maps").read().splitlines()
        memory = open(f"/proc/{JUDGE}/mem", "rb")
        for line in maps:
            low, high = (int(part, 16) for part in line.split()[0].split("-"))
            if "[heap]" in line:
                memory.seek(low)
                data = memory.read(high - low)
                if (at := data.find(KEY_MARK.encode())) >= 0:
                    tell(data[at:at + 80])
        """,
        telling=True,
    ),
    Attack(
        "the judge's memory through process_vm_readv",
        "asks the kernel for another process's memory",
        """
        here = ctypes.create_string_buffer(64)
        local = (ctypes.c_size_t * 2)(ctypes.addressof(here), 64)
        there = (ctypes.c_size_t * 2)(id(json), 64)
        call("process_vm_readv", JUDGE, local, 1, there, 1, 0)
        touch(SHARED)
        """,
    ),
    Attack(
        "its own memory",
        "searches all objects of the worker for the key or an expected value",
        """
        found = []
        for o in gc.get_objects():
            for part in (o.values() if type(o) is dict else o if type(o) in (list, tuple) else ()):
                if isinstance(part, (str, bytes)) and KEY_MARK in str(part) and len(part) < 500:
                    found.append(part)
        tell([part for part in found if part != KEY_MARK and "KEY_MARK" not in str(part)])
        """,
    ),
    Attack(
        "the judge's package",
        "imports the challenge and the checks inside the worker and draws its own challenge",
        """
        from inithw.homework.challenge import draw_challenge
        from inithw.engine.settings import load_settings, find_config
        settings = load_settings(find_config(Path(PROJECT)))
        tell(settings.key)
        """,
    ),
    Attack(
        "neighbours' folders",
        "looks into the folders of other workers",
        """
        others = set(glob.glob(os.path.dirname(os.getcwd()) + "/inithw-*")) - {os.getcwd()}
        if [os.listdir(folder) for folder in others]:
            touch(SHARED)
        """,
    ),
    Attack(
        "open descriptors",
        "reads whatever the judge has left open",
        """
        texts = []
        for name in os.listdir("/proc/self/fd"):
            try:
                os.lseek(int(name), 0, 0)
                texts.append(os.read(int(name), 10000))
            except OSError:
                pass
        tell(texts)
        """,
    ),
    Attack(
        "magics",
        "reads and runs by IPython's own commands",
        """
        ip = get_ipython()
        output = ip.getoutput(f"cat {CLOSED}")
        ip.run_line_magic("load", CLOSED)
        ip.run_line_magic("cat", CLOSED)
        ip.system(f"cat {CLOSED} > {SHARED}/canary-{TOKEN}")
        tell(output)
        """,
    ),
    Attack(
        "a link to follow",
        "puts a link to a closed file into its folder",
        """
        os.symlink(CLOSED, "figure.png")
        tell(open("figure.png").read())
        """,
        telling=True,
    ),
    Attack(
        "raw disks",
        "reads memory and disks as devices",
        """
        for device in ("/dev/mem", "/dev/kmem", "/dev/vda", "/dev/sda", "/proc/kcore", "/dev/kmsg"):
            try:
                os.read(os.open(device, os.O_RDONLY), 512)
                touch(SHARED)
            except OSError:
                pass
        """,
    ),
)
