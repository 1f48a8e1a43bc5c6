"""Reads a wheel, which is a zip file. Run by xtask with the Python that runs pip.

    wheel.py list WHEEL               the names of the files in it, one a line
    wheel.py extract WHEEL FOLDER     reads lines `name<TAB>path` and writes each file to FOLDER/path, checksum verified
    wheel.py mentions FILE STRING...  those of the strings that FILE holds between zero bytes, one a line
"""

import mmap
import os
import shutil
import sys
import zipfile


def extract(wheel, folder, lines):
    with zipfile.ZipFile(wheel) as archive:
        for line in lines:
            name, path = line.rstrip("\r\n").split("\t")
            target = os.path.join(folder, *path.split("/"))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with archive.open(name) as source, open(target, "xb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def mentions(file, strings):
    with open(file, "rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return [string for string in strings if content.find(b"\0" + string.encode() + b"\0") >= 0]


def main(verb, file, *rest):
    if verb == "list":
        with zipfile.ZipFile(file) as archive:
            print("\n".join(archive.namelist()))
    elif verb == "extract":
        extract(file, rest[0], sys.stdin)
    else:
        print("\n".join(mentions(file, rest)))


try:
    main(*sys.argv[1:])
except (OSError, zipfile.BadZipFile) as error:
    sys.exit(str(error))
