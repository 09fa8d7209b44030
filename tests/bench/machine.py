"""What every measurement says about where it ran."""

import os
import platform
import subprocess
import sys
from pathlib import Path


def machine(work):
    """One line on where this was measured."""
    model = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    disk = subprocess.run(["df", "--output=fstype", work], capture_output=True, text=True, check=True)
    return (
        f"{os.cpu_count()} × {model.split(': ')[1]}, {memory_kib / 1024 / 1024:.0f} GiB, "
        f"{disk.stdout.split()[-1]}, Linux {platform.release()}"
    )


def load():
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def say(text):
    print(text, file=sys.stderr, flush=True)
