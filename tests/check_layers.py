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
    "man": {"base", "ipc", "daemon", "ctl", "relay"},
}
# Libraries that some folders alone may include.
ONLY_IN = {
    "ngtcp2": {"net"},
    "gnutls": {"net"},
    "nice": {"net"},
    "glib": {"net"},
    "gio": {"net"},
    "miniupnpc": {"net"},
    "sqlite3": {"store"},
    "qrencode": {"ctl"},
    "openssl": {"net", "relay"},
    "boost/beast": {"net", "relay"},
    "boost/asio/ssl": {"net", "relay"},
    "nlohmann": {"ipc", "daemon", "ctl", "man"},
}
# Never reached through a header that another folder includes: they would cost every such file seconds of compilation.
HEAVY = ("boost/beast", "nlohmann/json.hpp", "ngtcp2", "nice", "glib", "sqlite3")
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')


def includes(file: pathlib.Path):
    """(line number, header) of every include of a file."""
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if match := INCLUDE.match(line):
            yield number, match.group(1)


def misplaced(root: pathlib.Path, files):
    for file in files:
        folder, name = file.parent.name, file.relative_to(root)
        for number, header in includes(file):
            top = header.split("/")[0]
            where = f"{name}:{number}: includes {header}"
            if top in MAY_INCLUDE and top != folder and top not in MAY_INCLUDE[folder]:
                rule = " ".join(sorted(MAY_INCLUDE[folder])) or "nothing of ours"
                yield f"{where}, but {folder}/ may include only: {rule}"
            for library, homes in ONLY_IN.items():
                if (header == library or header.startswith((library + "/", library + ".", library + "-"))) and folder not in homes:
                    yield f"{where}, but {library} is at home only in: {' '.join(sorted(homes))}"


def heavy(root: pathlib.Path, files):
    graph = {str(file.relative_to(root)): [header for _, header in includes(file)] for file in files}
    shared = {header for name, headers in graph.items() for header in headers
              if header in graph and header.split("/")[0] != name.split("/")[0]}
    for start in sorted(shared):
        seen, waiting = set(), [(start, start)]
        while waiting:
            name, path = waiting.pop()
            for header in graph.get(name, []):
                if header.startswith(HEAVY):
                    yield f"{path} includes {header}: too heavy for a header that another folder includes"
                if header in graph and header not in seen:
                    seen.add(header)
                    waiting.append((header, f"{path} -> {header}"))


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
    files = [file for folder in MAY_INCLUDE for file in sorted((root / folder).glob("*.[ch]pp"))]
    found = [*misplaced(root, files), *heavy(root, files)]
    for problem in found:
        print(problem)
    print(f"{len(files)} files, {len(found)} includes against the layering")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
