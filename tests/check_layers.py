#!/usr/bin/env python3
"""Holds every #include of the project's own headers against the layering table of docs/architecture.md.

usage: check_layers.py [ROOT]   exits with 1 and names file, line and rule for each include that breaks it.
"""
import pathlib
import re
import sys

MAY_INCLUDE = {
    "base": set(),
    "proto": {"base"},
    "net": {"base", "proto"},
    "peer": {"base", "proto", "net"},
    "store": {"base"},
    "ipc": {"base"},
    "daemon": {"base", "proto", "net", "peer", "store", "ipc"},
    "ctl": {"base", "ipc"},
    "relay": {"base", "proto", "net"},
}
# Libraries that one folder alone may include; Beast, json and ngtcp2 besides never in a header that others include.
ONLY_IN = {
    "ngtcp2": {"net"},
    "gnutls": {"net"},
    "nice": {"net"},
    "glib": {"net"},
    "gio": {"net"},
    "sqlite3": {"store"},
    "openssl": {"net", "relay"},
    "boost/beast": {"net", "relay"},
    "boost/asio/ssl": {"net", "relay"},
    "nlohmann": {"ipc", "daemon", "ctl"},
}
HEAVY_IN_HEADERS = ("boost/beast", "nlohmann/json.hpp", "ngtcp2", "nice", "glib", "sqlite3")
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')


def problems(root: pathlib.Path):
    for folder, allowed in MAY_INCLUDE.items():
        for file in sorted((root / folder).glob("*.[ch]pp")):
            name = file.relative_to(root)
            private = file.suffix == ".cpp" or "// private to " in file.read_text().split("#pragma once")[0]
            for number, line in enumerate(file.read_text().splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                header = match.group(1)
                top = header.split("/")[0]
                where = f"{name}:{number}: includes {header}"
                if top in MAY_INCLUDE and top != folder and top not in allowed:
                    rule = " ".join(sorted(allowed)) or "nothing of ours"
                    yield f"{where}, but {folder}/ may include only: {rule}"
                for library, homes in ONLY_IN.items():
                    if (header == library or header.startswith((library + "/", library + ".", library + "-"))) and folder not in homes:
                        yield f"{where}, but {library} is at home only in: {' '.join(sorted(homes))}"
                if not private and header.startswith(HEAVY_IN_HEADERS):
                    yield f"{where}: too heavy for a header that others include; keep it in a .cpp file, or say '// private to {folder}/' on top"


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
    found = list(problems(root))
    for problem in found:
        print(problem)
    count = sum(len(list((root / folder).glob("*.[ch]pp"))) for folder in MAY_INCLUDE)
    print(f"{count} files, {len(found)} includes against the layering")
    return 1 if found or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
