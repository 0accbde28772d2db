#!/usr/bin/env python3
"""Holds docs/requirements.md against the tests: every promise has tests, every test named is there, every ID is known and unique.

usage: check_requirements.py [ROOT]   exits with 1 and names each row or comment that is wrong.
"""
import pathlib
import re
import sys

ROW = re.compile(r"^\| (R-[A-Z]+-\d+) \|([^|]*)\|(.*)\|$")
ID = re.compile(r"\bR-[A-Z]+-\d+\b")
GTEST = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)")
METHOD = re.compile(r"^\s+def (test_\w+)\(", re.MULTILINE)


def existing(tests: pathlib.Path):
    """Names of all tests, as the document writes them."""
    names = set()
    for file in tests.rglob("*.cpp"):
        names |= {f"{suite}.{name}" for suite, name in GTEST.findall(file.read_text())}
    for file in tests.rglob("*.py"):
        names |= {f"{file.stem}:{name}" for name in METHOD.findall(file.read_text())}
    names |= {file.stem for file in (tests / "fuzz").glob("fuzz_*.cpp")}
    # A scenario of tests/deb that is one program has no methods.
    names |= {file.stem for file in (tests / "deb").glob("*.py")}
    return names


def rows(document: pathlib.Path):
    for number, line in enumerate(document.read_text().splitlines(), 1):
        if match := ROW.match(line):
            yield number, match.group(1), match.group(2).strip(), re.findall(r"`([^`]+)`", match.group(3))
        elif ID.search(line):
            yield number, None, line, []


def problems(root: pathlib.Path):
    document, tests = root / "docs" / "requirements.md", root / "tests"
    there, known = existing(tests), set()
    for number, name, promise, shown in rows(document):
        where = f"docs/requirements.md:{number}:"
        if name is None:
            yield f"{where} an ID outside a row `| ID | promise | tests |`: {promise}"
            continue
        if name in known:
            yield f"{where} {name} stands twice"
        known.add(name)
        if not promise:
            yield f"{where} {name} promises nothing"
        if not shown:
            yield f"{where} {name} has no test"
        for test in shown:
            if test not in there:
                yield f"{where} {name} names the test {test}, which does not exist"
    if not known:
        yield "docs/requirements.md: there is not one requirement"
    for file in sorted([*tests.rglob("*.cpp"), *tests.rglob("*.hpp"), *tests.rglob("*.py")]):
        if file.name.startswith("check_requirements"):
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            for name in set(ID.findall(line)) - known:
                yield f"{file.relative_to(root)}:{number}: {name} is no requirement of docs/requirements.md"


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
    found = list(problems(root))
    for problem in found:
        print(problem)
    print(f"{sum(1 for _, name, _, _ in rows(root / 'docs' / 'requirements.md') if name)} requirements, {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
