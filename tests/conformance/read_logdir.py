"""Prints everything that TensorBoard reads from a log folder, as JSON.

    python read_logdir.py --loader fast|slow|accumulator --blobs FOLDER LOGDIR

The loaders are those of TensorBoard, unchanged:

fast         the data server, started as TensorBoard starts it and read through its gRPC data provider;
slow         the multiplexer and its data provider, which TensorBoard uses with `--load_fast=false`;
accumulator  `EventAccumulator`, which scripts use to read a run back.

All of them are told to keep every value instead of a sample. The output is

    {"runs": {run: {tag: {"plugin", "data_class", "display_name", "description", "points": [[step, wall time, value]]}}}}

A wall time and a scalar are numbers, written as strings: so they keep all digits and can be "nan" or "inf". A tensor
is {"dtype": numpy's name, "shape": [...], "items": [...]}, the items in a row: numbers as above, and in place of a text
the hexadecimal digits of its bytes. A blob sequence is a list of file names below FOLDER, which hold the blobs byte for
byte.

Whatever a loader has to say goes to stderr; it says nothing when the files are right.
"""

import argparse
import contextlib
import hashlib
import json
import os
import sys
import tempfile
import time

EVERYTHING = 2**31 - 1
PLUGINS = (
    "scalars",
    "histograms",
    "images",
    "text",
    "audio",
    "pr_curves",
    "mesh",
    "custom_scalars",
    "hparams",
    "graphs",
    "graph_keras_model",
)
# How long the data server may take to load a folder.
LOAD_SECONDS = 60


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loader", choices=sorted(LOADERS), required=True)
    parser.add_argument("--blobs", required=True, metavar="FOLDER", help="where blobs such as images are put")
    parser.add_argument("logdir")
    arguments = parser.parse_args()
    os.makedirs(arguments.blobs, exist_ok=True)
    runs = LOADERS[arguments.loader](arguments.logdir, BlobFolder(arguments.blobs))
    json.dump({"runs": runs}, sys.stdout, sort_keys=True, allow_nan=False)


class BlobFolder:
    """Keeps blobs as files that are named by their content."""

    def __init__(self, path):
        self._path = path

    def put(self, blob):
        name = hashlib.sha256(blob).hexdigest()
        with open(os.path.join(self._path, name), "wb") as file:
            file.write(blob)
        return name


# The two ways in which TensorBoard loads


def read_fast(logdir, blobs):
    from tensorboard.data import server_ingester
    from tensorboard.util import grpc_util
    import tensorboard_data_server

    binary = server_ingester.ServerBinary(
        tensorboard_data_server.server_binary(), version=tensorboard_data_server.__version__
    )
    ingester = server_ingester.SubprocessServerDataIngester(
        binary,
        logdir,
        reload_interval=0,
        channel_creds_type=grpc_util.ChannelCredsType.LOCAL,
        samples_per_plugin={plugin: 0 for plugin in PLUGINS},
        extra_flags=["--verbose", "--checksum"],
    )
    with server_log() as log:
        ingester.start()
        log.wait_for("Finished load cycle")
        runs = read_provider(ingester.data_provider, blobs)
    return runs


@contextlib.contextmanager
def server_log():
    """Catches what the data server, a child process, writes to stderr, and passes on what is no mere information."""
    with tempfile.TemporaryFile() as file:
        log = ServerLog(file)
        stderr = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield log
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            for line in log.lines():
                if " INFO " not in line and " DEBUG " not in line:
                    print(line, file=sys.stderr)


class ServerLog:
    def __init__(self, file):
        self._file = file

    def lines(self):
        # Not by reading the file: it shares its position with the server, which is writing.
        size = os.fstat(self._file.fileno()).st_size
        return os.pread(self._file.fileno(), size, 0).decode(errors="replace").splitlines()

    def wait_for(self, words):
        deadline = time.monotonic() + LOAD_SECONDS
        while not any(words in line for line in self.lines()):
            if time.monotonic() > deadline:
                raise SystemExit(f"the data server did not say {words!r} within {LOAD_SECONDS} s")
            time.sleep(0.02)


def read_slow(logdir, blobs):
    from tensorboard.backend.event_processing import data_ingester, data_provider, plugin_event_multiplexer

    multiplexer = plugin_event_multiplexer.EventMultiplexer(
        size_guidance=data_ingester.DEFAULT_SIZE_GUIDANCE,
        tensor_size_guidance={plugin: 0 for plugin in PLUGINS},
        purge_orphaned_data=True,  # TensorBoard's default
    )
    multiplexer.AddRunsFromDirectory(logdir)
    multiplexer.Reload()
    return read_provider(data_provider.MultiplexerDataProvider(multiplexer, logdir), blobs)


def read_provider(provider, blobs):
    from tensorboard import context

    ctx = context.RequestContext()
    runs = {run.run_name: {} for run in provider.list_runs(ctx, experiment_id="")}
    for plugin in sorted(provider.list_plugins(ctx, experiment_id="")):
        scope = {"experiment_id": "", "plugin_name": plugin}
        for data_class, listing, reading, value in (
            ("scalar", provider.list_scalars, provider.read_scalars, lambda datum: number(datum.value)),
            ("tensor", provider.list_tensors, provider.read_tensors, lambda datum: array(datum.numpy)),
            (
                "blob sequence",
                provider.list_blob_sequences,
                provider.read_blob_sequences,
                lambda datum: [blobs.put(provider.read_blob(ctx, blob_key=b.blob_key)) for b in datum.values],
            ),
        ):
            data = reading(ctx, **scope, downsample=EVERYTHING)
            for run, tags in listing(ctx, **scope).items():
                for tag, series in tags.items():
                    if tag in runs[run]:
                        raise SystemExit(f"tag {tag!r} of run {run!r} is listed twice, the second time for {plugin}")
                    runs[run][tag] = {
                        "plugin": plugin,
                        "data_class": data_class,
                        "display_name": series.display_name,
                        "description": series.description,
                        "points": [[datum.step, number(datum.wall_time), value(datum)] for datum in data[run][tag]],
                    }
    return runs


# The way in which scripts load


def read_accumulator(logdir, blobs):
    from tensorboard.backend.event_processing import event_accumulator, io_wrapper

    runs = {}
    for folder in io_wrapper.GetLogdirSubdirectories(logdir):
        accumulator = event_accumulator.EventAccumulator(
            folder, size_guidance={kind: 0 for kind in event_accumulator.DEFAULT_SIZE_GUIDANCE}
        )
        accumulator.Reload()
        runs[os.path.relpath(folder, logdir)] = {
            tag: accumulated(accumulator, tag, blobs)
            for kind, tags in accumulator.Tags().items()
            if isinstance(tags, list)
            for tag in tags
        }
    return runs


def accumulated(accumulator, tag, blobs):
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.util import tensor_util

    metadata = accumulator.SummaryMetadata(tag)
    data_class = summary_pb2.DataClass.Name(metadata.data_class).removeprefix("DATA_CLASS_").lower().replace("_", " ")
    if tag in accumulator.Tags()["scalars"]:
        points = [[event.step, number(event.wall_time), number(event.value)] for event in accumulator.Scalars(tag)]
    else:
        points = []
        for event in accumulator.Tensors(tag):
            value = tensor_util.make_ndarray(event.tensor_proto)
            if data_class == "scalar":
                value = number(value.item())
            elif data_class == "blob sequence":
                value = [blobs.put(blob) for blob in value]
            else:
                value = array(value)
            points.append([event.step, number(event.wall_time), value])
    return {
        "plugin": metadata.plugin_data.plugin_name,
        "data_class": data_class,
        "display_name": metadata.display_name,
        "description": metadata.summary_description,
        "points": points,
    }


# Values as JSON


def number(value):
    return repr(float(value))


def array(value):
    items = [item(one) for one in value.reshape(-1).tolist()]
    return {"dtype": value.dtype.name, "shape": list(value.shape), "items": items}


def item(value):
    if isinstance(value, str):
        value = value.encode()
    return value.hex() if isinstance(value, bytes) else number(value)


LOADERS = {"fast": read_fast, "slow": read_slow, "accumulator": read_accumulator}

if __name__ == "__main__":
    main()
