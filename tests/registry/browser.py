"""A person in Chromium: signs in at the real pages of a PDS, and lets a device in. The pages of the registry run no script.

    browser.py CHROMIUM DEVICE_PAGE HANDLE PASSWORD [FOLDER]    screenshots are left in FOLDER

Says what went wrong and exits with 1, else with 0.
"""

import json
import os
import sys
import time
from urllib.parse import urlsplit

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "page"))
from browser import PATIENCE_S, Browser  # noqa: E402

chromium, page, handle, password, *folder = sys.argv[1:]
here = f"{urlsplit(page).scheme}://{urlsplit(page).netloc}"
browser = Browser(chromium, {"localhost": "127.0.0.1", "127.0.0.1": "127.0.0.1"})


def run(script: str):
    """What the script says; nothing where it led to another page before it was answered."""
    try:
        return browser.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")
    except RuntimeError as error:
        if "navigated or closed" not in str(error):
            raise
        return None


def wait_for(condition: str):
    """Waits until the page says so: pages of a PDS draw themselves."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if run(f"document.readyState === 'complete' && !!({condition})"):
                return
        except RuntimeError:
            pass  # between two pages
        if time.monotonic() > deadline:
            sys.exit(f"not within {PATIENCE_S} s: {condition}; at {run('location.href')}: {run('document.body.innerText')}")
        time.sleep(0.1)


def shoot(name: str):
    if folder:
        browser.screenshot(os.path.join(folder[0], f"{name}.png"))


# What React notices of a typed text.
TYPE = """(field, text) => {
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(field, text)
  field.dispatchEvent(new Event('input', { bubbles: true }))
}"""

try:
    # By the name of this machine, as the registry's address has it: the browser is led to the number.
    browser.open(page.replace("127.0.0.1", "localhost"), 390, 700, dark=True, scripts=True)
    assert run("location.href") == page, run("location.href")
    shoot("sign-in")
    run(f"document.querySelector('#handle').value = {json.dumps(handle)}")
    run("document.querySelector('form button').click()")
    wait_for("document.querySelector('input[type=password]')")
    run(f"({TYPE})(document.querySelector('input[type=password]'), {json.dumps(password)})")
    run("document.querySelector('button[type=submit]').click()")
    authorize = "[...document.querySelectorAll('button')].find((one) => one.innerText === 'Authorize')"
    wait_for(authorize)
    shoot("consent")
    run(f"{authorize}.click()")
    wait_for(f"location.href === {json.dumps(page)} && document.querySelector('button[value=allow]')")
    assert handle in run("document.body.innerText")
    assert browser.content_width() <= 390, "a phone need not scroll sideways"
    shoot("approve")
    run("document.querySelector('button[value=allow]').click()")
    wait_for("document.querySelector('[role=status]')")
    assert "is authorized" in run("document.body.innerText"), run("document.body.innerText")
    shoot("devices")
    # A form that was taken leads to a page of its own, which the button back shows again; nothing is sent twice.
    run("location.href = '/settings'")
    wait_for("document.querySelector('form[action=\"/settings/hold\"]')")
    run("document.querySelector('form[action=\"/settings/hold\"] button').click()")
    wait_for("location.search.startsWith('?said=') && document.querySelector('[role=status]')")
    run("location.href = '/search'")
    wait_for("location.pathname === '/search'")
    run("history.back()")
    wait_for("location.pathname === '/settings' && document.querySelector('[role=status]')")
    # The button signs out, and the way back shows nothing of whoever was signed in.
    run("location.href = '/settings'")
    # The page before has the same forms: a click there would be lost.
    wait_for("location.search === '' && document.querySelector('form[action=\"/settings/hold\"]')")
    run("document.querySelector('form[action=\"/auth/logout\"] button').click()")
    wait_for("location.pathname === '/auth/oauth/login' && document.querySelector('#handle')")
    run("history.back()")
    wait_for("location.pathname === '/settings' && document.querySelector('#handle')")
    assert "This browser" not in run("document.body.innerText"), run("document.body.innerText")
    ours = [entry["entry"] for entry in browser.seen("Log.entryAdded") if entry["entry"].get("url", "").startswith(here)]
    assert not ours, f"the browser complains: {ours}"
finally:
    browser.close()
