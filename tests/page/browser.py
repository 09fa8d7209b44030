"""Headless Chromium, driven through its pipe: no port, no library. https://chromedevtools.github.io/devtools-protocol/"""

import base64
import json
import os
import select
import subprocess
import tempfile
import time

PATIENCE_S = 60


class Browser:
    """One browser and one empty tab. `hosts` maps host names to where they are: {"hold.example.org": "127.0.0.1:80"}."""

    def __init__(self, program: str, hosts: dict[str, str]):
        self.profile = tempfile.TemporaryDirectory(prefix="atcr-hold-page-", ignore_cleanup_errors=True)
        rules = ", ".join(f"MAP {host} {place}" for host, place in hosts.items())
        switches = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb"]
        switches += ["--remote-debugging-pipe", f"--user-data-dir={self.profile.name}", "--disable-dev-shm-usage"]
        switches += [f"--host-resolver-rules={rules}, MAP * ~NOTFOUND", "about:blank"]
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        self.incoming, self.outgoing = ours_in, ours_out
        # The browser reads commands from descriptor 3 and writes to 4.
        # Ours may have just these numbers, the other way round: so they are put out of the way first.
        wiring = 'exec {in}<&"$1" {out}>&"$2"; shift 2; exec 3<&"$in" 4>&"$out" {in}<&- {out}>&-; exec "$@"'
        command = ["bash", "-c", wiring, "bash", str(theirs_in), str(theirs_out), program, *switches]
        self.process = subprocess.Popen(
            command, pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.buffer = b""
        self.number = 0
        self.session = None
        self.events: list[dict] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime", "DOM", "CSS"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.incoming)
        os.close(self.outgoing)
        self.profile.cleanup()

    def _message(self) -> dict:
        deadline = time.monotonic() + PATIENCE_S
        while b"\0" not in self.buffer:
            readable, _, _ = select.select([self.incoming], [], [], max(0, deadline - time.monotonic()))
            if not readable:
                raise TimeoutError("the browser does not answer")
            piece = os.read(self.incoming, 1 << 20)
            if not piece:
                raise RuntimeError("the browser ended")
            self.buffer += piece
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method: str, **parameters) -> dict:
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.outgoing, json.dumps(command).encode() + b"\0")
        while True:
            message = self._message()
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            self.events.append(message)

    def seen(self, *methods: str) -> list[dict]:
        """What the last page caused, of these kinds."""
        return [event["params"] for event in self.events if event.get("method") in methods]

    def open(self, url: str, width: int, height: int, dark: bool = False, scripts: bool = False) -> None:
        """Shows a page in a window of this size, and waits until all of it is there."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        scale = 2 if width < 500 else 1
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=scale > 1
        )
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Network.setCacheDisabled", cacheDisabled=True)
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not self.seen("Page.loadEventFired"):
            self.events.append(self._message())
            if self.events[-1].get("method") == "Page.javascriptDialogOpening":
                self.call("Page.handleJavaScriptDialog", accept=True)
        # Whatever the page does later than that, it does at once.
        settled = time.monotonic() + 0.3
        while select.select([self.incoming], [], [], max(0, settled - time.monotonic()))[0]:
            self.events.append(self._message())

    def content_width(self) -> float:
        return self.call("Page.getLayoutMetrics")["cssContentSize"]["width"]

    def screenshot(self, path: str, whole: bool = True) -> None:
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture["data"]))

    def texts(self):
        """Every element with text of its own: its name, the text, its colour, the one behind it, and its font's size."""
        document = self.call("DOM.getDocument", depth=-1)["root"]

        def walk(node, behind):
            if node["nodeType"] == 1:
                style = self.call("CSS.getComputedStyleForNode", nodeId=node["nodeId"])["computedStyle"]
                style = {entry["name"]: entry["value"] for entry in style}
                if style["display"] == "none":
                    return
                if style["background-color"] != "rgba(0, 0, 0, 0)":
                    behind = style["background-color"]
                own = [child["nodeValue"] for child in node.get("children", []) if child["nodeType"] == 3]
                if text := "".join(own).strip():
                    yield node["localName"], text, style["color"], behind, style["font-size"]
            for child in node.get("children", []):
                yield from walk(child, behind)

        yield from walk(document, "rgb(255, 255, 255)")
