"""Starts stock TensorBoard on a log folder and stops it again.

    python stock_tensorboard.py LOGDIR [TENSORBOARD'S OPTIONS]

Serves LOGDIR on a free port and prints the server's address on a line of its own; ends when stdin does. Exits with 1,
and says why on stderr, where TensorBoard does not start, or had a warning or an exception to report.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

# Far above what it takes, so that a busy machine does not fail a test.
START_SECONDS = 60


def main():
    signal.signal(signal.SIGTERM, lambda *_: fail("stopped from outside"))
    logdir, *options = sys.argv[1:]
    with tensorboard(logdir, *options) as server:
        print(server.address, flush=True)
        sys.stdin.read()


def fail(message):
    raise SystemExit(message)


@contextlib.contextmanager
def tensorboard(logdir, *options):
    """TensorBoard on a free port, stopped at the end."""
    parent, name = os.path.split(os.path.abspath(logdir))
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        # Started in the parent folder: the pages show the folder's name as it is given here.
        process = subprocess.Popen(
            [sys.executable, "-m", "tensorboard.main", "--logdir", name, "--port", str(port), *options],
            cwd=parent,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            server = Server(process, port, log)
            server.wait_until_runs_are_there()
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

    def get(self, path, **query):
        query = f"?{urllib.parse.urlencode(query)}" if query else ""
        with urllib.request.urlopen(self.address + path + query, timeout=START_SECONDS) as response:
            return response.read()

    def get_json(self, path, **query):
        return json.loads(self.get(path, **query))

    def post_json(self, path, content):
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, json.dumps(content).encode(), headers)
        with urllib.request.urlopen(request, timeout=START_SECONDS) as response:
            return json.load(response)

    def log(self):
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0).decode(errors="replace")

    def wait_until_runs_are_there(self):
        """Until it answers and lists a run: it answers before it has read the files."""
        self.wait_until(lambda: self.get_json("data/runs"), lambda: "TensorBoard lists no run")

    def wait_until(self, condition, complaint):
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self._process.poll() is not None:
                fail(f"TensorBoard ended with {self._process.returncode}:\n{self.log()}")
            with contextlib.suppress(OSError):
                if condition():
                    return
            if time.monotonic() > deadline:
                fail(f"after {START_SECONDS} s: {complaint()}\n{self.log()}")
            time.sleep(0.2)

    def check_log(self):
        """Complains about warnings and exceptions, except for connections that the client closed."""
        for line in self.log().splitlines():
            is_exception = re.match(r"[\w.]*(Error|Exception)\b", line)
            if is_exception and line.startswith(("BrokenPipeError", "ConnectionResetError")):
                continue
            if is_exception or " WARN " in line or " ERROR " in line:
                fail(f"TensorBoard complained:\n{self.log()}")


if __name__ == "__main__":
    main()
