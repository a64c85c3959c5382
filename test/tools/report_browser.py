"""The page of `adze report` in a headless browser: nothing overflows, the figures are seen first, marked points have
their colour, in light and dark, wide and narrow, and in print. Looks at what was laid out and drawn, not at bytes.

    report_browser.py [FOLDER]     leave the pictures in FOLDER
"""
import base64
import fcntl
import io
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(os.environ.get("ADZE_SOURCE_DIR", Path(__file__).resolve().parents[2]))
BUILD = Path(os.environ.get("ADZE_BUILD_DIR", ROOT / "build/release"))
BROWSERS = ["chromium", "chromium-browser", "google-chrome", "chrome"]
PATIENCE = 120  # seconds for one answer
SAMPLE = ROOT / "test/tools/Inputs/report_sample.py"


class Browser:
    """A headless Chromium behind two pipes: messages are JSON, each ended by a zero byte (DevTools protocol)."""

    def __init__(self, program, folder):
        to_read, self.writer = os.pipe()
        self.reader, to_write = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (to_read, to_write)]
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--hide-scrollbars", "--no-first-run", "--disable-extensions",
                   f"--user-data-dir={folder}/profile", "--remote-debugging-pipe"]
        # The browser reads from 3 and writes to 4.
        self.process = subprocess.Popen(command, pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=lambda: (os.dup2(ends[0], 3), os.dup2(ends[1], 4)))
        for end in (*ends, to_read, to_write):
            os.close(end)
        self.count, self.buffer, self.session, self.events = 0, b"", None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Log.enable")
        self.call("Runtime.enable")

    def message(self):
        while b"\0" not in self.buffer:
            more = select.select([self.reader], [], [], PATIENCE)[0] and os.read(self.reader, 1 << 20)
            if not more:
                self.process.kill()
                raise RuntimeError("the browser has ended, or does not answer")
            self.buffer += more
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **params):
        self.count += 1
        request = {"id": self.count, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.writer, json.dumps(request).encode() + b"\0")
        while (answer := self.message()).get("id") != self.count:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def open(self, path, width, height, scheme="light", media="screen"):
        self.events.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", media=media,
                  features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=Path(path).as_uri())
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self.message())

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")

    def problems(self):
        """What the page logged, and the dialogs that it opened."""
        wrong = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled",
                 "Page.javascriptDialogOpening")
        return [event for event in self.events if event.get("method") in wrong]

    def picture(self, whole=True):
        result = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole,
                           **({"clip": {"x": 0, "y": 0, "scale": 1, **self.size()}} if whole else {}))
        return base64.b64decode(result["data"])

    def size(self):
        box = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"width": box["width"], "height": box["height"]}

    def close(self):
        try:
            self.call("Browser.close")
        except (RuntimeError, OSError):
            self.process.kill()
        self.process.wait()


def colors(png):
    """How often each colour stands in a picture."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    return {bytes(color): count for count, color in picture.getcolors(picture.width * picture.height)}


def color_of(browser, name):
    text = browser.value(f"getComputedStyle(document.documentElement).getPropertyValue('{name}')").strip().lstrip("#")
    return bytes.fromhex("".join(2 * digit for digit in text) if len(text) == 3 else text)


def luminance(color):
    parts = [c / 255 for c in color]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    dark, light = sorted([luminance(a), luminance(b)])
    return (light + 0.05) / (dark + 0.05)


# ---- What must hold ----

def check_view(browser, page, name, width, height, scheme, folder):
    browser.open(page, width, height, scheme)
    assert not browser.problems(), browser.problems()
    assert browser.value("document.documentElement.scrollWidth") <= width, "the page is wider than the window"
    cards = browser.value("""[...document.querySelectorAll('.cards > .card')].map((c) => {
      const b = c.getBoundingClientRect();
      return [c.dataset.card, b.top, b.bottom, b.left, b.right];
    })""")
    assert [card[0] for card in cards[:4]] == ["accuracy", "speed", "memory", "energy"], cards
    if "two" not in name:  # there the comparison comes first
        for card, top, bottom, left, right in cards:
            assert 0 <= left < right <= width and 0 <= top < bottom <= height, f"card '{card}' is not seen at first"
    overflowing = browser.value("[...document.querySelectorAll('.card, .card p, li, pre, dd')].filter(e => "
                                "e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.slice(0, 40))")
    assert not overflowing, f"text leaves its box: {overflowing}"
    picture = browser.picture()
    (folder / f"{name}.png").write_bytes(picture)
    found = colors(picture)
    ground, mark = color_of(browser, "--page"), color_of(browser, "--mark")
    assert len(found) > 200, f"only {len(found)} colours: nothing is drawn"
    assert found.get(ground, 0) > 0.1 * sum(found.values()), "the ground is not that of the scheme"
    assert (luminance(ground) < 0.05) == (scheme == "dark"), "the wrong scheme"
    if "sparse" not in name:
        assert found.get(mark, 0) > 40, f"the marked points are not drawn ({found.get(mark, 0)} pixels)"
        assert found.get(color_of(browser, "--c0"), 0) > 500, "the bars are not drawn"
    for ink in ("--ink", "--soft", "--good", "--bad", "--link", "--mark"):
        for box in ("--page", "--box"):
            seen = contrast(color_of(browser, ink), color_of(browser, box))
            assert seen >= 4.5, f"contrast of {ink} on {box} is {seen:.2f}"
    return picture


def check_plot(browser, page, width):
    """The chosen points stand on their place, inside the axes; labels do not lie on one another."""
    browser.open(page, width, 900)
    for plot in range(browser.value("document.querySelectorAll('.plot').length")):
        marks, points, outside, over = browser.value(f"""(() => {{
          const svg = document.querySelectorAll('.plot')[{plot}], box = svg.getBoundingClientRect();
          const inside = (r) => r.left >= box.left && r.right <= box.right &&
                                r.top >= box.top && r.bottom <= box.bottom;
          const all = [...svg.querySelectorAll('text, .mark, .point')];
          const labels = [...svg.querySelectorAll('text')].map((e) => e.getBoundingClientRect());
          const over = labels.filter((a, i) => labels.some((b, k) => k > i && a.left < b.right && b.left < a.right &&
                                                                     a.top < b.bottom && b.top < a.bottom));
          return [svg.querySelectorAll('.mark').length, svg.querySelectorAll('.point').length,
                  all.filter((e) => !inside(e.getBoundingClientRect())).map((e) => e.outerHTML), over.length];
        }})()""")
        assert marks >= 1 and points >= 20, (marks, points)
        assert not outside, outside
        assert not over, f"{over} labels lie on others"


def check_sorting(browser, page):
    browser.open(page, 1280, 900)
    column = "[...document.querySelectorAll('.layers tbody tr > :nth-child(9) data')].map((d) => Number(d.value))"
    before = browser.value(column)
    browser.value("document.querySelectorAll('.layers thead button')[8].click()")
    assert browser.value(column) == sorted(before), "ascending"
    assert browser.value("document.querySelectorAll('.layers th')[8].ariaSort") == "ascending"
    browser.value("document.querySelectorAll('.layers thead button')[8].click()")
    assert browser.value(column) == sorted(before, reverse=True), "descending"
    browser.value("document.querySelectorAll('.layers thead button')[5].click()")
    last = browser.value("document.querySelector('.layers tbody tr:last-child').cells[5].textContent")
    assert last == "–", "a missing figure comes last"


def check_access(browser, page):
    """Tables have captions and headers of rows and columns, pictures titles, headings no gap."""
    browser.open(page, 1280, 900)
    assert browser.value("document.documentElement.lang") == "en" and browser.value("document.title")
    assert browser.value("[...document.querySelectorAll('table')].every(t => t.caption && t.tHead && "
                         "[...t.tHead.rows[0].cells].every(c => c.tagName == 'TH' && c.scope == 'col'))")
    assert browser.value("[...document.querySelectorAll('svg')].every(s => s.ariaHidden || "
                         "s.firstElementChild.tagName == 'title' && s.getAttribute('role') == 'img')")
    levels = browser.value("[...document.querySelectorAll('h1, h2, h3')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1, levels
    assert browser.value("document.querySelectorAll('[src], [href]:not([href^=\"#\"]), link, iframe, img').length") == 0


def check_hostile(browser, page):
    """Names stay text: no element, no script, no dialog comes of them."""
    browser.open(page, 1280, 900)
    assert not browser.problems(), browser.problems()
    assert browser.value("document.querySelectorAll('script').length") == 1
    assert browser.value("document.querySelectorAll('img, [onerror]').length") == 0
    assert "</script><script>alert(1)</script>" in browser.value("document.querySelector('.layers').textContent")
    assert "script>" in browser.value("document.title")
    browser.open(page, 400, 800)
    assert browser.value("document.documentElement.scrollWidth") <= 400, "long names widen the page"


def check_extreme(browser, page):
    """Every place in the pictures is a number, and a plot of points that are almost one has an end."""
    browser.open(page, 1280, 900)
    assert not browser.problems(), browser.problems()
    assert browser.value("document.querySelectorAll('.plot').length") == 2
    assert not browser.value("[...document.querySelectorAll('svg *')].filter((e) => [...e.attributes].some((a) => "
                             "/nan|inf/.test(a.value))).map((e) => e.outerHTML)")


def check_print(browser, page, folder):
    browser.open(page, 794, 1123, media="print")
    wide = browser.value("[...document.querySelectorAll('table')].filter((t) => "
                         "t.scrollWidth > document.body.clientWidth + 1).map((t) => t.className)")
    assert not wide, f"tables wider than the paper: {wide}"
    paper = base64.b64decode(browser.call("Page.printToPDF", printBackground=False, preferCSSPageSize=True)["data"])
    assert paper.startswith(b"%PDF") and len(paper) > 10000
    (folder / "print.pdf").write_bytes(paper)
    (folder / "print.png").write_bytes(browser.picture())


def pages(folder):
    """The pages under test, by the reports that they show."""
    adze = BUILD / "bin/adze"
    for kind in ("plain", "four", "hostile", "sparse", "extreme"):
        subprocess.run([sys.executable, SAMPLE, folder / f"{kind}.json", kind], check=True)
    found = {"two": ["plain", "four"]} | {kind: [kind] for kind in ("plain", "four", "hostile", "sparse", "extreme")}
    for name, kinds in found.items():
        subprocess.run([adze, "report", *(folder / f"{kind}.json" for kind in kinds), "-o", folder / f"{name}.html"],
                       check=True)
    return {name: folder / f"{name}.html" for name in found}


def cases(browser, page, folder):
    for kind in ("plain", "four", "two", "sparse"):
        for width, height in ((1280, 800), (400, 800)):
            for scheme in ("light", "dark"):
                name = f"{kind}-{width}-{scheme}"
                view = (name, width, height, scheme, folder)
                yield name, lambda k=kind, v=view: check_view(browser, page[k], *v)
    for kind in ("plain", "four", "two"):
        for width in (1280, 400):
            yield f"plot of {kind}, {width}", lambda k=kind, w=width: check_plot(browser, page[k], w)
    yield "sorting", lambda: check_sorting(browser, page["plain"])
    yield "access", lambda: check_access(browser, page["two"])
    yield "extreme numbers", lambda: check_extreme(browser, page["extreme"])
    yield "hostile names", lambda: check_hostile(browser, page["hostile"])
    yield "print", lambda: check_print(browser, page["plain"], folder)


def run(program, folder):
    counts = {"passed": 0, "failed": 0}
    browser = Browser(program, folder)
    try:
        for name, case in cases(browser, pages(folder), folder):
            try:
                case()
                counts["passed"] += 1
            except AssertionError as error:
                counts["failed"] += 1
                print(f"FAILED {name}: {error}", flush=True)
    finally:
        browser.close()
    print(f"{counts['passed']} passed, {counts['failed']} failed, 0 skipped")
    return counts["failed"] > 0


def main():
    program = os.environ.get("ADZE_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not program:
        print("skipped: there is no browser (Debian: chromium)\n0 passed, 0 failed, 1 skipped")
        return 77
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary)
        folder.mkdir(exist_ok=True)
        return run(program, folder)


if __name__ == "__main__":
    sys.exit(main())
