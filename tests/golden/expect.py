"""What stock TensorBoard reads in a log folder, by both of its loaders."""

import pathlib
import sys

from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import crc32c

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "conformance"))
import read_logdir


class Blobs:
    """Blobs as their length and checksum; the files themselves lie beside."""

    def put(self, blob):
        return f"{len(blob)}:{crc32c(blob):08x}"


def expectation(folder):
    """{"loader": {run: {tag: {"plugin", "data_class", "display_name", "description", "points"}}}}"""
    return {loader: read_logdir.LOADERS[loader](str(folder), Blobs()) for loader in ("fast", "slow")}
