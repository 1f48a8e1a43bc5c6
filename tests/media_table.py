"""Prints the cells of a Markdown table as TensorBoard's page Text shows them, as JSON: a list of rows.

    python media_table.py FILE

The Markdown in FILE goes through TensorBoard's own conversion to HTML; of that each cell's text is taken, with line
breaks. Any other element inside of a cell is a failure: the cell would not look as it was written.
"""

import html.parser
import json
import sys

from tensorboard import plugin_util

AROUND = ("table", "thead", "tbody", "tr")


class Cells(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows = []
        self._cell = None

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self._cell = ""
        elif tag == "br" and self._cell is not None:
            self._cell += "\n"
        elif tag not in AROUND:
            raise SystemExit(f"<{tag}> in {self.rows}")

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self.rows[-1].append(self._cell)
            self._cell = None

    def handle_data(self, data):
        if self._cell is not None:
            self._cell += data
        elif data.strip():
            raise SystemExit(f"{data!r} outside of the table")


with open(sys.argv[1], encoding="utf-8") as file:
    cells = Cells()
    cells.feed(plugin_util.markdown_to_safe_html(file.read()))
json.dump(cells.rows, sys.stdout)
