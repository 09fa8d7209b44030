#!/usr/bin/env python3
"""Brings another configuration into force on a Debian machine, as nixpkgs' switch-to-configuration does with units.

    switch-to-configuration test

The script is in a folder `bin` of the new system; beside that is its `etc`. What matters of the original: a socket is left
alone, whatever changed in it; a unit of which nothing but X-Reload-Triggers changed, or that has X-ReloadIfChanged, is
reloaded; one with X-StopIfChanged=false is restarted; any other is stopped before the new configuration is there and started
after it. What the machine does not have any more is stopped, and what its targets want is started.
"""

import filecmp
import re
import shutil
import subprocess
from pathlib import Path

NEW = Path(__file__).resolve().parent.parent / "etc"
OLD = Path("/etc")
UNITS = "systemd/system"
TARGETS = ["sockets.target", "timers.target", "multi-user.target"]


def units(root: Path) -> dict[str, str]:
    """The text of each unit that is a file; links enable units, or come with Debian."""
    found = (root / UNITS).glob("*.*")
    return {path.name: path.read_text() for path in found if path.is_file() and not path.is_symlink()}


def systemctl(verb: str, names: list[str]) -> None:
    if names:
        print(verb, *names, flush=True)
        subprocess.run(["systemctl", verb, *names], check=True)


def is_active(name: str) -> bool:
    return subprocess.run(["systemctl", "is-active", "--quiet", name]).returncode == 0


def says(unit: str, key: str, value: str) -> bool:
    return f"\n{key}={value}\n" in unit


def without_triggers(unit: str) -> str:
    return re.sub(r"^X-Reload-Triggers=.*\n", "", unit, flags=re.M)


def enable(name: str, unit: str) -> None:
    for target in re.findall(r"^WantedBy=(.*)$", unit, re.M):
        link = OLD / UNITS / f"{target}.wants" / name
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(f"/etc/{UNITS}/{name}")


def site_changed() -> bool:
    """Whether nginx is to read something else."""
    pairs = [(path, OLD / path.relative_to(NEW)) for path in (NEW / "nginx").rglob("*") if path.is_file()]
    return any(not old.is_file() or not filecmp.cmp(new, old, shallow=False) for new, old in pairs)


def main() -> None:
    old, new = units(OLD), units(NEW)
    active = {name for name in old if is_active(name)}
    stop = [name for name in old if name in active and name not in new]
    reload, restart, start = [], [], list(TARGETS)
    for name in sorted(active & new.keys()):
        if old[name] == new[name] or name.endswith(".socket"):
            continue
        if without_triggers(old[name]) == without_triggers(new[name]) or says(new[name], "X-ReloadIfChanged", "true"):
            reload.append(name)
        elif says(new[name], "X-RestartIfChanged", "false"):
            continue
        elif says(new[name], "X-StopIfChanged", "false"):
            restart.append(name)
        else:
            stop.append(name)
            start.append(name)
    has_site = (NEW / "nginx").is_dir()
    site = site_changed()
    if is_active("nginx.service") and not has_site:
        stop.append("nginx.service")

    systemctl("stop", stop)
    for name in old.keys() - new.keys():
        for link in (OLD / UNITS).glob(f"*.wants/{name}"):
            link.unlink()
        (OLD / UNITS / name).unlink()
    shutil.copytree(NEW, OLD, dirs_exist_ok=True)
    for name, unit in new.items():
        enable(name, unit)
    subprocess.run(["systemd-sysusers"], check=True)
    subprocess.run(["systemd-tmpfiles", "--create"], check=False)
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    if has_site and site:
        systemctl("reload-or-restart", ["nginx.service"])
    systemctl("reload", reload)
    systemctl("restart", restart)
    systemctl("start", start)


if __name__ == "__main__":
    main()
