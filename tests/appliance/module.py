"""The NixOS module as a Debian machine has it, as `tests/nix.sh --render` wrote it out."""

import re
import shutil
from pathlib import Path

from roots import cache

TESTS = Path(__file__).resolve().parent.parent.parent / "nixos" / "tests"
# Where a NixOS machine has /run/current-system.
SYSTEM = "usr/lib/system"

# A server that Debian does not have; tests of S3 bring it.
GARAGE = "usr/bin/garage"
# Machines without the module: what a person does there who follows the manual. Their scripts are beside this file.
BY_THE_MANUAL = ("by-hand", "caddy", "proxies")
HERE = Path(__file__).resolve().parent
MANUAL = HERE.parent.parent / "src/hold/manual"
MANUAL_OF_REGISTRY = HERE.parent.parent / "src/appview/manual"
# Servers that such machines have all the same, from the machines with the module: the directory of accounts, their PDS.
SERVERS = {
    "boot": ["etc/systemd/system/plc.service"],
    "registry": ["etc/systemd/system/pds.service", "etc/pds.py"],
}


def names() -> list[str]:
    """The tests that have a machine of their own."""
    return sorted([*BY_THE_MANUAL, *(path.stem for path in TESTS.glob("*.nix"))])


def files(machines: Path, test: str, binary: Path, appview: Path | None = None) -> dict[str, str | Path]:
    """What the machine of a test has on its disk, besides Debian."""
    if test in BY_THE_MANUAL:
        built = {"atcr-hold": binary, "atcr-appview": appview or Path("atcr-appview")}
        programs = {f"root/target/release/{name}": path for name, path in built.items()}
        return programs | {name: (machines / of / name).read_text() for of, names in SERVERS.items() for name in names}
    rendered = machines / test
    found: dict[str, str | Path] = {"usr/bin/atcr-hold": binary}
    # What people call: the module's own wrappers.
    for command in (rendered / "etc/commands").iterdir():
        found[f"usr/local/bin/{command.name}"] = command.read_text()
    found["etc/tmpfiles.d/current-system.conf"] = f"L /run/current-system - - - - /{SYSTEM}\n"
    if (rendered / "etc/atcr-appview").exists():
        found["usr/bin/atcr-appview"] = appview or Path("atcr-appview")
    if (rendered / "etc/garage.toml").exists():
        kept = cache().parent / "garage-2.5.0/bin/garage"
        found[GARAGE] = Path(shutil.which("garage") or kept)
    systems = [rendered, *sorted((rendered / "specialisation").glob("*"))]
    for system in systems:
        inside = f"{SYSTEM}/{system.relative_to(rendered)}"
        found[f"{inside}/bin/switch-to-configuration"] = (HERE / "switch.py").read_text()
        for path in sorted((system / "etc").rglob("*")):
            if path.is_file():
                name = path.relative_to(system).as_posix()
                found[f"{inside}/{name}"] = path.read_text()
                if system is rendered:
                    found[name] = path.read_text()
    return found


def lacking(files: dict[str, str | Path]) -> str | None:
    """What the machine's disk cannot have because it is not here."""
    missing = [name for name, content in files.items() if isinstance(content, Path) and not content.is_file()]
    return f"there is no {', '.join(missing)} to give it" if missing else None


def script(test: str) -> str:
    """The test's text, after what all tests begin with."""
    common = (TESTS / "common" / "script.py").read_text()
    if test in BY_THE_MANUAL:
        parts = (steps(), guide(), proxies(), registry_steps(), caddyfiles())
        pages = "STEPS, GUIDE, PROXIES, REGISTRY_STEPS, CADDYFILES = " + repr(parts)
        return f"{common}\n{pages}\n{(HERE / f'{test}.py').read_text()}"
    return common + (TESTS / f"{test}.py").read_text()


def steps() -> list[str]:
    """The commands of the manual's page on Debian, a text for each block."""
    return blocks((MANUAL / "debian.md").read_text())


def guide() -> dict[str, list[str]]:
    """The commands of the manual's page on backups, by the part they are in."""
    parts = (MANUAL / "backup.md").read_text().split("\n## ")[1:]
    return {part.split("\n", 1)[0]: blocks(part) for part in parts}


def proxies() -> list[str]:
    """The configurations of the manual's page on reverse proxies: nginx once, nginx in a server block, HAProxy."""
    return blocks((MANUAL / "proxy.md").read_text(), "nginx|haproxy")


def registry_steps() -> list[str]:
    """The commands of the front end's manual on running it: install, upgrade."""
    return blocks((MANUAL_OF_REGISTRY / "running.md").read_text())


def caddyfiles() -> list[str]:
    """The manuals' configurations of Caddy: before a hold, before both on one name, before the front end."""
    pages = [(folder / "proxy.md").read_text() for folder in (MANUAL, MANUAL_OF_REGISTRY)]
    return [text for page in pages for text in blocks(page, "caddyfile")]


def blocks(text: str, languages: str = "sh") -> list[str]:
    return re.findall(rf"^```(?:{languages})\n(.*?)^```$", text, re.M | re.S)
