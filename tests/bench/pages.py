"""Searches of front ends whose indexes differ in size. Called by pages.sh; needs only Python's library."""

import argparse
import http.client
import os
import statistics
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from common import timed
from machine import load, machine, say
from servers import free_port

ROUNDS = 200
HTML = {"accept": "text/html"}
SEARCH = "/xrpc/io.atcr.appview.searchRepositories?q="
LIST = "/xrpc/io.atcr.appview.listRepositories"
# A word that a quarter of all repositories has, one that few have, and the beginning of many.
QUESTIONS = [
    ("page of all, newest first", "/search", HTML),
    ("page of a common word", "/search?q=lantern", HTML),
    ("page of a rare word", "/search?q=" + quote("harbour 777"), HTML),
    ("page of a beginning of one letter", "/search?q=l", HTML),
    ("page of a common tag", "/search?q=v1.7&sort=stars", HTML),
    ("front page", "/", HTML),
    ("searchRepositories", SEARCH + "lantern&limit=100", {}),
    ("listRepositories, by stars", LIST + "?sort=stars&limit=100", {}),
]


class FrontEnd:
    """A front end on an index of `count` repositories, and what is measured of it, in seconds by label."""

    def __init__(self, given, count):
        self.count, self.port = count, free_port()
        root = given.work / str(count)
        root.mkdir()
        database = root / "appview.db"
        seeded = timed(subprocess.run, [given.seed, database, str(count)])[0]
        say(f"{count} repositories in {seeded:.0f} s")
        self.file_bytes = database.stat().st_size
        settings = {
            "ATCR_BASE_URL": f"http://127.0.0.1:{self.port}",
            "ATCR_HTTP_ADDR": f"127.0.0.1:{self.port}",
            "ATCR_DATABASE_PATH": str(database),
            "ATCR_PLC_DIRECTORY_URL": "http://localhost:1",
            "TEST_MODE": "true",
            "PATH": os.environ["PATH"],
        }
        config = root / "appview.toml"
        config.write_text("[limits]\nrequests_per_address = 0\n")
        log = open(root / "log", "w")
        self.process = subprocess.Popen([given.appview, "--config", config], env=settings, cwd=root, stdout=log, stderr=log)
        while not self.answers():
            time.sleep(0.05)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port)
        self.times = {label: [] for label, _, _ in QUESTIONS}

    def answers(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            connection.request("GET", "/_health")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def ask(self, target, headers):
        self.connection.request("GET", target, headers=headers)
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200 and body, (target, answer.status, body[:200])

    def measure(self):
        for label, target, headers in QUESTIONS:
            self.times[label].append(timed(self.ask, target, headers)[0])

    def memory(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        return 0

    def stop(self):
        self.process.kill()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser()
    for name in ("--appview", "--seed", "--work"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("counts", type=int, nargs="+")
    given = parser.parse_args()
    ends = [FrontEnd(given, count) for count in given.counts]
    before = load()
    # In turns, so that whatever else the machine does meets all of them.
    for _ in range(ROUNDS):
        for end in ends:
            end.measure()
    print(f"{machine(given.work)}; load {before} before, {load()} after; medians of {ROUNDS}\n")
    print("| |" + "".join(f" {end.count:,} repositories |" for end in ends) + " last to first |")
    print("|---|" + "---|" * (len(ends) + 1))
    for label, _, _ in QUESTIONS:
        medians = [statistics.median(end.times[label]) * 1000 for end in ends]
        cells = "".join(f" {median:.1f} ms |" for median in medians)
        print(f"| {label} |{cells} {medians[-1] / medians[0]:.2f} × |")
    print("| most memory |" + "".join(f" {end.memory():.0f} MiB |" for end in ends) + " |")
    print("| database |" + "".join(f" {end.file_bytes / 1e6:.0f} MB |" for end in ends) + " |")
    for end in ends:
        end.stop()


main()
