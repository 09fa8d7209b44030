"""A machine as a container: systemd-nspawn with a whole systemd inside. It shares the kernel, and boots in seconds."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from machine import Machine, RequestedAssertionFailed, install
from roots import tree

# The tree is never written to: everything lands in `upper`. The mount is seen by this process alone and goes with it.
BOOT = """
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
[ ! -d "$2/root/etc/sysusers.d" ] || systemd-sysusers --root="$2/root"
echo 0 > "$3/cgroup.procs"
exec systemd-nspawn -q -D "$2/root" -M "$4" --register=no --keep-unit --private-network --system-call-filter=bpf \
  --kill-signal=SIGRTMIN+4 --console=pipe -b systemd.unit=multi-user.target
"""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BOOT_PATIENCE_S = 120


def cannot() -> str | None:
    """Why no machine can be started here."""
    if os.geteuid() != 0:
        return "this needs root"
    for command in ("systemd-nspawn", "mmdebstrap", "unshare", "nsenter"):
        if not shutil.which(command):
            return f"{command} is not installed"
    if cgroups() is None:
        return "there is no unified cgroup hierarchy"
    probe = "d=$(mktemp -d); mount -t tmpfs tmpfs $d && mkdir $d/l $d/u $d/w $d/m && "
    probe += "mount -t overlay overlay -o lowerdir=$d/l,upperdir=$d/u,workdir=$d/w $d/m; s=$?; umount -l $d; rmdir $d; exit $s"
    tried = subprocess.run(["unshare", "-mpfn", "sh", "-c", probe], capture_output=True, text=True)
    if tried.returncode != 0:
        return "namespaces or overlay mounts are not allowed: " + (tried.stderr.strip().splitlines() or ["?"])[-1]
    return None


def cgroups() -> Path | None:
    """The group of this process in the unified hierarchy, under which groups can be made."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    mount = next((Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"), None)
    own = next((line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")), "")
    return None if mount is None else mount / own.lstrip("/")


class Container(Machine):
    """A container with its own cgroup and mount namespace, so that its end is the end of everything in it."""

    kind = "container"

    def __init__(self, name: str, files: dict[str, str | Path]) -> None:
        super().__init__(name, files)
        self.process: subprocess.Popen[bytes] | None = None
        self.leader = 0
        parent = cgroups()
        assert parent is not None
        self.cgroup = parent / f"atcr-hold-{name}-{os.getpid()}"
        for part in ("upper", "work", "root"):
            (self.directory / part).mkdir()
        os.chmod(self.directory / "upper", 0o755)
        install(self.directory / "upper", files)

    def _boot(self) -> None:
        self.cgroup.mkdir(exist_ok=True)
        with open(self.directory / "console", "ab") as console:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "-m", "--propagation", "private", "sh", "-ec", BOOT, "sh"]
                + [str(tree("machine")), str(self.directory), str(self.cgroup), self.name],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                # Without this, and the filter of system calls above, IPAddressDeny= is silently not enforced.
                env={"PATH": PATH, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                start_new_session=True,
            )
        deadline = time.monotonic() + BOOT_PATIENCE_S
        while not self._is_up():
            if self.process.poll() is not None or time.monotonic() > deadline:
                console_text = (self.directory / "console").read_text(errors="replace")
                raise RequestedAssertionFailed(f"{self.name} did not boot:\n{console_text[-2000:]}")
            time.sleep(0.1)

    def _is_up(self) -> bool:
        assert self.process is not None
        self.leader = child_named(self.process.pid, "systemd")
        if not self.leader:
            return False
        return self._run("systemctl is-system-running", 60)[1].strip() in ("running", "degraded")

    def _run(self, command: str, timeout: float | None) -> tuple[int, str]:
        enter = ["nsenter", "--target", str(self.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
        shell = ["/usr/bin/env", "-i", f"PATH={PATH}", "HOME=/root", "/bin/bash", "-c", command]
        # A background child of the command may keep its output open: a file does not wait for it.
        with tempfile.TemporaryFile() as output, open(self.directory / "errors", "ab") as errors:
            try:
                ran = subprocess.run(
                    [*enter, "--wd=/root", "--", *shell],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    timeout=timeout,
                )
            except subprocess.TimeoutExpired:
                return 124, f"no end within {timeout} s"
            output.seek(0)
            return ran.returncode, output.read().decode(errors="replace")

    def _wait_until_off(self) -> None:
        assert self.process is not None
        try:
            self.process.wait(timeout=120)
        except subprocess.TimeoutExpired as late:
            raise RequestedAssertionFailed(f"{self.name} did not shut down") from late
        self._end()

    def _end(self) -> None:
        if self.cgroup.is_dir():
            (self.cgroup / "cgroup.kill").write_text("1")
            deadline = time.monotonic() + 30
            while "populated 1" in (self.cgroup / "cgroup.events").read_text() and time.monotonic() < deadline:
                time.sleep(0.02)
            for path, _, _ in os.walk(self.cgroup, topdown=False):
                os.rmdir(path)
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


def child_named(parent: int, name: str) -> int:
    """The child of a process whose command has this name; 0 when there is none."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command, rest = (entry / "stat").read_text().rsplit(")", 1)
        except OSError:
            continue
        if int(rest.split()[1]) == parent and command.split("(", 1)[1] == name:
            return int(entry.name)
    return 0
