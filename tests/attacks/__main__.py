"""Try every attack in each setting, and print the table: `python -m tests.attacks [--setting NAME] [--sample]`.

Settings are emulated by starting this program again with fewer rights, the grading key in its environment.
"""

from __future__ import annotations

import argparse
import dataclasses
import errno
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from tests.attacks import ATTACKS, CATEGORIES, Attack
from tests.attacks.proving_ground import KEY_MARK, Outcome, run

PROJECT = Path(__file__).parents[2]
SKELETON = PROJECT / "assignment" / "homework.ipynb"

# What Docker leaves to root in a container by default
_CAPABILITIES = """
    chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod audit_write
    setfcap
"""
# ... and what its seccomp profile refuses without CAP_SYS_ADMIN, shortened to what attacks use; `clone` with
# namespaces besides
_REFUSED = """
    unshare setns mount umount2 pivot_root move_mount open_tree fsopen bpf perf_event_open keyctl add_key request_key
    userfaultfd io_uring_setup kcmp init_module finit_module delete_module kexec_load reboot swapon acct quotactl
"""
_NEW_NAMESPACES = 0x7E020000
_AN_OLD_KERNEL = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"
_CONTAINER = ("setpriv", "--inh-caps=-all", "--bounding-set=-all," + ",".join(f"+{c}" for c in _CAPABILITIES.split()))

SETTINGS: dict[str, tuple[tuple[str, ...], str]] = {
    "as it is": ((), ""),
    "plain container": (_CONTAINER, _REFUSED),
    "plain container, old kernel": (_CONTAINER, _REFUSED + _AN_OLD_KERNEL),
    "ordinary user": (("setpriv", "--reuid=12321", "--regid=12321", "--clear-groups"), ""),
}
"""How this program is started again, and which system calls do not exist for it then; all but the first need root."""


def try_in(setting: str, names: Sequence[str] | None = None) -> list[Outcome]:
    """Run attacks in a setting.

    Args:
        setting: Of `SETTINGS`.
        names: Of attacks; all by default.

    Raises:
        subprocess.CalledProcessError: The attempt itself failed.
    """
    wrapper, _refused = SETTINGS[setting]
    command = [*wrapper, sys.executable, "-m", "tests.attacks", "--inside", setting]
    with tempfile.TemporaryDirectory(prefix="home-") as home:
        os.chmod(home, 0o777)
        environment = {**os.environ, "HOME": home, "INITHW_KEY": KEY_MARK + secrets.token_hex(8)}
        done = subprocess.run(
            command,
            input=json.dumps(names),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd=PROJECT,
            env=environment,
        )
    return [
        Outcome(**{**json.loads(line), "breaches": tuple(json.loads(line)["breaches"])})
        for line in done.stdout.splitlines()
    ]


def _inside(setting: str) -> None:
    names = json.load(sys.stdin)
    _refuse(SETTINGS[setting][1].split())
    attacks = [attack for attack in ATTACKS if names is None or attack.name in names]

    def report(outcome: Outcome) -> None:
        os.write(results, (json.dumps(dataclasses.asdict(outcome)) + "\n").encode())

    results = os.dup(1)
    os.dup2(2, 1)  # what else is printed is no outcome
    run(attacks, skeleton=SKELETON, key=os.environ["INITHW_KEY"], on_done=report)


def _refuse(names: Sequence[str]) -> None:
    """Take system calls away from this process and all that it starts, as a container's filter does."""
    if not names:
        return
    import pyseccomp

    table = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in names:
        if pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) >= 0:
            table.add_rule(pyseccomp.ERRNO(errno.ENOSYS if name.startswith("landlock") else errno.EPERM), name)
    for bit in (1 << n for n in range(32) if _NEW_NAMESPACES >> n & 1):
        table.add_rule(pyseccomp.ERRNO(errno.EPERM), "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, bit, bit))
    table.load()


def claimed(attack: Attack, setting: str) -> bool:
    """Whether the attack must be contained in the setting: some things only Landlock keeps out."""
    return not (attack.landlock and setting.endswith("old kernel"))


def _table(settings: Sequence[str], attacks: Sequence[Attack]) -> bool:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(title="attacks contained, of those tried", title_justify="left")
    table.add_column("category")
    counts: dict[str, dict[str, str]] = {}
    contained = True
    for setting in settings:
        outcomes = {outcome.name: outcome for outcome in try_in(setting, [attack.name for attack in attacks])}
        table.add_column(setting, justify="right")
        counts[setting] = {}
        for category, members in CATEGORIES.items():
            tried = [attack for attack in members if attack.name in outcomes]
            good = [attack for attack in tried if not outcomes[attack.name].breaches]
            counts[setting][category] = f"{len(good)}/{len(tried)}"
            for attack in tried:
                for breach in outcomes[attack.name].breaches:
                    known = "" if claimed(attack, setting) else " (not claimed without Landlock)"
                    contained &= not claimed(attack, setting)
                    console.print(f"{setting}: {category}: {escape(attack.name)}: {escape(breach)}{known}")
    for category in CATEGORIES:
        table.add_row(category, *(counts[setting][category] for setting in settings))
    console.print(table)
    return contained


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    parser.add_argument("--setting", action="append", choices=SETTINGS, help="only this one; may be repeated")
    parser.add_argument("--sample", action="store_true", help="only the attacks that tell settings apart")
    parser.add_argument("--inside", choices=SETTINGS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        _inside(arguments.inside)
        return
    possible = list(SETTINGS) if os.geteuid() == 0 else ["as it is"]
    attacks = [attack for attack in ATTACKS if attack.telling or not arguments.sample]
    sys.exit(0 if _table(arguments.setting or possible, attacks) else 1)


if __name__ == "__main__":
    _main()
