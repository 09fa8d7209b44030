"""Debian trees to boot from, made by mmdebstrap and kept outside the checkout.

A tree is named after what went into it and the month, so that it is made anew when either changes.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

SUITE = os.environ.get("ATCR_HOLD_SUITE", "trixie")
MACHINE = ["systemd", "systemd-sysv", "dbus", "ca-certificates", "curl", "python3", "openssl", "nginx", "iproute2"]
MACHINE += ["dmsetup", "e2fsprogs", "kmod", "rsync", "haproxy", "caddy", "skopeo", "restic"]
EMULATOR = ["qemu-system-x86", "seabios", "ipxe-qemu", "kmod"]
# A tree that nothing makes any more is kept for so long.
KEPT_S = 7 * 86_400
# The kernel is unpacked, not installed: that would want an initial RAM disk, which a kernel with ext4 and NVMe built
# in does not need.
# Only a machine that has something for them to do starts them.
NO_PROXIES = """
cd /etc/systemd/system/multi-user.target.wants
rm -f nginx.service haproxy.service caddy.service /etc/nginx/sites-enabled/default
"""
KERNEL = r"""
cd /tmp
package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p')
apt-get download "$package"
dpkg-deb -x "$package"_*.deb /kernel
rm "$package"_*.deb
depmod -b /kernel/usr "${package#linux-image-}"
"""


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ.get("HOME", "/root"), ".cache")
    return Path(base) / "atcr-hold" / "appliance"


def mirror() -> str:
    """Where this machine's own apt gets Debian from."""
    sources = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for source in sources:
        if not source.is_file():
            continue
        text = source.read_text(errors="replace")
        for stanza in text.split("\n\n"):
            uris = re.search(r"^URIs:\s*(\S+)", stanza, re.M)
            if uris and re.search(r"^Suites:\s*(bookworm|trixie|forky|sid|stable|testing)\b", stanza, re.M):
                return uris[1]
        line = re.search(r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(bookworm|trixie|forky|sid|stable|testing)\s", text, re.M)
        if line:
            return line[1]
    raise RuntimeError("this machine's apt has no source of Debian packages")


def tree(kind: str) -> Path:
    """The tree called `kind`, "machine" or "emulator"; made when it is not there. Never to be written to."""
    packages = {"machine": MACHINE, "emulator": EMULATOR}[kind]
    hook = {"machine": NO_PROXIES, "emulator": KERNEL}[kind]
    key = " ".join([SUITE, *packages, hook, time.strftime("%Y-%m")])
    path = cache() / f"{kind}-{SUITE}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if not path.is_dir():
        cache().mkdir(parents=True, exist_ok=True)
        # Of two runs at once, one makes the tree and the other waits for it.
        with (cache() / f".{kind}-{SUITE}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.is_dir():
                make(path, kind, packages, hook)
    return path


def make(path: Path, kind: str, packages: list[str], hook: str) -> None:
    """Makes the tree at `path`, while no other run makes one of this kind."""
    for old in cache().glob(f"{kind}-{SUITE}-*"):
        # A newer one may be in use, by a run of another version of these tests.
        if time.time() - old.stat().st_mtime > KEPT_S:
            shutil.rmtree(old)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    without = ["doc", "locale", "man", "info"]
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}"]
    command += ["--aptopt=APT::Install-Recommends false", '--aptopt=Acquire::Retries "5"']
    command += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in without]
    if hook:
        script = unfinished.with_suffix(".sh")
        script.write_text(f"set -e\n{hook}")
        command += [f"--customize-hook=copy-in {script} /", f'--customize-hook=chroot "$1" sh /{script.name}']
    try:
        subprocess.run([*command, SUITE, str(unfinished), mirror()], check=True, stdout=2)
        unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.with_suffix(".sh").unlink(missing_ok=True)
