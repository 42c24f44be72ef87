"""How long the report of a class takes to write, and a browser to show it: `python -m tests.bench_report`."""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from inithw.engine.course.overview import write_report
from inithw.homework.definition import HOMEWORK
from playwright.sync_api import Browser, sync_playwright

from tests.made_up_class import made_up


def shown(browser: Browser, report: Path) -> tuple[float, float]:
    """Seconds until the table can be sorted and searched: by the clock, and of processor time of the page's thread."""
    context = browser.new_context()
    tab = context.new_page()
    session = context.new_cdp_session(tab)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    started = time.monotonic()
    tab.goto(report.resolve().as_uri())
    tab.locator(".dt-info").wait_for()
    wall = time.monotonic() - started
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    context.close()
    return wall, metrics["TaskDuration"]


def main() -> None:
    """Print a line for each size of class."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, nargs="+", default=[60, 1000, 2000])
    options = parser.parse_args()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as name:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        for students in options.students:
            folder = made_up(Path(name), students)
            started = time.process_time()
            report = write_report(folder, HOMEWORK, ())
            wrote = time.process_time() - started
            walls, spent = zip(*(shown(browser, report) for _ in range(5)), strict=True)
            print(
                f"{students:5} students: written in {wrote:.2f} s of processor time, "
                f"{report.stat().st_size / 1e6:.1f} MB; usable after {statistics.median(walls):.2f} s, "
                f"of them {statistics.median(spent):.2f} s of processor time"
            )


if __name__ == "__main__":
    main()
