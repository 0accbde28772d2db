"""logind's word that the machine woke, on a bus of the test's own."""
import harness
import servers
from case import LabCase, main

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/><allow send_destination="*"/><allow send_type="signal"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""

PYTHON = "/usr/bin/python3"  # the system's, which has the package python3-dbus
# Says PrepareForSleep to everyone, as logind, or to each program on the bus by itself, as nobody in particular.
SPEAKER = """
import sys, dbus.bus, dbus.lowlevel
address, who, asleep = sys.argv[1:]
bus = dbus.bus.BusConnection(address)
names = [name for name in bus.list_names() if name.startswith(":") and name != bus.get_unique_name()]
if who == "logind":
    bus.request_name("org.freedesktop.login1")
    names = [None]
for name in names:
    signal = dbus.lowlevel.SignalMessage("/org/freedesktop/login1", "org.freedesktop.login1.Manager", "PrepareForSleep")
    signal.append(asleep == "asleep", signature="b")
    if name:
        signal.set_destination(name)
    bus.send_message(signal)
bus.flush()
# Until its answer is here the bus has passed the signals on, and the name is still ours.
bus.list_names()
sys.stdin.read()
"""


class Bus(harness.Process):
    def __init__(self, lab):
        super().__init__(lab, lab.host("bus"), "bus")
        self.spawn(["dbus-daemon", "--nofork", "--nopidfile", "--config-file",
                    servers.configured(lab, "bus-files", BUS)])
        self.address = f"unix:path={lab.folder}/bus-files/bus"
        harness.until((lab.folder / "bus-files" / "bus").exists, "the bus to listen")

    def say(self, who, word):
        """Returns the speaker, which stays on the bus until its input ends."""
        return harness.subprocess.Popen([PYTHON, "-c", SPEAKER, self.address, who, word],
                                        stdin=harness.subprocess.PIPE)

    def stop(self):
        self.kill()
        return 0


class Sleep(LabCase):
    def listener(self, address):
        alice = self.lab.daemon("alice", [self.lab.relay()], arguments=["--log-level", "debug"],
                                env={"DBUS_SYSTEM_BUS_ADDRESS": address})
        alice.ctl("wait", "online")
        return alice

    def said(self, bus, who, word):
        speaker = bus.say(who, word)
        self.addCleanup(speaker.communicate)
        return speaker

    def test_logind_is_believed_and_a_stranger_is_not(self):
        bus = Bus(self.lab)
        alice = self.listener(bus.address)
        alice.wait_log("listening to logind", "the bus to be heard")
        self.said(bus, "stranger", "awake")
        alice.wait_log("PrepareForSleep was not logind's", "the stranger to be found out")
        self.assertNotIn("the network changed", alice.log())
        logind = bus.say("logind", "asleep")
        logind.communicate()
        self.said(bus, "logind", "awake")
        alice.wait_log('the network changed what="woke from sleep"', "the wake to be heard")
        self.assertEqual(alice.log().count("woke from sleep"), 1)
        alice.ctl("wait", "online")

    def test_without_a_bus_nothing_is_amiss(self):
        alice = self.listener(f"unix:path={self.lab.folder}/no-bus")
        self.assertRegex(alice.log(), "debug net: no system bus")
        self.assertNotRegex(alice.log(), " (warn|error) ")

    def test_a_bus_that_ends_is_no_trouble(self):
        bus = Bus(self.lab)
        alice = self.listener(bus.address)
        alice.wait_log("listening to logind", "the bus to be heard")
        bus.kill()
        alice.wait_log("the system bus is gone", "the end of the bus to be seen")
        alice.ctl("wait", "online")


if __name__ == "__main__":
    main()
