"""The verbs of the NixOS test driver, over anything that can run a command on a machine.

<https://nixos.org/manual/nixos/stable/#ssec-machine-objects>
"""

import base64
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# As patient as the original: reached only when something hangs.
PATIENCE_S = 900


class RequestedAssertionFailed(AssertionError):
    """A machine is not as the script says."""


class Machine:
    """What a test script sees of a machine; the two kinds fill in how it starts, ends and runs a command."""

    kind = "none"

    def __init__(self, name: str, files: dict[str, str | Path]) -> None:
        self.name = name
        self.booted = False
        # Path below / -> text, or a file that is copied with its mode.
        self.files = files
        self.directory = Path(tempfile.mkdtemp(prefix=f"atcr-hold-{name}-"))
        self.boot_s = 0.0

    # To be filled in.

    def _boot(self) -> None:
        raise NotImplementedError

    def _run(self, command: str, timeout: float | None) -> tuple[int, str]:
        raise NotImplementedError

    def _end(self) -> None:
        """Kills what is left of the machine. Its disk stays."""
        raise NotImplementedError

    # Coming and going.

    def start(self, allow_reboot: bool = False) -> None:
        if self.booted:
            return
        began = time.monotonic()
        self._boot()
        self.booted = True
        self.boot_s = time.monotonic() - began

    def shutdown(self) -> None:
        if self.booted:
            self.execute("systemctl poweroff --no-block", check_return=False)
            self._wait_until_off()
            self.booted = False

    def _wait_until_off(self) -> None:
        raise NotImplementedError

    def crash(self) -> None:
        """As if the plug were pulled."""
        self._end()
        self.booted = False

    def close(self) -> None:
        """Leaves nothing behind."""
        self._end()
        self.booted = False
        shutil.rmtree(self.directory, ignore_errors=True)

    # Commands.

    def execute(
        self, command: str, check_return: bool = True, check_output: bool = True, timeout: float | None = PATIENCE_S
    ) -> tuple[int, str]:
        self.start()
        return self._run("set -euo pipefail; " + command, timeout)

    def succeed(self, *commands: str, timeout: float | None = None) -> str:
        output = ""
        for command in commands:
            status, out = self.execute(command, timeout=timeout or PATIENCE_S)
            if status != 0:
                raise RequestedAssertionFailed(f"command `{command}` failed (exit code {status})\n{out}")
            output += out
        return output

    def fail(self, *commands: str, timeout: float | None = None) -> str:
        output = ""
        for command in commands:
            status, out = self.execute(command, timeout=timeout or PATIENCE_S)
            if status == 0:
                raise RequestedAssertionFailed(f"command `{command}` unexpectedly succeeded\n{out}")
            output += out
        return output

    def sleep(self, secs: float) -> None:
        self.succeed(f"sleep {secs}")

    # Waiting.

    def _retry(self, what: str, done: Callable[[], bool], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        pause = 0.05
        while not done():
            if time.monotonic() > deadline:
                raise RequestedAssertionFailed(f"{self.name}: {what}: not within {timeout} s")
            time.sleep(pause)
            pause = min(1.0, pause * 1.5)

    def wait_until_succeeds(self, command: str, timeout: float = PATIENCE_S) -> str:
        output = ""

        def done() -> bool:
            nonlocal output
            status, output = self.execute(command, timeout=timeout)
            return status == 0

        self._retry(f"`{command}`", done, timeout)
        return output

    def wait_until_fails(self, command: str, timeout: float = PATIENCE_S) -> str:
        output = ""

        def done() -> bool:
            nonlocal output
            status, output = self.execute(command, timeout=timeout)
            return status != 0

        self._retry(f"failure of `{command}`", done, timeout)
        return output

    def wait_for_unit(self, unit: str, user: str | None = None, timeout: float = PATIENCE_S) -> None:
        def done() -> bool:
            state = self.get_unit_property(unit, "ActiveState")
            if state == "failed":
                raise RequestedAssertionFailed(f'unit "{unit}" reached state "failed"')
            if state == "inactive" and "No jobs" in self.succeed("systemctl list-jobs --full 2>&1"):
                if self.get_unit_property(unit, "ActiveState") == "inactive":
                    raise RequestedAssertionFailed(f'unit "{unit}" is inactive and there are no pending jobs')
            return state == "active"

        self._retry(f"unit {unit}", done, timeout)

    def wait_for_open_port(self, port: int, addr: str = "localhost", timeout: float = PATIENCE_S) -> None:
        self.wait_until_succeeds(f"exec 3<>/dev/tcp/{addr}/{port}", timeout)

    def wait_for_closed_port(self, port: int, addr: str = "localhost", timeout: float = PATIENCE_S) -> None:
        self.wait_until_fails(f"exec 3<>/dev/tcp/{addr}/{port}", timeout)

    def wait_for_file(self, filename: str, timeout: float = PATIENCE_S) -> None:
        self.wait_until_succeeds(f"test -e {shlex.quote(filename)}", timeout)

    # Units and files.

    def systemctl(self, q: str, user: str | None = None) -> tuple[int, str]:
        return self.execute(f"systemctl {q}")

    def get_unit_info(self, unit: str, user: str | None = None) -> dict[str, str]:
        shown = self.succeed(f"systemctl --no-pager show {shlex.quote(unit)}")
        return dict(line.split("=", 1) for line in shown.splitlines() if re.match(r"[^=]+=", line))

    def get_unit_property(self, unit: str, property: str, user: str | None = None) -> str:
        return self.succeed(f"systemctl --no-pager show {shlex.quote(unit)} --property={property} --value").strip()

    def require_unit_state(self, unit: str, require_state: str = "active") -> None:
        state = self.get_unit_property(unit, "ActiveState")
        if state != require_state:
            raise RequestedAssertionFailed(f"expected unit {unit} to be {require_state}, but it is {state}")

    def start_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        return self.systemctl(f"start {jobname}")

    def stop_job(self, jobname: str, user: str | None = None) -> tuple[int, str]:
        return self.systemctl(f"stop {jobname}")

    def copy_from_host(self, source: str, target: str) -> None:
        text = base64.b64encode(Path(source).read_bytes()).decode()
        quoted = shlex.quote(target)
        self.succeed(f'mkdir -p "$(dirname {quoted})"', f": > {quoted}")
        for begin in range(0, len(text), 60_000):
            self.succeed(f"echo {text[begin : begin + 60_000]} | base64 -d >> {quoted}")
        self.succeed(f"chmod {Path(source).stat().st_mode & 0o777:o} {quoted}")

    def log(self, msg: str) -> None:
        print(f"{self.name}: {msg}", file=sys.stderr, flush=True)


def wanted_by(name: str, unit: str) -> list[str]:
    """Where a unit is linked to when it is enabled, below /etc."""
    targets = [target for line in re.findall(r"^WantedBy=(.*)$", unit, re.M) for target in line.split()]
    return [f"etc/systemd/system/{target}.wants/{name}" for target in targets]


def install(root: Path, files: dict[str, str | Path]) -> None:
    """Puts files into a tree, and enables the units among them."""
    for name, content in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copy(content, path)
            continue
        path.write_text(content)
        if content.startswith("#!"):
            path.chmod(0o755)
        if path.parent == root / "etc/systemd/system":
            for link in wanted_by(path.name, content):
                enable(root, link, "/" + name.lstrip("/"))
    if any(name.startswith("etc/nginx/sites-enabled/") for name in files):
        enable(root, "etc/systemd/system/multi-user.target.wants/nginx.service", "/usr/lib/systemd/system/nginx.service")


def enable(root: Path, link: str, unit: str) -> None:
    (root / link).parent.mkdir(parents=True, exist_ok=True)
    (root / link).symlink_to(unit)
