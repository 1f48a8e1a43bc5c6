"""Opens a log folder in stock TensorBoard with headless Chromium and looks at what its pages show.

    python pages.py LOGDIR [--expect FILE]
    python pages.py LOGDIR --screenshots FOLDER

Starts TensorBoard on a free port with its default options, opens the pages Time Series, Scalars, Images, Histograms,
Distributions and Text, expands every group of tags and scrolls to every card. Each expected tag must have its card,
each card must have drawn something (a line, an image that loaded, text), and there must be no error: no toast, no
failed request, no complaint of the server. FILE holds the expected tags:

    {"scalars": {tag: [run, ...]}, "images": ..., "histograms": ..., "text": ...}

Without it they are those that the server lists. Prints what was seen as JSON; exits with 1 after the first complaint,
which goes to stderr.

With --screenshots it writes a picture of each page instead, PAGE.png, 1600 by 1000 pixels. It shows the tags that
page_kinds.py names: LOGDIR should hold one run of the default model.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

os.environ["SE_OFFLINE"] = "true"  # Selenium must take the driver it is told, not fetch one

from selenium import webdriver  # noqa: E402
from selenium.common.exceptions import WebDriverException  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402

from page_kinds import PAGES, SCRIPT, SHOWS  # noqa: E402

WINDOW = (1600, 1000)
# Limits, far above what the steps take, so that a busy machine does not fail the test.
START_SECONDS = 60
PAGE_SECONDS = 90
# The whole program. A caller's limit should be higher, so that it is this one that ends it, with everything cleaned up.
TOTAL_SECONDS = 420


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logdir", metavar="LOGDIR")
    parser.add_argument("--expect", metavar="FILE", help="expected tags and runs, JSON")
    parser.add_argument("--screenshots", metavar="FOLDER", help="write a picture of each page there")
    parser.add_argument("--chromium", default="/usr/bin/chromium", metavar="PROGRAM")
    parser.add_argument("--chromedriver", default="/usr/bin/chromedriver", metavar="PROGRAM")
    arguments = parser.parse_args()
    for program in (arguments.chromium, arguments.chromedriver):
        if not os.path.exists(program):
            fail(f"{program} is missing: apt-get install chromium chromium-driver")

    # Both end in an exception, so that the servers are stopped and the folders removed.
    signal.signal(signal.SIGTERM, lambda *_: fail("stopped from outside"))
    signal.signal(signal.SIGALRM, lambda *_: fail(f"not done after {TOTAL_SECONDS} s"))
    signal.alarm(TOTAL_SECONDS)

    with tensorboard(arguments.logdir) as server, chromium(arguments) as driver:
        if arguments.screenshots:
            os.makedirs(arguments.screenshots, exist_ok=True)
            for page in PAGES:
                take_picture(driver, server, page, os.path.join(arguments.screenshots, f"{page}.png"))
        else:
            check_pages(driver, server, arguments.expect)


def check_pages(driver, server, expect):
    if expect:
        with open(expect, encoding="utf-8") as file:
            expected = json.load(file)
    else:
        expected = server.listed()
    report = {page: look_at(driver, server, page, expected) for page in PAGES}
    json.dump(report, sys.stdout, indent=1, sort_keys=True)


def fail(message):
    raise SystemExit(message)


# The server


@contextlib.contextmanager
def tensorboard(logdir):
    """TensorBoard with its default options on a free port, stopped at the end."""
    parent, name = os.path.split(os.path.abspath(logdir))
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        # Started in the parent folder: the pages show the folder's name as it is given here.
        process = subprocess.Popen(
            [sys.executable, "-m", "tensorboard.main", "--logdir", name, "--port", str(port)],
            cwd=parent,
            stdout=log,
            stderr=log,
        )
        try:
            server = Server(process, port, log)
            server.wait_until_loaded()
            yield server
            server.check_log()
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


class Server:
    def __init__(self, process, port, log):
        self._process = process
        self._log = log
        self.address = f"http://localhost:{port}/"

    def get(self, path):
        with urllib.request.urlopen(self.address + path, timeout=START_SECONDS) as response:
            return json.load(response)

    def log(self):
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode(errors="replace")

    def wait_until_loaded(self):
        """Until it answers and lists a run: it answers before it has read the files."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self._process.poll() is not None:
                fail(f"TensorBoard ended with {self._process.returncode}:\n{self.log()}")
            with contextlib.suppress(OSError):
                if self.get("data/runs") and any(self.listed().values()):
                    return
            if time.monotonic() > deadline:
                fail(f"TensorBoard showed no run within {START_SECONDS} s:\n{self.log()}")
            time.sleep(0.2)

    def listed(self):
        """Tags and their runs, as the server lists them."""
        result = {}
        for plugin in ("scalars", "images", "histograms", "text"):
            tags = result[plugin] = {}
            for run, tags_of_run in self.get(f"data/plugin/{plugin}/tags").items():
                for tag in tags_of_run:
                    tags.setdefault(tag, []).append(run)
        return result

    def check_log(self):
        """Complains about warnings and exceptions, except for connections that the browser closed."""
        for line in self.log().splitlines():
            is_exception = re.match(r"[\w.]*(Error|Exception)\b", line)
            if is_exception and line.startswith(("BrokenPipeError", "ConnectionResetError")):
                continue
            if is_exception or " WARN " in line or " ERROR " in line:
                fail(f"TensorBoard complained:\n{self.log()}")


# The browser


@contextlib.contextmanager
def chromium(arguments):
    profile = tempfile.mkdtemp(prefix="convscope-browser-")
    options = webdriver.ChromeOptions()
    options.binary_location = arguments.chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (
        "headless",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "disable-dev-shm-usage",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "hide-scrollbars",
        "force-device-scale-factor=1",
        f"window-size={WINDOW[0]},{WINDOW[1]}",
        f"user-data-dir={profile}",
    ):
        options.add_argument(f"--{flag}")
    service = Service(arguments.chromedriver)
    try:
        driver = webdriver.Chrome(options=options, service=service)
        try:
            # The window includes a frame that headless Chromium does not draw: set the page's own size.
            driver.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": WINDOW[0], "height": WINDOW[1], "deviceScaleFactor": 1, "mobile": False},
            )
            driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "UTC"})
            yield driver
        finally:
            with contextlib.suppress(WebDriverException):
                driver.quit()
    finally:
        service.stop()
        kill_all_with(profile)
        shutil.rmtree(profile, ignore_errors=True)


def kill_all_with(profile):
    """Ends what is left of the browser that was started with this folder, which is nobody else's."""
    for pid in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else []):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if profile.encode() in file.read():
                    os.kill(int(pid), signal.SIGKILL)


# The pages


def open_page(driver, server, page, tag_filter="", settings=None):
    """A fresh load of one page. Groups are not cut into pages of twelve cards."""
    settings = {"paginationSize": 1000, **(settings or {})}
    driver.get("about:blank")
    driver.get(server.address)  # local storage belongs to the address
    driver.execute_script("localStorage.setItem('_tb_global_settings', arguments[0])", json.dumps(settings))
    driver.get("about:blank")  # a change of the fragment alone would load nothing
    driver.get(PAGES[page].address(server.address, page, tag_filter))


def look_at(driver, server, page, expected):
    kind = PAGES[page]
    wanted = wanted_cards(kind, expected)
    open_page(driver, server, page)
    wait(
        lambda: not (set(wanted) - set(cards_of(driver, page))),
        lambda: f"page {page}: no card for {sorted(set(wanted) - set(cards_of(driver, page)))}; "
        f"there are cards for {sorted(cards_of(driver, page))}",
    )
    cards = cards_of(driver, page)
    if surplus := set(cards) - set(wanted):
        fail(f"page {page}: unexpected cards {sorted(surplus)}")
    wait_until_drawn(driver, page)
    if toasts := run_script(driver, "toasts", page):
        fail(f"page {page}: {toasts}")
    for entry in driver.get_log("browser"):
        if entry["level"] == "SEVERE" and "ERR_ABORTED" not in entry["message"]:  # by leaving a page
            fail(f"page {page}: the browser reports {entry['message']}")
    return [{"tag": tag, "run": run} for tag, run in sorted(cards)]


def wanted_cards(kind, expected):
    """(tag, run) of the expected cards; a card that overlays all runs has the run ""."""
    wanted = set()
    for plugin in kind.plugins:
        for tag, runs in expected[plugin].items():
            wanted |= {(tag, "")} if SHOWS[plugin].overlays else {(tag, run) for run in runs}
    return wanted


def wait_until_drawn(driver, page):
    wait(
        lambda: not run_script(driver, "blank", page),
        lambda: f"page {page}: nothing drawn on the cards {run_script(driver, 'blank', page)}",
    )


def cards_of(driver, page):
    return {(tag, run) for tag, run in run_script(driver, "expandedCards", page)}


def run_script(driver, function, page, *arguments):
    return driver.execute_script(SCRIPT + f"return {function}(...arguments);", page, *arguments)


def wait(condition, complaint):
    deadline = time.monotonic() + PAGE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            fail(complaint())
        time.sleep(0.1)


# The pictures


def take_picture(driver, server, page, path):
    # Short curves are shown whole, and the cards get the room of the settings.
    settings = {"ignoreOutliers": False, "timeSeriesSettingsPaneOpened": False}
    open_page(driver, server, page, PAGES[page].picture, settings)
    wait(
        lambda: run_script(driver, "count", page),
        lambda: f"page {page}: nothing matches {PAGES[page].picture!r}",
    )
    wait_until_drawn(driver, page)
    run_script(driver, "arrange", page)
    wait_until_drawn(driver, page)
    run_script(driver, "rest", page)
    time.sleep(1.5)  # for animations
    driver.save_screenshot(path)


if __name__ == "__main__":
    main()
