"""A headless Chromium that opens pages from the disk, and what it saw of them."""

from __future__ import annotations

import base64
import contextlib
import json
import pathlib
import shutil
from collections.abc import Iterator

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip

#: Every element that a keyboard must reach.
REACHABLE = "a[href], audio[controls], summary, [tabindex='0'], button, input, select, textarea"
#: WCAG 2.2, AA: contrast of text with the nearest background, and of every bar with what it lies on.
CONTRASTS = r"""
const rgb = text => { const p = text.match(/[\d.]+/g).map(Number); return p.length < 4 ? [...p, 1] : p; };
const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
const light = c => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => {
  const v = c[i] / 255; return sum + w * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); }, 0);
const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
const ground = e => { const c = rgb(getComputedStyle(e).backgroundColor);
  return c[3] === 1 || !e.parentElement ? c : over(c, ground(e.parentElement)); };
const found = [];
for (const e of document.querySelectorAll("body *")) {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  if (!e.getClientRects().length) continue;
  if (own && !e.closest("svg")) {
    const style = getComputedStyle(e), px = parseFloat(style.fontSize);
    const large = px >= 24 || (px >= 18.66 && style.fontWeight >= 700);
    found.push([ratio(rgb(style.color), ground(e)), large ? 3 : 4.5, e.tagName + ": " + e.textContent.slice(0, 40)]);
  }
  if (e.tagName === "rect" && !e.classList.contains("mark"))
    found.push([ratio(rgb(getComputedStyle(e).fill), ground(e.closest("svg"))), 3, "rect." + e.classList[0]]);
}
return [found.length, found.filter(([value, least]) => value < least)];
"""


class Browser:
    """One page at a time, at any width and in both colour schemes."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, page: pathlib.Path, width: int = 1280, scheme: str = "light") -> None:
        """Load a page anew; what the browser logged before is forgotten."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.driver.get("about:blank")
        for log in ("browser", "performance"):
            self.driver.get_log(log)
        self.driver.get(page.as_uri())

    def ask(self, script: str, *arguments: object):
        """Run JavaScript from outside the page, which its policy does not forbid, and give what it returns."""
        return self.driver.execute_script(script, *arguments)

    def ask_later(self, script: str):
        """The same for JavaScript that calls ``done(answer)``."""
        return self.driver.execute_async_script(f"const done = arguments[arguments.length - 1]; {script}")

    def complaints(self) -> list[str]:
        """What stood in the console: errors, and refusals of the page's policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses that the page asked for, ``data:`` left out."""
        messages = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith("data:")]

    def picture(self, x: int, y: int, width: int, height: int) -> bytes:
        """A part of the page as PNG."""
        clip = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        return base64.b64decode(shot["data"])


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium, and end it."""
    binary, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if binary is None or driver is None:
        raise RuntimeError("needs Chromium and its driver; on Debian: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in _FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield Browser(started)
    finally:
        started.quit()
