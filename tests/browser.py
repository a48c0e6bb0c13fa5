"""A Chromium without a window, driven by its own protocol over a pipe: no client library, no port, no network.

    def test_something(browser: Browser, tmp_path: Path) -> None:
        page = browser.open(tmp_path / "page.html", width=390, dark=True)
        page.press("Tab")
        assert page.run("document.activeElement.id") == "..."
        assert page.complaints == [] and page.requests == []

`browser` is a fixture of every test module; tests that use it are skipped where there is no Chromium.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60.0  # seconds that one answer may take on a busy machine

# What a key is to the protocol: its code, its number, and the text that it types.
KEYS = {
    "Tab": ("Tab", 9, ""),
    "Enter": ("Enter", 13, "\r"),
    " ": ("Space", 32, " "),
    "Escape": ("Escape", 27, ""),
    "Home": ("Home", 36, ""),
    "End": ("End", 35, ""),
    "ArrowLeft": ("ArrowLeft", 37, ""),
    "ArrowUp": ("ArrowUp", 38, ""),
    "ArrowRight": ("ArrowRight", 39, ""),
    "ArrowDown": ("ArrowDown", 40, ""),
}
SHIFT = 8


class Browser:
    """One Chromium process, in which pages are opened one after the other."""

    def __init__(self, program: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        arguments = [
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
            *("--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio"),
            *(f"--user-data-dir={self._profile}", "--remote-debugging-pipe", "about:blank"),
        ]

        def third_and_fourth() -> None:
            # The protocol speaks on descriptors 3 and 4, whatever the pipes were given.
            one, other = os.dup(to_browser), os.dup(from_browser)
            os.dup2(one, 3)
            os.dup2(other, 4)

        self._process = subprocess.Popen(
            [program, *arguments],
            close_fds=False,
            preexec_fn=third_and_fourth,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def open(
        self, page: str | Path, *, width: int = 1280, height: int = 900, dark: bool = False, still: bool = False
    ) -> Page:
        """Open a file in a tab of its own; `still` asks for reduced motion."""
        address = page if isinstance(page, str) else page.resolve().as_uri()
        target = self.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        opened = Page(self, target, session)
        opened.resize(width, height)
        opened.colours(dark=dark, still=still)
        opened.load(address)
        return opened

    def send(self, method: str, values: dict[str, Any] | None = None, session: str | None = None) -> dict[str, Any]:
        """One command and its answer; what else is reported meanwhile is kept in `events`."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": values or {}}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE
        while True:
            answer = self._receive(until)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def wait_for(self, method: str, session: str) -> dict[str, Any]:
        """The next report of this name from a tab, or one that has come already."""
        until = time.monotonic() + PATIENCE
        while True:
            for event in self.events:
                if event.get("method") == method and event.get("sessionId") == session:
                    return event
            self.events.append(self._receive(until))

    def _receive(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._read], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError("Chromium does not answer")
            data = os.read(self._read, 1 << 16)
            if not data:
                raise RuntimeError("Chromium is gone")
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def close(self) -> None:
        try:
            self.send("Browser.close")
            self._process.wait(10)
        except Exception:
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        os.close(self._read)
        shutil.rmtree(self._profile, ignore_errors=True)


class Page:
    """A page in a tab."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self.browser, self._target, self._session, self.address = browser, target, session, ""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def load(self, address: str) -> None:
        """Go to an address, and wait until all of the page is there."""
        self.address = address
        # What an earlier page reported is no news of this one.
        self.browser.events = [e for e in self.browser.events if e.get("sessionId") != self._session]
        self.send("Page.navigate", {"url": address})
        self.browser.wait_for("Page.loadEventFired", self._session)

    def send(self, method: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
        return self.browser.send(method, values, self._session)

    def resize(self, width: int, height: int = 900) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", size)

    def colours(self, *, dark: bool, still: bool = False, medium: str = "") -> None:
        """What the reader's system prefers; the medium is "print", or the screen."""
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        self.send("Emulation.setEmulatedMedia", {"media": medium, "features": features})

    def run(self, script: str) -> Any:
        """The value of an expression in the page (a promise is waited for)."""
        values = {"expression": script, "returnByValue": True, "awaitPromise": True}
        answer = self.send("Runtime.evaluate", values)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def press(self, key: str, *, shift: bool = False, times: int = 1) -> None:
        code, number, text = KEYS[key]
        values = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": SHIFT if shift else 0}
        for _ in range(times):
            kind = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
            self.send("Input.dispatchKeyEvent", {**values, **kind})
            self.send("Input.dispatchKeyEvent", {**values, "type": "keyUp"})

    def centre(self, selector: str) -> tuple[float, float]:
        """The middle of the first element that a selector finds, scrolled into view."""
        found = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return null;"
            "e.scrollIntoView({block: 'center', behavior: 'instant'}); const r = e.getBoundingClientRect();"
            "return [r.left + r.width / 2, r.top + r.height / 2]; })()"
        )
        if found is None:
            raise LookupError(f"nothing on the page is {selector}")
        return found[0], found[1]

    def hover(self, selector: str) -> None:
        x, y = self.centre(selector)
        self.send("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})

    def click(self, selector: str) -> None:
        x, y = self.centre(selector)
        for kind in ("mousePressed", "mouseReleased"):
            values = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
            self.send("Input.dispatchMouseEvent", values)

    @property
    def complaints(self) -> list[str]:
        """Everything that the console shows: errors, warnings and messages, and exceptions that nobody caught."""
        found = []
        for event in self._mine():
            values = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                details = values["exceptionDetails"]
                found.append(details.get("exception", {}).get("description", details["text"]))
            elif event["method"] == "Runtime.consoleAPICalled":
                found.append(" ".join(str(one.get("value", "")) for one in values["args"]))
            elif event["method"] == "Log.entryAdded":
                found.append(values["entry"]["text"])
        return found

    @property
    def requests(self) -> list[str]:
        """The addresses of all that was asked for, but for the page itself and what stands in it as data."""
        asked = [e["params"]["request"]["url"] for e in self._mine() if e["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if url.partition("#")[0] != self.address and not url.startswith("data:")]

    def _mine(self) -> list[dict[str, Any]]:
        self.run("0")  # what has happened so far has been reported by the time this is answered
        return [e for e in self.browser.events if e.get("sessionId") == self._session and "method" in e]

    def close(self) -> None:
        self.browser.send("Target.closeTarget", {"targetId": self._target})
        self.browser.events = [e for e in self.browser.events if e.get("sessionId") != self._session]


def program() -> str | None:
    """The Chromium of this machine."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium for all tests of a run."""
    found = program()
    if found is None:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    one = Browser(found)
    yield one
    one.close()


# How far text stands out from what is behind it (WCAG 2, relative luminance), for every piece of text of a page.
# Colours are painted and read back, so that the browser's own arithmetic (mixes, light-dark) is what counts.
CONTRASTS = """(() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const paint = canvas.getContext("2d", { willReadFrequently: true });
  const over = (layers) => {
    paint.clearRect(0, 0, 1, 1);
    for (const layer of layers) { paint.fillStyle = layer; paint.fillRect(0, 0, 1, 1); }
    return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walk.nextNode()); ) {
    const element = node.parentElement, text = node.textContent.trim();
    if (!text || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.unshift(getComputedStyle(e).backgroundColor);
    const style = getComputedStyle(element);
    layers.unshift("white");
    const [a, b] = [light(over(layers)), light(over([...layers, style.color]))];
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push({ text: text.slice(0, 40), ratio, needs: large ? 3 : 4.5, style: element.className });
  }
  return found;
})()"""
