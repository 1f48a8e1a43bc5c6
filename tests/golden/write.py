"""Writes the golden files: small event files of other writers, and what stock TensorBoard reads in them.

    python -m venv golden && golden/bin/pip install -r tests/golden/requirements.txt
    golden/bin/python tests/golden/write.py              # all of them
    golden/bin/python tests/golden/write.py pytorch      # one writer

Needs no GPU, and cargo for `tensorboard_rs`, which an ignored test of `tests/golden.rs` writes. Wall times and file names are made the same in every run; the other bytes are the writer's own.
"""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time

os.environ.update(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0")

import numpy as np
from tensorboard.compat.proto import event_pb2
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

HERE = pathlib.Path(__file__).resolve().parent
WRITERS = ["pytorch", "tensorboardx", "tensorflow", "tensorflow1", "tensorboard_rs"]
START = 1_700_000_000.0


def main():
    if sys.argv[1:2] == ["--one"]:  # each in a process of its own: they patch and they import a lot
        return one(sys.argv[2], pathlib.Path(sys.argv[3]))
    for writer in sys.argv[1:] or WRITERS:
        folder = HERE / writer
        shutil.rmtree(folder, ignore_errors=True)
        with tempfile.TemporaryDirectory() as scratch:
            logs = pathlib.Path(scratch) / "logs"
            subprocess.run([sys.executable, __file__, "--one", writer, logs], check=True)
            settle(logs)
            shutil.copytree(logs, folder, ignore=shutil.ignore_patterns("*.pbtxt", "*.tsv", "*.png"))
        sys.path.insert(0, str(HERE))
        import expect

        text = json.dumps(expect.expectation(folder), sort_keys=True, separators=(",", ":"))
        (HERE / f"{writer}.json").write_text(text + "\n")
        print(f"{writer}: {sum(f.stat().st_size for f in folder.rglob('*') if f.is_file())} bytes")


def one(writer, logs):
    ticks = iter(range(10**9))
    time.time = lambda: START + next(ticks) / 1000
    np.random.seed(0)
    np.bool8 = np.bool_  # tensorboardX asks for names that NumPy 2 dropped
    __import__("writers").__dict__[writer](logs)


def settle(logs):
    """Gives all events of a file wall times one second apart, and the files names that are always the same."""
    for number, path in enumerate(sorted(logs.rglob("*tfevents*"), key=lambda path: (path.name, path))):
        data = path.read_bytes()
        settled = b"".join(record(with_wall_time(event, START + index)) for index, event in enumerate(records(data)))
        path.unlink()
        (path.parent / f"events.out.tfevents.{int(START) + number}.golden.0").write_bytes(settled)


def records(data):
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        yield data[at + 12 : at + 12 + length]
        at += 16 + length


def record(event):
    length = struct.pack("<Q", len(event))
    checksum = lambda data: struct.pack("<I", masked_crc32c(data))
    return length + checksum(length) + event + checksum(event)


def with_wall_time(event, wall_time):
    """Only the eight bytes are changed: everything else stays as the writer wrote it."""
    old = event_pb2.Event.FromString(event).wall_time
    if old == 0:
        return event  # tensorboard-rs gives graphs no time
    assert event[0] == 0x09, "an event begins with its wall time"
    settled = event[:1] + struct.pack("<d", wall_time) + event[9:]
    assert event_pb2.Event.FromString(settled).wall_time == wall_time
    return settled


if __name__ == "__main__":
    main()
