"""Forging: points without an answer, by changing what checks, carries or describes the evidence."""

from tests.attacks.attack import Attack

CHAIN = """model = nn.Sequential(
    nn.Linear(1, width), nn.{0}(), nn.Linear(width, width), nn.{0}(), nn.Linear(width, width), nn.{0}(),
    nn.Linear(width, width), nn.{0}(), nn.Linear(width, 1),
)"""
WRONG = {
    "q1": CHAIN.format("Tanh"),
    "q2": "gnorm = param.grad.abs().sum()",
    "q3": "nn.init.constant_(module.weight, 1e-5)",
}
"""Wrong answers to all three questions: what a forger wants accepted."""

FORGING = (
    Attack(
        "comparisons of torch always agree",
        "patches torch.allclose and its kin; wrong answers would be accepted",
        """
        import torch
        for name in ("allclose", "equal", "isclose", "eq"):
            setattr(torch, name, lambda *a, **k: True)
        torch.testing.assert_close = lambda *a, **k: None
        torch.Tensor.__eq__ = torch.Tensor.__lt__ = torch.Tensor.__gt__ = lambda *a: True
        """,
        **WRONG,
    ),
    Attack(
        "comparisons of NumPy always agree",
        "patches numpy.allclose, isfinite, testing; wrong answers would be accepted",
        """
        import numpy as np
        for name in ("allclose", "array_equal", "isclose", "isfinite", "all", "any"):
            setattr(np, name, lambda *a, **k: True)
        np.testing.assert_allclose = lambda *a, **k: None
        np.max = np.median = np.std = lambda *a, **k: 0.0
        """,
        **WRONG,
    ),
    Attack(
        "builtins that flatter",
        "replaces isinstance, all, any, abs, sum, len in builtins; wrong answers would be accepted",
        """
        import builtins
        builtins.isinstance = builtins.all = builtins.any = lambda *a: True
        builtins.abs = builtins.sum = lambda *a: 0
        """,
        **WRONG,
    ),
    Attack(
        "json.dumps adds a score",
        "every reply of the worker carries score and items; a trusting judge would take them over",
        """
        dumps = json.dumps
        full = {"score": 10, "max_score": 10, "passed": True, "earned": 10, "status": "graded",
                "items": {"q1.layers": 1, "q2.norms": 2}, "tests": [{"name": "q1.layers", "score": 10}]}
        json.dumps = lambda value, **k: dumps({**value, **full} if isinstance(value, dict) else value)
        """,
        telling=True,
        **WRONG,
    ),
    Attack(
        "the wire's own sender is replaced",
        "inithw.engine.wire.send_json claims that all is available and right",
        """
        from inithw.engine import wire
        send = wire.send_json
        def forged(connection, value):
            send(connection, {**value, "error": "", "outputs": True, "ok": True, "score": 1e9, "reason": "passed"})
        wire.send_json = forged
        """,
    ),
    Attack(
        "floats are zeros",
        "inithw.engine.wire.send_floats sends as many zeros: NaN-free, finite, and wrong",
        """
        from inithw.engine import wire
        import numpy as np
        send = wire.send_floats
        wire.send_floats = lambda connection, *arrays: send(connection, *[np.zeros_like(a) for a in arrays])
        """,
        **WRONG,
    ),
    Attack(
        "floats are not numbers",
        "NaN and infinity for every output and weight; a comparison with NaN is false, also `error > tolerance`",
        """
        from inithw.engine import wire
        import numpy as np
        send = wire.send_floats
        wire.send_floats = lambda connection, *arrays: send(
            connection, *[np.full_like(a, np.nan if i % 2 else np.inf) for i, a in enumerate(arrays)])
        """,
        telling=True,
        **WRONG,
    ),
    Attack(
        "floats at the edge",
        "3e38 for every output and weight: sums overflow to infinity, differences to NaN",
        """
        from inithw.engine import wire
        import numpy as np
        send = wire.send_floats
        wire.send_floats = lambda connection, *arrays: send(
            connection, *[np.where(np.arange(a.size).reshape(a.shape) % 2, 3e38, -3e38) for a in arrays])
        """,
        **WRONG,
    ),
    Attack(
        "denormal floats",
        "numbers near 1e-40, with which processors compute a hundred times slower: the judge's training would crawl",
        """
        from inithw.engine import wire
        import numpy as np
        send = wire.send_floats
        draw = np.random.default_rng(0).normal
        wire.send_floats = lambda connection, *arrays: send(connection, *[draw(size=a.shape) * 1e-40 for a in arrays])
        """,
        **WRONG,
    ),
    Attack(
        "a session that answers by itself",
        "replaces the worker's handlers: any number, any structure, without an answer in the notebook",
        """
        import numpy as np
        kind = type(session())
        kind._model = lambda self, request, arrays: (
            {"variable": "model", "children": [], "parameters": 1321, "outputs": True}, [np.zeros_like(arrays[-1])])
        kind._norms = lambda self, request, arrays: ({"text": "0.weight 1.0000\\n" * 5}, [])
        """,
    ),
    Attack(
        "the token, from the frames",
        "reads the request's token off the call stack and sends an answer of its own before the worker does",
        """
        import inithw.engine.wire as wire, numpy as np
        def forge(kind):
            f = sys._getframe()
            while f is not None:
                request = f.f_locals.get("request")
                if isinstance(request, dict) and "token" in request:
                    s = session().connection
                    wire.send_json(s, {"token": request["token"], **kind})
                    return
                f = f.f_back
        """,
        q2="forge({'text': '\\n'.join(f'{2 * i}.weight 1.00000000' for i in range(5))}); gnorm = 1.0",
        q3="forge({'forward_error': '', 'score': 10})",
        telling=True,
    ),
    Attack(
        "frames into every descriptor",
        "writes well-formed frames to all that is open, socket included",
        """
        for name in os.listdir("/proc/self/fd"):
            try:
                os.write(int(name), frame({"token": "", "error": "", "outputs": True, "score": 10}) * 50)
            except OSError:
                pass
        """,
        telling=True,
    ),
    Attack(
        "answers before the questions",
        "a stock of replies with guessed tokens lies in the socket when the judge asks",
        """
        s = session().connection
        for n in range(100):
            s.send(frame({"token": f"{n:032x}", "error": "", "text": "0.weight 1.0"}))
        """,
    ),
    Attack(
        "every answer twice",
        "the second copy would be taken for the answer to the next question",
        """
        from inithw.engine import wire
        send = wire.send_json
        wire.send_json = lambda connection, value: (send(connection, value), send(connection, value))
        """,
        **WRONG,
    ),
    Attack(
        "one answer for all",
        "keeps the first token and uses it for every later answer",
        """
        from inithw.engine import wire
        send, kept = wire.send_json, []
        def repeat(connection, value):
            kept.append(value.get("token"))
            send(connection, {**value, "token": kept[0]})
        wire.send_json = repeat
        """,
        **WRONG,
    ),
    Attack(
        "the judge's question, answered and gone",
        "sends a header that promises floats and leaves the process",
        """
        from inithw.engine import wire
        send = wire.send_json
        def promise(connection, value):
            send(connection, {**value, "outputs": True})
            if "children" in value or "forward_error" in value:
                os._exit(0)
        wire.send_json = promise
        """,
        **WRONG,
    ),
    Attack(
        "numbers that equal everything",
        "print_gnorms formats objects whose comparisons always hold",
        """
        class Equal(float):
            __eq__ = __lt__ = __gt__ = __le__ = __ge__ = lambda *a: True
            __hash__ = float.__hash__
            __sub__ = __rsub__ = __abs__ = lambda *a: Equal(0)
        """,
        q2="gnorm = Equal(1.0)",
    ),
    Attack(
        "a number that is all numbers",
        "formats itself as thousands of candidates: one of them is right",
        """
        class Every:
            def __format__(self, spec):
                return " ".join(f"{1.002 ** n:.6g}" for n in range(7000))
            __float__ = lambda self: 1.0
        """,
        q2="gnorm = Every()",
    ),
    Attack(
        "a lying tensor",
        "a Tensor subclass that answers every comparison and reduction with what pleases",
        """
        import torch
        class Lie(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, args=(), kwargs=None):
                result = super().__torch_function__(function, types, args, kwargs or {})
                return torch.ones_like(result) if isinstance(result, torch.Tensor) else result
        """,
        q2="gnorm = param.grad.as_subclass(Lie).sum().as_subclass(torch.Tensor)",
        q3="module.weight.data = torch.full_like(module.weight, 0.3).as_subclass(Lie)",
    ),
    Attack(
        "a lying Sequential",
        "says that it has nine children and 1321 parameters, and returns zeros",
        """
        import torch, torch.nn as nn
        class Liar(nn.Sequential):
            __len__ = lambda self: 9
            def parameters(self, recurse=True):
                yield torch.zeros(1321)
            def forward(self, x):
                return torch.zeros(len(x), 1)
        """,
        q1="model = Liar(nn.Linear(1, 1))",
    ),
    Attack(
        "layers by another name",
        "modules whose class is called Linear or ReLU and does something else",
        """
        import torch.nn as nn
        Linear = type("Linear", (nn.Linear,), {"forward": lambda self, x: nn.Linear.forward(self, x) * 0})
        ReLU = type("ReLU", (nn.Tanh,), {})
        """,
        q1=CHAIN.format("Tanh").replace("nn.Linear", "Linear").replace("nn.Tanh", "ReLU"),
    ),
    Attack(
        "another activation in torch's place",
        "nn.ReLU is Tanh, and the forward method of the true one is another",
        """
        import torch.nn as nn
        nn.ReLU.forward = lambda self, x: x.tanh()
        nn.ReLU = nn.Tanh
        """,
        q1=CHAIN.format("ReLU"),
    ),
    Attack(
        "another forward in torch's ReLU",
        "the class is torch's own, what it does is not",
        """
        import torch.nn as nn
        nn.ReLU.forward = lambda self, x: x.tanh()
        """,
        q1=CHAIN.format("ReLU"),
    ),
    Attack(
        "another kernel in torch's relu",
        "classes, methods and functions are torch's own; what the dispatcher calls is not",
        """
        import torch
        library = torch.library.Library("aten", "IMPL")
        library.impl("relu", lambda x: torch.tanh(x), "CPU")
        library.impl("relu_", lambda x: x.copy_(torch.tanh(x)), "CPU")
        library.impl("clamp_min", lambda x, least: torch.tanh(x), "CPU")
        """,
        q1=CHAIN.format("ReLU"),
    ),
    Attack(
        "a function mode without end",
        "torch's switch for all its functions: copies are not made, comparisons hold; wrong answers would be accepted",
        """
        import torch
        from torch.overrides import TorchFunctionMode
        class Mode(TorchFunctionMode):
            def __torch_function__(self, function, types, args=(), kwargs=None):
                if function in (torch.Tensor.copy_, torch.Tensor.detach, torch.Tensor.numpy):
                    return args[0]
                return True if function is torch.equal else function(*args, **(kwargs or {}))
        Mode().__enter__()
        """,
        **WRONG,
    ),
    Attack(
        "a thread that mends the printout",
        "looks for what the worker keeps of the output and writes other norms into it",
        """
        def mend():
            while True:
                for thing in gc.get_objects():
                    if type(thing).__name__ == "_BoundedBytes" and thing.kept:
                        thing.kept[:] = b"0.weight 1000.0"
                time.sleep(0.001)
        threading.Thread(target=mend, daemon=True).start()
        """,
        **WRONG,
    ),
    Attack(
        "a class that everything is an instance of",
        "replaces nn.Linear by one whose metaclass says yes",
        """
        import torch.nn as nn
        class Yes(type(nn.Module)):
            __instancecheck__ = __subclasscheck__ = lambda *a: True
        class Linear(nn.Module, metaclass=Yes):
            pass
        nn.Linear = Linear
        """,
    ),
    Attack(
        "copies that are not taken",
        "__deepcopy__ and state loading keep the network as it was: the judge's weights never arrive",
        """
        import torch.nn as nn
        nn.Parameter.copy_ = lambda self, *a, **k: self
        nn.Module.__deepcopy__ = lambda self, memo: self
        """,
        q1=CHAIN.format("Tanh"),
    ),
    Attack(
        "conversion to NumPy is replaced",
        "Tensor.numpy and detach hand over ones",
        """
        import numpy as np, torch
        torch.Tensor.detach = torch.Tensor.cpu = lambda self: torch.ones(self.shape)
        torch.Tensor.numpy = lambda self, **k: np.ones(tuple(self.shape), np.float32)
        np.ascontiguousarray = lambda array, dtype=None: np.ones(np.shape(array), dtype)
        """,
        **WRONG,
    ),
    Attack(
        "constants of the interpreter",
        "overwrites small integers and floats in memory through ctypes",
        "ctypes.memmove(id(2) + 24, ctypes.byref(ctypes.c_long(10)), 8)",
        **WRONG,
    ),
    Attack(
        "a results file",
        "writes results.json wherever a harness may look for it",
        """
        for place in (".", SHARED, "/autograder/results", os.path.dirname(CLOSED)):
            try:
                with open(os.path.join(place, "results.json"), "w") as file:
                    json.dump({"score": 10, "tests": []}, file)
            except OSError:
                pass
        """,
        telling=True,
        landlock=True,
    ),
    Attack(
        "results on standard output",
        "prints a record like the judge's to every stream",
        """
        record = json.dumps({"submission": "x", "score": 10.0, "max_score": 10.0, "status": "graded"})
        for stream in (sys.stdout, sys.__stdout__, sys.stderr):
            print(record, file=stream, flush=True)
        for number in (1, 2):
            os.write(number, record.encode() + b"\\n")
        """,
    ),
    Attack(
        "Otter's own calls",
        "uses the grader that the notebook may import to set a score",
        """
        import otter
        grader = otter.Notebook()
        grader.check_all(); grader.export()
        try:
            from otter.test_files import GradingResults, TestFile
            GradingResults.total = GradingResults.possible = 500
            TestFile.update_score(500)
        except Exception:
            pass
        """,
    ),
    Attack(
        "metadata that says full marks",
        "scores and results in the notebook's metadata",
        metadata={"otter": {"score": 10, "OK_FORMAT": True, "tests": {"q1": {"points": 500}}}, "score": 10},
        **WRONG,
    ),
    Attack(
        "brackets without end",
        "a reply of half a million brackets: a recursive reader would crash",
        """
        import inithw.engine.wire as wire
        s = session().connection
        wire.send_json = lambda connection, value: s.sendall(struct.pack(">I", 900000) + b"[" * 900000)
        """,
        telling=True,
    ),
    Attack(
        "a frame of four gigabytes",
        "announces 2**32 - 1 bytes: a trusting reader would wait or allocate",
        "session().connection.sendall(struct.pack('>I', 2**32 - 1) + b'{' * 1000); time.sleep(30)",
    ),
    Attack(
        "types that are not expected",
        "text for numbers, numbers for text, huge integers, booleans, lists of lists in every field",
        """
        import inithw.engine.wire as wire
        send = wire.send_json
        values = iter([1e308, -1, True, None, [], {}, "NaN", [[]] * 300, 10 ** 4000] * 50)
        def odd(connection, value):
            send(connection, {k: v if k in ("token", "error") else next(values) for k, v in value.items()})
        wire.send_json = odd
        """,
        **WRONG,
    ),
    Attack(
        "more children than stars",
        "describes a network of a hundred thousand layers, with names as long as books",
        """
        import inithw.homework.worker.answers as answers
        answers.describe_children = lambda network: [{"kind": "Linear" * 9, "fan_in": 1 << 39}] * 9000
        """,
        q1=CHAIN.format("Tanh"),
    ),
    Attack(
        "an exception that says passed",
        "its text looks like the judge's record of a full score",
        """
        class passed(Exception):
            pass
        raise passed("\\nq1.layers 1/1 ok\\n{'score': 10.0, 'status': 'graded', 'state': 'passed'}")
        """,
    ),
    Attack(
        "code that reads itself as given",
        "a cell that claims to be the handout's by its id and metadata",
        "CLAIM = 'given'; import builtins; builtins.NotImplementedError = type('Fine', (BaseException,), {})",
        metadata={"given": True, "demonstration": True},
    ),
)
