"""The manual pages: without a warning from man, and with everything that the programs' own help names."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["P2PD_BUILD"])
SOURCE = pathlib.Path(os.environ["P2PD_SOURCE"])
PAGES = ["p2pctl.1", "p2pd.conf.5", "p2pd-api.7", "p2pd.8", "p2p-relay.8"]
CLEAN = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "120"}


def output(program, *arguments):
    return subprocess.run([str(BUILD / program), *arguments], check=True, capture_output=True, text=True).stdout


def rendered(page):
    """What a reader sees, one blank between words, and what man complains about."""
    done = subprocess.run(["man", "--warnings", "--nh", "--nj", "-l", str(BUILD / "man" / page)], env=CLEAN, check=True,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    text = re.sub(r".\x08", "", done.stdout)  # bold and underlined letters are typed over
    return " ".join(text.split()), done.stderr


def options_in(help_text):
    return re.findall(r"^ +(?:-h \[ )?(--[a-z-]+)", help_text, re.MULTILINE)


def unwrapped(text):
    """Words may be broken at dashes at a line's end, which man does not do, and hyphens look different."""
    return text.replace("\u2010", "-").replace("\u2212", "-")


class Manual(unittest.TestCase):
    def holds(self, page, words):
        text = unwrapped(rendered(page)[0])
        self.assertGreater(len(words), 4, "there is nothing to look for")
        for word in words:
            self.assertRegex(text, rf"(?<![\w-]){re.escape(word)}(?![\w-])", f"{page} lacks {word}")

    def test_man_has_nothing_to_complain_about(self):
        for page in PAGES:
            with self.subTest(page=page):
                self.assertEqual(rendered(page)[1], "")

    def test_complaints_would_be_seen(self):
        with tempfile.TemporaryDirectory() as folder:
            broken = pathlib.Path(folder, "broken.1")
            broken.write_text(".TH BROKEN 1\n.SH NAME\n.nosuchmacro x\n")
            done = subprocess.run(["man", "--warnings", "-l", str(broken)], env=CLEAN, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, check=True)
            self.assertIn("nosuchmacro", done.stderr)

    def test_every_option_of_the_daemon_is_there(self):
        options = options_in(output("p2pd", "--help"))
        self.holds("p2pd.8", options)
        self.assertIn("--relay", options)

    def test_every_setting_of_the_daemon_is_there(self):
        only_typed = {"--config", "--check-config", "--print-config", "--help", "--version"}
        self.holds("p2pd.conf.5", [o[2:] + " =" for o in options_in(output("p2pd", "--help")) if o not in only_typed])

    def test_it_says_what_a_reload_does_not_change(self):
        shipped = (SOURCE / "etc" / "p2pd.conf").read_text()
        restart = set(re.findall(r"\[restart\]\n#([a-z-]+) =", shipped))
        settings = rendered("p2pd.conf.5")[0].split(" SETTINGS ")[1]
        marked = set(re.findall(r"([a-z-]+) = (?:(?! = ).)*?\[restart\]", unwrapped(settings)))
        self.assertIn("state-dir", restart)
        self.assertEqual(marked, restart)

    def test_every_option_of_the_relay_is_there(self):
        options = options_in(output("p2p-relay", "--help"))
        self.holds("p2p-relay.8", options)
        self.assertIn("--max-startups", options)

    def test_every_command_and_its_options_are_there(self):
        everything = output("p2pctl", "help")
        self.holds("p2pctl.1", options_in(everything))
        listed = re.search(r"^commands:\n(.*?)\n\n", everything, re.MULTILINE | re.DOTALL).group(1)
        commands = [line.split()[0] for line in listed.splitlines()]
        self.holds("p2pctl.1", commands)
        for command in commands:
            text = output("p2pctl", "help", command)
            page = unwrapped(rendered("p2pctl.1")[0])
            usage = " ".join(re.match(r"usage: p2pctl (.*)", text).group(1).split())
            self.assertIn(usage, page)
            for option in re.findall(r"^  (--?[a-z-]+)", text, re.MULTILINE):
                self.assertIn(option, page, f"p2pctl.1 lacks {option} of {command}")

    def test_every_method_of_the_api_is_there(self):
        document = (SOURCE / "docs" / "api.md").read_text()
        self.holds("p2pd-api.7", re.findall(r"^### ([a-z_.]+) `", document, re.MULTILINE))

    def test_every_page_has_an_example(self):
        for page in PAGES:
            with self.subTest(page=page):
                self.assertRegex(rendered(page)[0], r"\bEXAMPLES?\b")

    def test_an_unknown_section_is_an_error(self):
        with tempfile.TemporaryDirectory() as folder:
            template = pathlib.Path(folder, "page.in")
            template.write_text("@NOTHING_OF_THAT_NAME@\n")
            done = subprocess.run([str(BUILD / "man" / "p2pd_manual"), str(template), str(template) + ".out"],
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("NOTHING_OF_THAT_NAME", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
