#!/usr/bin/env python3
"""The layering check itself: it must name what is forbidden and pass what is allowed."""
import pathlib
import subprocess
import sys
import tempfile

CHECK = pathlib.Path(__file__).with_name("check_layers.py")


def run(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, CHECK, root], capture_output=True, text=True)
        return done.returncode, done.stdout


CASES = [
    ("allowed", {"peer/a.cpp": '#include "net/ice.hpp"\n'}, 0, ""),
    ("upwards", {"net/a.hpp": '#pragma once\n#include "peer/peer.hpp"\n'}, 1, "net/ may include only: base proto"),
    ("sideways", {"store/a.cpp": '#include "proto/candidate.hpp"\n'}, 1, "store/ may include only: base"),
    ("library away from home", {"peer/a.cpp": "#include <ngtcp2/ngtcp2.h>\n"}, 1, "ngtcp2 is at home only in: net"),
    ("sqlite outside store", {"daemon/a.cpp": "#include <sqlite3.h>\n"}, 1, "sqlite3 is at home only in: store"),
    ("heavy header", {"ipc/a.hpp": "#pragma once\n#include \"ipc/b.hpp\"\n",
                      "ipc/b.hpp": "#pragma once\n#include <nlohmann/json.hpp>\n",
                      "ctl/a.cpp": "#include \"ipc/a.hpp\"\n"}, 1, "ipc/a.hpp -> ipc/b.hpp includes nlohmann/json.hpp"),
    ("heavy header of one folder", {"ipc/b.hpp": "#pragma once\n#include <nlohmann/json.hpp>\n"}, 0, ""),
    ("heavy in a source", {"ipc/a.cpp": "#include <nlohmann/json.hpp>\n"}, 0, ""),
    ("nothing there", {"README.md": ""}, 1, "0 files"),
]

failed = 0
for name, files, status, words in CASES:
    got, output = run(files)
    if got != status or words not in output:
        failed += 1
        print(f"{name}: status {got}, expected {status} with '{words}':\n{output}")
print(f"{len(CASES) - failed} passed, {failed} failed")
sys.exit(1 if failed else 0)
