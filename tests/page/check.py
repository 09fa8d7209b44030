"""Looks at the page of real holds, with a browser where there is one: see ../page.sh.

The last line is the sum: "page: N passed, N failed".
"""

import argparse
import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

from browser import Browser
from client import check_client
from hold import HANDLE, HOST, Hold, Network

HOSTILE_NAME = "\u202e<script>alert(1)</script>" + "W" * 30 + "\u0301" * 8
HOSTILE_TEXT = "</p><img src=x onerror=alert(2)>\u2066 \u05e9\u05dc\u05d5\u05dd \u0639\u0627\u0644\u0645 " + "long" * 40
# Contrast by https://www.w3.org/TR/WCAG22/#contrast-minimum; 3 is enough for large text.
LARGE_PX = 24


class Markup(HTMLParser):
    """What a document is made of."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> ends another element"

    def all(self, *names: str) -> list[dict]:
        return [attributes for tag, attributes in self.tags if tag in names]


def check_markup(hold: Hold) -> None:
    """Semantics, and nothing that would be fetched: for machines without a browser too."""
    page = Markup(hold.get("/")[1])
    assert page.all("html") == [{"lang": "en"}]
    for name in ("title", "h1", "header", "main", "footer"):
        assert len(page.all(name)) == 1, name
    assert not page.all("script", "iframe", "object", "embed", "form", "input", "base", "video", "audio", "source")
    for image in page.all("img"):
        assert image["src"].startswith("/xrpc/") and "alt" in image, image
    for link in page.all("link"):
        assert link["href"].startswith("data:image/svg+xml,"), link
    for _, attributes in page.tags:
        assert not any(name == "style" or name.startswith("on") for name in attributes), attributes
    names = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    for section in page.all("section"):
        assert section["aria-labelledby"] in names
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:])), levels


def channels(colour: str) -> tuple[float, ...]:
    return tuple(float(number) for number in re.findall(r"[\d.]+", colour))


def luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (n / 255 for n in channels(colour)[:3])]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def quiet(browser: Browser, hold: Hold) -> None:
    """Nothing was asked for but the page and its picture, and nothing complained."""
    asked = [event["request"]["url"] for event in browser.seen("Network.requestWillBeSent")]
    asked = [url for url in asked if not url.startswith("data:")]
    picture = f"http://{HOST}/xrpc/com.atproto.sync.getBlob?"
    assert asked[0] == f"http://{HOST}/" and all(url.startswith(picture) for url in asked[1:]), asked
    wrong = [event["response"] for event in browser.seen("Network.responseReceived") if event["response"]["status"] != 200]
    assert not wrong, wrong
    failed = browser.seen("Network.loadingFailed", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    assert not failed, failed
    assert not browser.seen("Log.entryAdded"), browser.seen("Log.entryAdded")
    assert not browser.seen("Page.javascriptDialogOpening"), "a script ran"


def check_legible(browser: Browser) -> None:
    count = 0
    for name, text, colour, behind, size in browser.texts():
        needed = 3 if float(size.removesuffix("px")) >= LARGE_PX else 4.5
        ratio = contrast(colour, behind)
        assert ratio >= needed, f"{name} {text!r}: {colour} on {behind} is {ratio:.2f}"
        count += 1
    assert count > 20, f"only {count} texts were found"


def look(browser: Browser, hold: Hold, folder: str, name: str, width: int, height: int, dark: bool, scripts: bool) -> None:
    browser.open(f"http://{HOST}/", width, height, dark, scripts)
    browser.screenshot(os.path.join(folder, f"{name}.png"))
    quiet(browser, hold)
    assert browser.content_width() <= width, f"{browser.content_width()} wide in a window of {width}"
    check_legible(browser)


LOOKS = [
    ("light", 1280, 800, False),
    ("dark", 1280, 800, True),
    ("phone", 390, 844, False),
    ("phone-dark", 390, 844, True),
    ("narrow", 320, 640, False),
]


def holds(program: str, network: Network):
    """Each with its name: one as people have it, one that says nothing, one that has moved, one with hostile records."""
    member = '[crew."did:plc:yk4dd2qkboz2yv6tpubpc6co"]\nrole = "member"\npermissions = ["blob:write"]\n'
    words = "Image storage for the people of the harbour office, and for friends who ask."
    profile = f'[profile]\ndisplay_name = "North Sea Hold"\ndescription = "{words}"\navatar = PICTURE\n'
    options = 'public = true\nregion = "eu-central-1"\n'
    yield "friendly", Hold(program, network, options + profile + member, [1_900_000, 52_000_000] * 206)
    yield "private", Hold(program, network)
    yield "moved", Hold(program, network, 'public = true\nallow_all_crew = true\nsuccessor = "did:web:next.example.org"\n')
    quoted = [text.replace("\u202e", "\\u202E").replace("\u2066", "\\u2066") for text in (HOSTILE_NAME, HOSTILE_TEXT)]
    profile = f'[profile]\ndisplay_name = "{quoted[0]}"\ndescription = "{quoted[1]}"\n'
    yield "hostile", Hold(program, network, f'public = true\nregion = "{"<b>&" * 250}"\n{profile}')


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--hold", required=True, help="the program")
    arguments.add_argument("--browser", help="headless Chromium")
    arguments.add_argument("--client", type=Path, help="the script of a page that uses the reference client")
    arguments.add_argument("--screenshots", required=True, help="a folder")
    arguments = arguments.parse_args()
    counts = {"passed": 0, "failed": 0}

    def step(title: str, check, *details) -> None:
        try:
            check(*details)
            outcome = "passed"
        except Exception as problem:
            outcome = "failed"
            print(f"{title}: {type(problem).__name__}: {problem}", flush=True)
        counts[outcome] += 1
        print(f"{title}: {outcome}", flush=True)

    network = Network()
    for name, hold in holds(os.path.abspath(arguments.hold), network):
        step(f"{name}: the handle", hold.wait_for, f"@{HANDLE}")
        step(f"{name}: the markup", check_markup, hold)
        if arguments.browser:
            browser = Browser(arguments.browser, {HOST: f"127.0.0.1:{hold.port}"})
            for kind, width, height, dark in LOOKS:
                # Where a script could have come in, it might run; everywhere else the page must do without.
                details = (f"{name}-{kind}", width, height, dark, name == "hostile")
                step(f"{name}: {kind}", look, browser, hold, arguments.screenshots, *details)
            browser.close()
        hold.close()
    if arguments.browser and arguments.client:
        details = (os.path.abspath(arguments.hold), arguments.browser, arguments.client)
        step("the reference client in a page of another origin", check_client, *details)
    print(f"page: {counts['passed']} passed, {counts['failed']} failed")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
