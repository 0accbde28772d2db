#!/usr/bin/env python3
"""The requirements check itself: it must name what is wrong and pass what is right."""
import pathlib
import subprocess
import sys
import tempfile

CHECK = pathlib.Path(__file__).with_name("check_requirements.py")
HEAD = "| ID | promise | shown by |\n|---|---|---|\n"
GOOD = HEAD + "| R-LINK-1 | it holds | `Link.Holds` `test_paths:test_it` `fuzz_text` |\n"
TESTS = {"tests/unit/link_test.cpp": "TEST_F(Link, Holds) {\n}\nTEST(\n    Link, Wraps) {}\n", "tests/fuzz/fuzz_text.cpp": "",
         "tests/integration/test_paths.py": "class A:\n    def test_it(self):\n        pass\n"}


def run(document, tests):
    with tempfile.TemporaryDirectory() as root:
        for name, text in {**TESTS, **tests, "docs/requirements.md": document}.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, CHECK, root], capture_output=True, text=True)
        return done.returncode, done.stdout


CASES = [
    ("good", GOOD, {}, 0, "1 requirements, 0 problems"),
    ("a wrapped name", GOOD.replace("Link.Holds", "Link.Wraps"), {}, 0, "0 problems"),
    ("no test", HEAD + "| R-LINK-1 | it holds | |\n", {}, 1, "R-LINK-1 has no test"),
    ("unknown unit test", GOOD.replace("Link.Holds", "Link.Breaks"), {}, 1, "names the test Link.Breaks, which does not exist"),
    ("unknown method", GOOD.replace("test_it", "test_that"), {}, 1, "test_paths:test_that, which does not exist"),
    ("unknown fuzzer", GOOD.replace("fuzz_text", "fuzz_all"), {}, 1, "fuzz_all, which does not exist"),
    ("twice", GOOD + "| R-LINK-1 | again | `Link.Holds` |\n", {}, 1, "R-LINK-1 stands twice"),
    ("no promise", GOOD.replace("it holds", ""), {}, 1, "promises nothing"),
    ("a broken row", GOOD + "R-LINK-2 without a table\n", {}, 1, "an ID outside a row"),
    ("a test names an unknown ID", GOOD, {"tests/unit/a.cpp": "// R-LINK-9\n"}, 1, "tests/unit/a.cpp:1: R-LINK-9 is no requirement"),
    ("a test names a known ID", GOOD, {"tests/unit/a.cpp": "// R-LINK-1\n"}, 0, "0 problems"),
    ("nothing there", "# Nothing\n", {}, 1, "not one requirement"),
]

failed = 0
for name, document, tests, status, words in CASES:
    got, output = run(document, tests)
    if got != status or words not in output:
        failed += 1
        print(f"{name}: status {got}, expected {status} with '{words}':\n{output}")
print(f"{len(CASES) - failed} passed, {failed} failed")
sys.exit(1 if failed else 0)
