"""A machine in software emulation (qemu, TCG): a kernel of its own, a real boot, and a plug that can be pulled.

KVM is not used: it is not there on every test machine, and some that have /dev/kvm cannot use it.
"""

import base64
import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

from machine import Machine, RequestedAssertionFailed, install
from roots import tree

DATA_BYTES = 1 << 30
BOOT_PATIENCE_S = 300
# A root shell on the first virtual console: a command a line in, its exit code and output a line back. What the
# second one gets goes to a file of the host, and so survives the machine.
BACKDOOR = """
exec < /dev/hvc0 > /dev/hvc0
stty raw -echo
cd /root
echo up
while read -r number command; do
  base64 -d <<< "$command" > /run/backdoor.command
  bash /run/backdoor.command < /dev/null > /run/backdoor.output 2> /dev/ttyS0
  status=$?
  echo "$number $status $(base64 -w0 < /run/backdoor.output)"
done
"""
BACKDOOR_UNIT = """[Unit]
Description=Shell for the test driver
After=multi-user.target

[Service]
ExecStart=/bin/bash /usr/lib/backdoor
Environment=HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
Restart=on-failure

[Install]
WantedBy=graphical.target
"""
FILES: dict[str, str | Path] = {
    "usr/lib/backdoor": BACKDOOR,
    "etc/systemd/system/backdoor.service": BACKDOOR_UNIT,
    "etc/fstab": "",
    # Empty is masked: nobody logs in, and without udev they would wait for their devices.
    "etc/systemd/system/serial-getty@hvc0.service": "",
    "etc/systemd/system/serial-getty@ttyS0.service": "",
    "etc/hostname": "machine\n",
}
# The tree, the kernel's modules and our files as one, and an image of that; the mount goes with the process.
IMAGE = """
mount -t overlay overlay -o "lowerdir=$1:$2/kernel,upperdir=$3/upper,workdir=$3/work" "$3/root"
[ ! -d "$3/root/etc/sysusers.d" ] || systemd-sysusers --root="$3/root"
mke2fs -q -t ext4 -d "$3/root" "$3/root.img" 700M
"""
# qemu comes from a tree too, so that it does not matter what this machine has.
QEMU = """
mount --bind "$2" "$1/mnt"
mount --bind /dev "$1/dev"
shift 2
exec chroot "$0" qemu-system-x86_64 "$@"
"""


class Emulated(Machine):
    """One emulated computer with two disks: the first is the tree, the second is empty at first."""

    kind = "emulated"

    def __init__(self, name: str, files: dict[str, str | Path]) -> None:
        super().__init__(name, {**files, **FILES})
        self.process: subprocess.Popen[bytes] | None = None
        self.shell: socket.socket | None = None
        self.received = b""
        self.number = 0
        for part in ("upper", "work", "root"):
            (self.directory / part).mkdir()
        os.chmod(self.directory / "upper", 0o755)
        install(self.directory / "upper", self.files)
        image = ["unshare", "-m", "--propagation", "private", "sh", "-ec", IMAGE, "sh"]
        image += [str(tree("machine")), str(tree("emulator")), str(self.directory)]
        subprocess.run(image, check=True)
        with open(self.directory / "data.img", "wb") as data:
            data.truncate(DATA_BYTES)

    @property
    def kept(self) -> Path:
        """What the machine wrote to its second console, whatever became of it."""
        return self.directory / "kept"

    def _boot(self) -> None:
        kernel = next((tree("emulator") / "kernel" / "boot").glob("vmlinuz-*")).name
        # The second disk is of a kind that the kernel knows only with a module: two of one kind are found in any order.
        append = "root=/dev/nvme0n1 rw rootfstype=ext4 console=ttyS0 panic=-1 quiet mitigations=off net.ifnames=0"
        (self.directory / "shell").unlink(missing_ok=True)
        arguments = f"""-M q35 -accel tcg,thread=multi,tb-size=512 -cpu qemu64 -smp 2 -m 1024 -nodefaults -nographic
            -no-reboot -monitor none -kernel /kernel/boot/{kernel}
            -drive if=none,id=d0,file=/mnt/root.img,format=raw,cache=unsafe
            -drive if=none,id=d1,file=/mnt/data.img,format=raw,cache=writeback
            -device nvme,drive=d0,serial=root -device virtio-blk-pci,drive=d1
            -chardev socket,id=shell,path=/mnt/shell,server=on,wait=off -chardev file,id=kept,path=/mnt/kept,append=on
            -device virtio-serial -device virtconsole,chardev=shell -device virtconsole,chardev=kept
            -device virtio-rng-pci -serial stdio""".split()
        with open(self.directory / "console", "ab") as console:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "-m", "--propagation", "private"]
                + ["sh", "-ec", QEMU, str(tree("emulator"))]
                + [str(tree("emulator")), str(self.directory), *arguments, "-append", append],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        deadline = time.monotonic() + BOOT_PATIENCE_S
        self.shell = self._connect(deadline)
        self._line(deadline, b"up")

    def _connect(self, deadline: float) -> socket.socket:
        assert self.process is not None
        shell = socket.socket(socket.AF_UNIX)
        while True:
            try:
                shell.connect(str(self.directory / "shell"))
                self.received = b""
                return shell
            except OSError:
                self._alive(deadline)
                time.sleep(0.1)

    def _alive(self, deadline: float) -> None:
        if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
            console = (self.directory / "console").read_text(errors="replace")
            raise RequestedAssertionFailed(f"{self.name} does not answer:\n{console[-3000:]}")

    def _line(self, deadline: float, begins: bytes) -> bytes:
        """The next line that begins so."""
        assert self.shell is not None
        while True:
            line, newline, rest = self.received.partition(b"\n")
            if newline:
                self.received = rest
                if line.strip().startswith(begins):
                    return line.strip()
                continue
            self._alive(deadline)
            if select.select([self.shell], [], [], 1)[0]:
                self.received += self.shell.recv(1 << 20)

    def _run(self, command: str, timeout: float | None) -> tuple[int, str]:
        assert self.shell is not None
        self.number += 1
        text = base64.b64encode(command.encode()).decode()
        self.shell.sendall(f"{self.number} {text}\n".encode())
        try:
            answer = self._line(time.monotonic() + (timeout or 1e9), f"{self.number} ".encode())
        except RequestedAssertionFailed:
            if self.process is None or self.process.poll() is not None:
                raise
            return 124, f"no end within {timeout} s"
        _, status, output = (answer + b" ").split(b" ", 2)
        return int(status), base64.b64decode(output.strip()).decode(errors="replace")

    def _wait_until_off(self) -> None:
        assert self.process is not None
        try:
            self.process.wait(timeout=BOOT_PATIENCE_S)
        except subprocess.TimeoutExpired as late:
            raise RequestedAssertionFailed(f"{self.name} did not shut down") from late
        self._end()

    def _end(self) -> None:
        if self.shell is not None:
            self.shell.close()
            self.shell = None
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
