"""The pages of the front end in Chromium: at a desk, on a phone and in a narrow window, in light and dark. Every text has to be legible,
nothing too wide, nothing of elsewhere is fetched; headings, landmarks, labels and the order of the keyboard are as people expect, and
paragraphs of a script that is written from right to left begin at the right.

    site.py CHROMIUM ORIGIN FOLDER PAGES [COOKIE]    PAGES: a JSON object of names and paths; screenshots are left in FOLDER

Says what went wrong and exits with 1, else with 0.
"""

import json
import os
import sys
from urllib.parse import urlsplit

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "page"))
from browser import Browser  # noqa: E402
from check import LARGE_PX, contrast  # noqa: E402

chromium, origin, folder, pages, *cookie = sys.argv[1:]
browser = Browser(chromium, {"127.0.0.1": "127.0.0.1"})
LOOKS = [("light", 1280, 900, False), ("dark", 1280, 900, True), ("phone", 390, 844, False), ("phone-dark", 390, 844, True), ("narrow", 320, 640, False)]
problems = []

# Of a group of radio buttons Tab comes by one.
FOCUSABLE = "a[href], button:not([hidden]), input:not([type=hidden]):not([type=radio]), input[type=radio]:checked, select, textarea, summary, [tabindex='0']"
STRUCTURE = """(() => {
  const all = (selector) => [...document.querySelectorAll(selector)]
  const wrong = []
  for (const name of ['header', 'main', 'h1', 'title']) if (all(name).length !== 1) wrong.push(`${all(name).length} ${name}`)
  if (document.documentElement.lang !== 'en') wrong.push('no language')
  const levels = all('h1, h2, h3, h4, h5, h6').map((heading) => Number(heading.localName[1]))
  levels.forEach((level, at) => { if (at && level > levels[at - 1] + 1) wrong.push(`headings ${levels}`) })
  for (const image of all('img')) if (!image.hasAttribute('alt') || !image.naturalWidth) wrong.push(`image ${image.src}`)
  for (const field of all('input:not([type=hidden]), textarea, select')) if (!field.labels.length) wrong.push(`no label: ${field.name}`)
  for (const nav of all('nav')) if (!nav.ariaLabel) wrong.push('a nav without a name')
  for (const section of all('section[aria-labelledby]')) if (!document.getElementById(section.getAttribute('aria-labelledby'))) wrong.push('a section without its heading')
  for (const one of all('a, button')) if (!one.innerText.trim() && !one.hidden) wrong.push(`nothing to press: ${one.outerHTML}`)
  for (const one of all('.readme :is(p, h3, li, td), p[dir]')) {
    const text = document.createRange()
    text.selectNodeContents(one)
    const [inner, outer, style] = [text.getBoundingClientRect(), one.getBoundingClientRect(), getComputedStyle(one)]
    const gap = outer.right - parseFloat(style.paddingRight) - inner.right
    if (/^[\u0590-\u08ff]/.test(one.innerText) && gap > 2) wrong.push(`from the left: ${one.innerText}`)
  }
  for (const one of all('time')) if (one.getClientRects().length > 2) wrong.push(`a time in pieces: ${one.innerText}`)
  const ids = all('[id]').map((one) => one.id)
  if (new Set(ids).size !== ids.length) wrong.push(`ids ${ids}`)
  return wrong
})()"""


PLACEHOLDERS = """[...document.querySelectorAll('[placeholder]')].map((field) => [
  field.name, getComputedStyle(field, '::placeholder').color, getComputedStyle(field).backgroundColor,
])"""


def run(script: str):
    return browser.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")


def keyboard(name: str) -> None:
    """Tab comes by everything that can be used, in the order of the page, and shows where it is."""
    run(f"window.order = [...document.querySelectorAll({json.dumps(FOCUSABLE)})].filter((one) => one.getClientRects().length)")
    count = run("order.length")
    for at in range(min(count, 40)):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        if run("order.indexOf(document.activeElement)") != at:
            problems.append(f"{name}: Tab {at + 1} leads to {run('document.activeElement.outerHTML.slice(0, 200)')}")
            return
        if run("getComputedStyle(document.activeElement).outlineStyle") == "none":
            problems.append(f"{name}: the focus is not shown at {run('document.activeElement.outerHTML.slice(0, 200)')}")


def look(name: str, path: str, kind: str, width: int, height: int, dark: bool) -> None:
    browser.open(origin + path, width, height, dark, scripts=True)
    browser.screenshot(os.path.join(folder, f"{name}-{kind}.png"))
    label = f"{name}, {kind}"
    if browser.content_width() > width:
        problems.append(f"{label}: {browser.content_width()} wide in a window of {width}")
    for element, text, colour, behind, size in browser.texts():
        needed = 3 if float(size.removesuffix("px")) >= LARGE_PX else 4.5
        if element not in ("style", "script", "title") and contrast(colour, behind) < needed:
            problems.append(f"{label}: {element} {text[:60]!r}: {colour} on {behind} is {contrast(colour, behind):.2f}")
    for field, colour, behind in run(PLACEHOLDERS):
        if contrast(colour, behind) < 4.5:
            problems.append(f"{label}: what stands in {field} before it is filled in: {colour} on {behind} is {contrast(colour, behind):.2f}")
    asked = [event["request"]["url"] for event in browser.seen("Network.requestWillBeSent")]
    elsewhere = [url for url in asked if not url.startswith("data:") and not url.startswith(origin)]
    complaints = [entry["entry"]["text"] for entry in browser.seen("Log.entryAdded") if "404 (Not Found)" not in entry["entry"]["text"]]
    for wrong in (elsewhere, complaints, browser.seen("Runtime.exceptionThrown"), browser.seen("Page.javascriptDialogOpening")):
        if wrong:
            problems.append(f"{label}: {wrong}")
    problems.extend(f"{label}: {wrong}" for wrong in run(STRUCTURE))
    if kind == "light":
        keyboard(label)


try:
    if cookie:
        name, _, value = cookie[0].partition("=")
        browser.call("Network.setCookie", name=name, value=value, url=f"{urlsplit(origin).scheme}://{urlsplit(origin).netloc}/")
    for page, address in json.loads(pages).items():
        for details in LOOKS:
            look(page, address, *details)
finally:
    browser.close()
if problems:
    sys.exit("\n".join(problems))
