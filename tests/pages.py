"""What a real browser says about a page of ours: errors, requests, and what axe-core finds."""

from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe


@dataclass
class Seen:
    """What happened while a page was open."""

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)


def opened(chromium, path: Path, **context):
    """A tab with the page, and what is seen of it from now on; the caller closes the tab's context."""
    tab = chromium.new_context(**context).new_page()
    seen = Seen()
    tab.on("console", lambda message: seen.errors.append(message.text))
    tab.on("pageerror", lambda error: seen.errors.append(str(error)))
    tab.on("request", lambda request: seen.requests.append(request.url))
    tab.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
    tab.goto(path.resolve().as_uri())
    return tab, seen


def violations(tab):
    """What axe-core finds, {rule: elements}."""
    results = Axe().run(tab).response
    assert len(results["passes"]) > 3
    return {rule["id"]: [node["html"][:200] for node in rule["nodes"]] for rule in results["violations"]}
