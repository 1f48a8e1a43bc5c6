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
    picture: str = ""  # regular expression of the tags in its picture
    new_style: bool = False  # Time Series keeps the filter in the query, the others in the fragment
    fragment: str = ""

    def address(self, server, tag_filter):
        if self.new_style:
            query = urllib.parse.urlencode({"tagFilter": tag_filter}) if tag_filter else ""
            return f"{server}?{query}#{self.fragment}"
        tags = f"&tagFilter={urllib.parse.quote(tag_filter)}" if tag_filter else ""
        return f"{server}#{self.fragment}{tags}"


PAGES = {
    "timeseries": Page(("scalars", "images", "histograms"), new_style=True, fragment="timeseries", picture="^(loss|accuracy|sparsity)"),
    "scalars": Page(("scalars",), fragment="scalars", picture="^(loss|accuracy|sparsity)"),
    "images": Page(("images",), fragment="images", picture="^(filters|feature_maps)"),
    "histograms": Page(("histograms",), fragment="histograms", picture="^(weights|gradients|activations)"),
    "distributions": Page(("histograms",), fragment="distributions", picture="^(weights|gradients|activations)"),
    "text": Page(("text",), fragment="text"),
}

with open(os.path.join(os.path.dirname(__file__), "pages.js"), encoding="utf-8") as _file:
    SCRIPT = _file.read()
