"""What the pages of TensorBoard are made of: the one place that knows its elements."""

import dataclasses
import os
import urllib.parse


@dataclasses.dataclass(frozen=True)
class Shows:
    """How the values of a plugin are shown."""

    overlays: bool  # one card for all runs, or one for each


SHOWS = {
    "scalars": Shows(overlays=True),
    "images": Shows(overlays=False),
    "histograms": Shows(overlays=False),
    "text": Shows(overlays=False),
}


@dataclasses.dataclass(frozen=True)
class Page:
    plugins: tuple  # whose values it shows
    picture: str  # regular expression of the tags in its picture; "" is all

    def address(self, server, name, tag_filter):
        if not tag_filter:
            return f"{server}#{name}"
        tag_filter = urllib.parse.quote(tag_filter)
        # Time Series keeps the filter in the query, the older pages in the fragment.
        return f"{server}?tagFilter={tag_filter}#{name}" if name == "timeseries" else f"{server}#{name}&tagFilter={tag_filter}"


SELECTED = "^(activations/(conv1|relu1|fc1)|(gradients|weights)/(conv1|conv3|fc1)/weight)$"

PAGES = {
    "timeseries": Page(
        ("scalars", "images", "histograms"),
        "^(accuracy|loss|norm/gradients|filters/conv1|feature_maps/relu1|gradients/conv1/weight)$",
    ),
    "scalars": Page(("scalars",), "^(accuracy|loss|learning_rate|sparsity/.*|norm/[a-z]*)$"),
    "images": Page(("images",), "^(probe_images|filters/conv1|feature_maps/relu1)$"),
    "histograms": Page(("histograms",), SELECTED),
    "distributions": Page(("histograms",), SELECTED),
    "text": Page(("text",), ""),
}

with open(os.path.join(os.path.dirname(__file__), "pages.js"), encoding="utf-8") as _file:
    SCRIPT = _file.read()
