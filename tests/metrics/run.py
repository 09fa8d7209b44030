"""A hold and a front end, a little load, and the real Prometheus that scrapes it. See tests/metrics.sh."""

import argparse
import functools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
ALERTS = REPO / "nixos/metrics/alerts.yml"
APPVIEW_ALERTS = REPO / "nixos/metrics/appview-alerts.yml"
DASHBOARD = REPO / "nixos/metrics/dashboard.json"
APPVIEW_DASHBOARD = REPO / "nixos/metrics/appview-dashboard.json"
PATIENCE_S = 120


class Process:
    """A child whose log is read; killed at the end."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        self.child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        self.lines: list[str] = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        assert self.child.stderr
        self.lines.extend(self.child.stderr)

    def said(self, pattern: str) -> re.Match[str]:
        def look() -> re.Match[str] | None:
            return next((found for line in list(self.lines) if (found := re.search(pattern, line))), None)

        try:
            found = eventually(look)
        except AssertionError as error:
            raise AssertionError(f"{pattern!r} is not in\n{''.join(self.lines)}") from error
        assert isinstance(found, re.Match)
        return found

    def stop(self) -> None:
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def eventually(look: Callable[[], Any], otherwise: str = "it never came to that") -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)
    return found


def fetch(url: str, token: str | None = None, body: bytes | None = None) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Hold(Process):
    def __init__(self, binary: str, state: Path) -> None:
        (state / "blobs").mkdir(parents=True)
        super().__init__(
            [binary],
            {
                "HOLD_PUBLIC_URL": "http://localhost:8080",
                "HOLD_OWNER": "did:plc:captainaaaaaaaaaaaaaaaaa",
                "HOLD_PUBLIC": "true",
                "HOLD_SERVER_ADDR": "127.0.0.1:0",
                "HOLD_METRICS_ADDR": "127.0.0.1:0",
                "HOLD_DATABASE_PATH": str(state / "hold.db"),
                "STORAGE_DRIVER": "filesystem",
                "STORAGE_ROOT_DIR": str(state / "blobs"),
                "PATH": os.environ["PATH"],
            },
        )
        ready = self.said(r'ready .*listening="([^"]+)" metrics="([^"]+)"')
        self.url, self.metrics = f"http://{ready[1]}", ready[2]

    def load(self) -> None:
        """A little of everything that needs no account."""
        for path in ("/xrpc/_health", "/.well-known/did.json", "/xrpc/com.atproto.sync.getRepo?did=did:web:localhost%253A8080"):
            assert fetch(self.url + path)[0] == 200, path
        assert fetch(self.url + "/xrpc/com.atproto.sync.getBlob?did=x&cid=sha256:" + "0" * 64)[0] in (200, 404)
        assert fetch(self.url + "/xrpc/a.b.c")[0] == 501
        assert fetch(self.url + "/xrpc/io.atcr.hold.initiateUpload", "no.token.x", b"{}")[0] == 401


class FrontEnd(Process):
    """A registry front end that follows a relay which is away."""

    def __init__(self, binary: str, state: Path) -> None:
        state.mkdir()
        super().__init__(
            [binary],
            {
                "ATCR_BASE_URL": "http://localhost:5000",
                "ATCR_HTTP_ADDR": "127.0.0.1:0",
                "ATCR_METRICS_ADDR": "127.0.0.1:0",
                "ATCR_DATABASE_PATH": str(state / "appview.db"),
                "ATCR_RELAY_URL": "http://localhost:1",
                "TEST_MODE": "true",
                "PATH": os.environ["PATH"],
            },
        )
        ready = self.said(r'ready .*listening="([^"]+)" metrics="([^"]+)"')
        self.url, self.metrics = f"http://{ready[1]}", ready[2]

    def load(self) -> None:
        """A little of everything that needs no account."""
        assert fetch(self.url + "/_health")[0] == 200
        assert fetch(self.url + "/v2/")[0] == 401
        assert fetch(self.url + "/xrpc/io.atcr.appview.searchRepositories?q=lantern")[0] == 200


class Prometheus(Process):
    def __init__(self, tools: Path, work: Path, targets: dict[str, str]) -> None:
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ALERTS), str(APPVIEW_ALERTS)],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()
            ],
        }
        # JSON is YAML.
        (work / "prometheus.yml").write_text(json.dumps(config))
        command = [tools / "prometheus", f"--config.file={work}/prometheus.yml", f"--storage.tsdb.path={work}/series"]
        super().__init__([str(word) for word in command] + ["--web.listen-address=127.0.0.1:0"])
        self.url = "http://" + self.said(r'msg="?Listening on"? address="?(127\.0\.0\.1:\d+)')[1]
        # It listens before it has its storage open.
        eventually(lambda: fetch(self.url + "/-/ready")[0] == 200)

    def ask(self, path: str, **query: str) -> Any:
        status, body = fetch(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}")
        answer = json.loads(body)
        assert status == 200 and answer["status"] == "success", f"{query}: {answer}"
        return answer["data"]

    def value(self, query: str) -> float | None:
        found = self.ask("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None


class Sum:
    passed = failed = 0

    def check(self, title: str, look: Callable[[], object]) -> None:
        try:
            look()
            self.passed += 1
            print(f"ok      {title}", flush=True)
        except Exception as error:
            self.failed += 1
            print(f"FAILED  {title}\n        {error!r}", flush=True)


def dashboard_queries(dashboard: Path = DASHBOARD) -> list[str]:
    panels = json.loads(dashboard.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels), "two panels have one id"
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places), "a panel is too far right"
    assert len({(place["x"], place["y"]) for place in places}) == len(panels), "two panels are in one place"
    queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert len(queries) > 30
    return [query.replace("$__rate_interval", "10s").replace("$instance", ".*") for query in queries]


def promtool(tools: Path, *arguments: str, given: bytes | None = None) -> None:
    ran = subprocess.run([str(tools / "promtool"), *arguments], input=given, capture_output=True)
    said = (ran.stdout + ran.stderr).decode()
    # `check metrics` has nothing to say of good ones.
    assert ran.returncode == 0 and not (given and said), said


def scraped(total: Sum, hold: Hold, front_end: FrontEnd, prometheus: Prometheus) -> None:
    ended = threading.Event()

    def load() -> None:
        while not ended.wait(0.02):
            hold.load()
            front_end.load()

    threads = [threading.Thread(target=load, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()

    def up() -> None:
        eventually(lambda: prometheus.value("sum(up)") == 2)

    def is_positive(query: str) -> bool:
        return (prometheus.value(query) or 0) > 0

    def series() -> None:
        for query in (
            'rate(atcr_hold_requests_total{method="_health", code="200"}[5s])',
            'rate(atcr_hold_requests_total{method="other", code="501"}[5s])',
            'rate(atcr_hold_token_checks_total{result="BadJwt"}[5s])',
            "rate(atcr_hold_sent_bytes_total[5s])",
            "histogram_quantile(0.99, sum by (le) (rate(atcr_hold_request_duration_seconds_bucket[5s])))",
            "process_resident_memory_bytes > 1e6",
            "process_start_time_seconds > time() - 600",
            "atcr_hold_crew_members == 1",
            'atcr_hold_build_info{version!=""}',
            'rate(atcr_appview_requests_total{method=~".*searchRepositories", code="200"}[5s])',
            "atcr_appview_index_connected == bool 0",
            "atcr_appview_index_connection_failures_total",
        ):
            eventually(functools.partial(is_positive, query))

    def dashboard() -> None:
        asked = dashboard_queries() + dashboard_queries(APPVIEW_DASHBOARD)
        # There is no bucket, nothing went wrong, no account was looked up, no event came, and no copy was made.
        absent = ("_bucket_requests", "_bucket_retries", "_bucket_failures", "storage_errors", "did_lookups")
        absent += ("last_message_timestamp", "last_backup_timestamp")
        expected = [query for query in asked if not any(name in query for name in absent)]
        for query in asked:
            prometheus.ask("query", query=query)
        # A rate wants two scrapes within some seconds, which a busy machine may be late with.
        for query in expected:
            eventually(lambda query=query: prometheus.ask("query", query=query)["result"], f"no answer to {query}")

    def alerts() -> None:
        def rules_now() -> list[Any]:
            return [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]

        eventually(lambda: all(rule["health"] == "ok" for rule in rules_now()))
        rules = rules_now()
        assert len(rules) > 14
        calm = [rule["name"] for rule in rules if rule["state"] == "firing"]
        # The disk of a machine that tests is its own matter.
        assert not [name for name in calm if name != "AtcrHoldDiskNearlyFull"], f"{calm} fire"

    def metadata() -> None:
        helped = prometheus.ask("metadata")
        assert all(found[0]["help"] and found[0]["type"] for found in helped.values()) and len(helped) > 35, helped

    total.check("Prometheus finds the hold and the front end up", up)
    total.check("it has series of what happened", series)
    total.check("every query of the dashboards is understood and has an answer", dashboard)
    total.check("the alerts are loaded, evaluated, and calm", alerts)
    total.check("each metric has a type and a help text", metadata)
    ended.set()
    for thread in threads:
        thread.join()
    hold.stop()
    total.check("Prometheus finds the hold down", lambda: eventually(lambda: prometheus.value('up{job="atcr-hold"}') == 0))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hold", required=True)
    parser.add_argument("--appview", required=True)
    parser.add_argument("--tools", type=Path)
    options = parser.parse_args()
    total = Sum()
    total.check("the dashboard is JSON, and its panels have their places", dashboard_queries)
    total.check("so is the front end's", lambda: dashboard_queries(APPVIEW_DASHBOARD))
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        processes: list[Process] = []
        try:
            hold = Hold(options.hold, work / "state")
            processes.append(hold)
            front_end = FrontEnd(options.appview, work / "registry")
            processes.append(front_end)
            hold.load()
            front_end.load()
            page = fetch(f"http://{hold.metrics}/metrics")[1]
            total.check("the page has the hold's metrics", lambda: page.index(b"\natcr_hold_requests_total{"))
            other = fetch(f"http://{front_end.metrics}/metrics")[1]
            total.check("the other has the front end's", lambda: other.index(b"\natcr_appview_requests_total{"))
            if options.tools:
                tools: Path = options.tools
                check = total.check
                check("promtool check metrics", lambda: promtool(tools, "check", "metrics", given=page))
                check("the same of the front end's", lambda: promtool(tools, "check", "metrics", given=other))
                check("promtool check rules", lambda: promtool(tools, "check", "rules", str(ALERTS), str(APPVIEW_ALERTS)))
                tests = [str(REPO / "tests/metrics" / f"{name}.test.yml") for name in ("alerts", "appview-alerts")]
                check("promtool test rules", lambda: promtool(tools, "test", "rules", *tests))
                targets = {"atcr-hold": hold.metrics, "atcr-appview": front_end.metrics}
                prometheus = Prometheus(tools, work, targets)
                processes.append(prometheus)
                scraped(total, hold, front_end, prometheus)
        finally:
            for process in processes:
                if process.child.poll() is None:
                    process.stop()
    print(f"metrics: {total.passed} passed, {total.failed} failed")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
