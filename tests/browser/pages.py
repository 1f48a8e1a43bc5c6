"""Opens a log folder in stock TensorBoard with headless Chromium and looks at what its pages show.

    python pages.py LOGDIR [--pages PAGE,...] [--expect FILE]
    python pages.py LOGDIR [--pages PAGE,...] --screenshots FOLDER [--filter REGEX] [--node NAME] [--name NAME]

Starts TensorBoard on a free port with its default options, opens the pages, which are all those of page_kinds.py unless
named, expands every group of tags and scrolls to every card. Each expected tag must have its card, each card must have
drawn something (a line, an image that loaded, sound, text, a scene), and there must be no error: no toast, no failed
request, no complaint of the server. FILE holds the expected tags in the form that listed.py describes:

    {"scalars": {tag: [run, ...]}, "images": ..., "histograms": ..., "text": ...}

Without it they are those that the server lists. Prints what was seen as JSON; exits with 1 after the first complaint,
which goes to stderr.

With --screenshots it writes a picture of each page instead, PAGE.png, 1600 by 1000 pixels. It shows the tags that
page_kinds.py names, or with --filter those that match; with --node the page Graphs shows this node from near, with what is known of it.
--name gives a single page's picture another name.
"""

import argparse
import contextlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(1, os.path.join(os.path.dirname(__file__), "../support"))

os.environ["SE_OFFLINE"] = "true"  # Selenium must take the driver it is told, not fetch one

from PIL import Image  # noqa: E402
from selenium import webdriver  # noqa: E402
from selenium.common.exceptions import WebDriverException  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402

from listed import listed, sort_runs, view_name  # noqa: E402
from page_kinds import PAGES, SCRIPT, SHOWS  # noqa: E402
from stock_tensorboard import fail, tensorboard  # noqa: E402

WINDOW = (1600, 1000)
# Limits, far above what the steps take, so that a busy machine does not fail the test.
PAGE_SECONDS = 90
# The whole program. A caller's limit should be higher, so that it is this one that ends it, with everything cleaned up.
TOTAL_SECONDS = 420
# How long moving parts move.
ANIMATION_SECONDS = 1.5
# Fewer points of another colour than the ground are a stray mark, not a picture.
FEWEST_POINTS = 100


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logdir", metavar="LOGDIR")
    parser.add_argument("--pages", default=",".join(PAGES), help="names, with commas between them")
    parser.add_argument("--expect", metavar="FILE", help="expected tags and runs, JSON")
    parser.add_argument("--screenshots", metavar="FOLDER", help="write a picture of each page there")
    parser.add_argument("--filter", metavar="REGEX", help="tags in the pictures")
    parser.add_argument("--node", metavar="NAME", help="of the graph, to be selected")
    parser.add_argument("--name", help="of the picture, in place of the page's")
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

    pages = arguments.pages.split(",")
    with tensorboard(arguments.logdir) as server, chromium(arguments) as driver:
        if arguments.screenshots:
            os.makedirs(arguments.screenshots, exist_ok=True)
            wait_until_loaded(server, pages)
            for page in pages:
                path = os.path.join(arguments.screenshots, f"{arguments.name or page}.png")
                take_picture(driver, server, page, arguments.filter or PAGES[page].picture, path, arguments.node)
        else:
            check_pages(driver, server, pages, arguments.expect)


def check_pages(driver, server, pages, expect):
    if expect:
        with open(expect, encoding="utf-8") as file:
            expected = sort_runs(json.load(file))
        wait_until_loaded(server, pages, expected)
    else:
        expected = wait_until_loaded(server, pages)
    report = {page: look_at(driver, server, page, expected) for page in pages}
    json.dump(report, sys.stdout, indent=1, sort_keys=True)


def wait_until_loaded(server, pages, expected=None):
    """Until the server lists what is expected, or something for every page, twice the same. Returns the list.

    A page that is opened before the server has read the files would stay as it is.
    """
    plugins = {plugin for page in pages for plugin in PAGES[page].plugins}
    found = {}

    def is_loaded():
        nonlocal found
        before, found = found, {plugin: tags for plugin, tags in listed(server).items() if plugin in plugins}
        # The projector says that it has data only after it was asked.
        active = server.get_json("data/plugins_listing")["projector"]["enabled"] or "projector" not in plugins
        return active and all(found.values()) and found == (expected or before)

    def complaint():
        empty = sorted(plugin for plugin in plugins if not found.get(plugin))
        return f"the server lists nothing for {empty}" if empty else f"the server lists {found}, not {expected}"

    server.wait_until(is_loaded, complaint)
    return found


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
        "enable-unsafe-swiftshader",  # WebGL without a GPU
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
    """A fresh load of one page. Groups are not cut into pages of twelve cards, and short curves are shown whole."""
    settings = {"paginationSize": 1000, "ignoreOutliers": False, **(settings or {})}
    driver.get("about:blank")
    driver.get(server.address)  # local storage belongs to the address
    driver.execute_script("localStorage.setItem('_tb_global_settings', arguments[0])", json.dumps(settings))
    driver.get("about:blank")  # a change of the fragment alone would load nothing
    driver.get(PAGES[page].address(server.address, page, tag_filter))


def look_at(driver, server, page, expected):
    kind = PAGES[page]
    wanted = wanted_cards(kind, expected)
    open_page(driver, server, page)
    if kind.views:
        cards = set().union(*(look_at_view(driver, page, wanted, *view) for view in kind.views(server)))
    else:
        cards = look_at_cards(driver, page, wanted, cards_of)
    if missing := set(wanted) - cards:
        fail(f"page {page}: never shown: {sorted(missing)}")
    if toasts := run_script(driver, "toasts", page):
        fail(f"page {page}: {toasts}")
    for entry in driver.get_log("browser"):
        if entry["level"] == "SEVERE" and "ERR_ABORTED" not in entry["message"]:  # by leaving a page
            fail(f"page {page}: the browser reports {entry['message']}")
    return [{"tag": tag, "run": run} for tag, run in sorted(cards)]


def look_at_view(driver, page, wanted, run, tag):
    """One of the things that the page shows one at a time."""
    label = view_name(run, tag) if page == "graphs" else run

    def cards_of_view(driver, page):
        run_script(driver, "choose", page, run, tag)
        return {(name, label) for name, _ in cards_of(driver, page)}

    of_view = {(name, view) for name, view in wanted if view == label and (page == "graphs" or name == tag)}
    return look_at_cards(driver, page, of_view, cards_of_view)


def look_at_cards(driver, page, wanted, find):
    """Waits until there are these cards and no others, and something is drawn on each of them."""
    cards = set()

    def are_there():
        cards.clear()
        cards.update(find(driver, page))
        return wanted <= cards

    wait(
        are_there,
        lambda: f"page {page}: no card for {sorted(wanted - cards)}; there are cards for {sorted(cards)}",
    )
    if surplus := cards - wanted:
        fail(f"page {page}: unexpected cards {sorted(surplus)}")
    if page in ("scalars", "custom_scalars"):
        run_script(driver, "arrange", page)  # of short curves, points may count as outliers
    wait_until_drawn(driver, page)
    return cards


def wanted_cards(kind, expected):
    """(tag, run) of the expected cards; a card that overlays all runs has the run ""."""
    wanted = set()
    for plugin in kind.plugins:
        for tag, runs in expected[plugin].items():
            wanted |= {(tag, "")} if SHOWS[plugin].overlays else {(tag, run) for run in runs}
    return wanted


def wait_until_drawn(driver, page):
    wait(
        lambda: not run_script(driver, "blank", page, False),
        lambda: f"page {page}: nothing drawn on the cards {run_script(driver, 'blank', page, True)}",
    )
    if PAGES[page].has_webgl:
        for index in range(run_script(driver, "count", page)):
            wait(
                lambda: is_painted(driver, page, index),
                lambda: f"page {page}: nothing drawn on canvas {index} of {run_script(driver, 'count', page)}",
            )


def is_painted(driver, page, index):
    """Whether the canvas of a card has points of another colour than its ground, seen from outside."""
    area = run_script(driver, "canvas", page, index)
    if not area or area[0] >= area[2] or area[1] >= area[3]:
        return False
    picture = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB").crop(area)
    counts = [count for count, _ in picture.getcolors(picture.width * picture.height)]
    return sum(counts) - max(counts) >= FEWEST_POINTS


def cards_of(driver, page):
    return {tuple(card) for card in run_script(driver, "expandedCards", page)}


def run_script(driver, function, page, *arguments):
    return driver.execute_script(SCRIPT + f"return {function}(...arguments);", page, *arguments)


def wait(condition, complaint):
    deadline = time.monotonic() + PAGE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            fail(complaint())
        time.sleep(0.1)


# The pictures


def take_picture(driver, server, page, tag_filter, path, node=None):
    # The cards get the room of the settings.
    settings = {"timeSeriesSettingsPaneOpened": False}
    open_page(driver, server, page, tag_filter, settings)
    wait(
        lambda: run_script(driver, "count", page),
        lambda: f"page {page}: nothing matches {tag_filter!r}",
    )
    wait_until_drawn(driver, page)
    if page == "projector":
        run_script(driver, "choose", page, *PAGES[page].views(server)[-1])  # of the last step
    if node:
        run_script(driver, "select", page, node)
    else:
        run_script(driver, "arrange", page)
    time.sleep(ANIMATION_SECONDS)
    wait_until_drawn(driver, page)
    run_script(driver, "rest", page)
    time.sleep(ANIMATION_SECONDS)
    if node:
        if not run_script(driver, "approach", page, node):
            fail(f"page {page}: there is no node {node}")
        time.sleep(ANIMATION_SECONDS)
    picture = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    # 256 colours are enough for a page, and make the file small.
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
