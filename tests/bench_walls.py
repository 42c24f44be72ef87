"""What the walls cost per submission after the first: `python tests/bench_walls.py [PAIRS]`.

Children are forked from a process with torch loaded, as workers are, with all walls and with none in turn: the
machine's other load meets both alike. Timed is from the fork to the child's end, its folder's removal included.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import inithw.engine.worker.session  # noqa: F401 - what the pre-loaded process has in memory
from inithw.engine.folders import remove_tree
from inithw.engine.records import Limits
from inithw.engine.sandbox import Sandbox
from inithw.engine.wire.plan import WallPlan
from inithw.engine.worker.walls import WALLS, raise_walls
from inithw.homework.definition import HOMEWORK


def seconds(readable: tuple[str, ...], walls: tuple[str, ...]) -> float:
    """How long a child lives that raises these walls and does nothing else."""
    started = time.perf_counter()
    scratch = tempfile.mkdtemp(prefix="bench-")
    child = os.fork()
    if child == 0:
        limits = Limits()
        plan = WallPlan(
            uid=64990 if os.geteuid() == 0 else None,
            scratch=scratch,
            readable=readable,
            memory_bytes=limits.memory_bytes,
            total_seconds=60,
            scratch_bytes=limits.scratch_bytes,
            scratch_entries=1000,
            file_bytes=limits.scratch_bytes,
            open_files=64,
            processes=limits.processes,
            keep=(),
            required=(),
        )
        report = raise_walls(plan, walls)
        os._exit(any(state != "up" for name, state in report.items() if name not in ("disk", "uid")))
    status = os.waitpid(child, 0)[1]
    remove_tree(Path(scratch))
    assert status == 0, "a wall is down: see `inithw doctor`"
    return time.perf_counter() - started


if __name__ == "__main__":
    pairs = int(sys.argv[1]) if sys.argv[1:] else 100
    readable = Sandbox(HOMEWORK.worker).readable
    times = [(seconds(readable, tuple(WALLS)), seconds(readable, ())) for _ in range(pairs)]
    walled, bare = (1000 * statistics.median(column) for column in zip(*times, strict=True))
    cost = 1000 * statistics.median(with_walls - without for with_walls, without in times)
    print(f"median of {pairs} pairs: {walled:.1f} ms with walls, {bare:.1f} ms without; the walls cost {cost:.1f} ms")
