"""What the pages of TensorBoard are made of: the one place that knows its elements, beside pages.js."""

import dataclasses
import os
import urllib.parse

import listed


@dataclasses.dataclass(frozen=True)
class Shows:
    """How the values of a plugin are shown."""

    overlays: bool  # one card for all runs, or one for each


SHOWS = {
    "scalars": Shows(overlays=True),
    "images": Shows(overlays=False),
    "histograms": Shows(overlays=False),
    "text": Shows(overlays=False),
    "audio": Shows(overlays=False),
    "pr_curves": Shows(overlays=True),
    "custom_scalars": Shows(overlays=True),
    "mesh": Shows(overlays=False),
    "hparams": Shows(overlays=False),
    "graphs": Shows(overlays=False),
    "projector": Shows(overlays=False),
}


@dataclasses.dataclass(frozen=True)
class Page:
    plugins: tuple  # whose values it shows
    picture: str = ""  # regular expression of the tags in its picture; "" is all
    has_webgl: bool = False  # its canvas can be read from the screen alone
    views: object = None  # function of the server: what the page shows one at a time, [(run, tag)]

    def address(self, server, name, tag_filter):
        if not tag_filter:
            return f"{server}#{name}"
        tag_filter = urllib.parse.quote(tag_filter)
        # Time Series keeps the filter in the query, the older pages in the fragment.
        return f"{server}?tagFilter={tag_filter}#{name}" if name == "timeseries" else f"{server}#{name}&tagFilter={tag_filter}"


SELECTED = "^(activations/(conv1|relu1|fc1)|(gradients|weights)/(conv1|conv3|fc1)/weight)$"

# Pages of a training.
TRAINING = {
    "timeseries": Page(
        ("scalars", "images", "histograms"),
        "^(accuracy|loss|norm/gradients|filters/conv1|feature_maps/relu1|gradients/conv1/weight)$",
    ),
    "scalars": Page(("scalars",), "^(accuracy|loss|learning_rate|sparsity/.*|norm/[a-z]*)$"),
    "images": Page(("images",), "^(probe_images|filters/conv1|feature_maps/relu1)$"),
    "histograms": Page(("histograms",), SELECTED),
    "distributions": Page(("histograms",), SELECTED),
    "text": Page(("text",)),
}

# Pages of what a training does not write.
OTHERS = {
    "audio": Page(("audio",)),
    "pr_curves": Page(("pr_curves",)),
    "custom_scalars": Page(("custom_scalars",)),
    "mesh": Page(("mesh",), has_webgl=True),
    "hparams": Page(("hparams",)),
    "graphs": Page(("graphs",), views=listed.graph_views),
    "projector": Page(("projector",), has_webgl=True, views=listed.tensor_views),
}

PAGES = TRAINING | OTHERS

with open(os.path.join(os.path.dirname(__file__), "pages.js"), encoding="utf-8") as _file:
    SCRIPT = _file.read()
