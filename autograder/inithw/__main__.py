"""Where the command `inithw` starts, so that Ctrl-C while its parts are still being imported ends it with a word."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from inithw.cli import main as run

        run()
    except KeyboardInterrupt:
        print("inithw: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
