"""Messages that never stop, in both directions, each counted and hashed: what a scene does to the network must not show in them."""
import hashlib
import os
import subprocess
import threading
import time

import harness
from world import wait_for

EVERY = 0.02  # between two messages of one direction


class Direction:
    """One machine's messages to another. The receiver's hash runs over what it got, in the order in which it got it."""

    def __init__(self, sender, receiver, sender_id, receiver_id, stop, going):
        self.sender_id, self.receiver_id, self.stop, self.going = sender_id, receiver_id, stop, going
        self.halted = {}  # by the thread's work
        self.sent, self.received, self.sent_hash, self.received_hash = 0, 0, hashlib.sha256(), hashlib.sha256()
        self.arrivals, self.failure, self.done_sending = [], None, False
        self.threads = [threading.Thread(target=self.guarded, args=(work, machine.api()))
                        for work, machine in ((self.send, sender), (self.receive, receiver))]
        for thread in self.threads:
            thread.start()

    def guarded(self, work, api):
        try:
            work(api)
        except Exception as failure:  # pylint: disable=broad-except  # told by finish()
            self.failure = self.failure or failure
            self.stop.set()
        finally:
            api.close()

    def send(self, api):
        while not self.stop.wait(EVERY):
            self.halt("send", api)
            text = f"{self.sent} {self.sender_id[:8]}"
            api("message.send", peer=self.receiver_id, text=text)
            self.sent_hash.update(text.encode())
            self.sent += 1
        self.done_sending = True

    def receive(self, api):
        cursor, end = 0, None
        while not self.failure and not (self.done_sending and self.received == self.sent):
            self.halt("receive", api)
            page = api("message.list", peer=self.sender_id, after=cursor)
            for message in page["messages"]:
                self.received_hash.update(message["text"].encode())
                self.received += 1
            if page["messages"]:
                cursor = page["next"]
                self.arrivals.append(time.monotonic())
                api("message.ack", peer=self.sender_id, up_to=cursor)
                continue
            if self.done_sending:
                end = end or time.monotonic() + harness.DEADLINE
                if time.monotonic() > end:
                    raise harness.Failed(f"{self.received} of {self.sent} messages came")
            threading.Event().wait(EVERY / 2)

    def halt(self, work, api):
        """Nothing is asked of a daemon while the traffic is halted."""
        if not self.going.is_set():
            self.halted[work] = True
            self.going.wait()
            api.reconnect()
            self.halted.pop(work)

    def gap_since(self, moment):
        """The longest time without a message, from `moment` on."""
        times = [moment] + [at for at in self.arrivals if at > moment]
        return max((later - earlier for earlier, later in zip(times, times[1:])), default=0.0)


class Traffic:
    """Both directions between two machines that list each other."""

    def __init__(self, one, other):
        self.stop, self.going = threading.Event(), threading.Event()
        self.going.set()
        ids = one.id(), other.id()
        self.began = time.monotonic()
        self.directions = [Direction(one, other, *ids, self.stop, self.going),
                           Direction(other, one, *ids[::-1], self.stop, self.going)]

    def flowing(self):
        """Waits until what is sent from now on has come in each direction."""
        before = [direction.sent for direction in self.directions]
        wait_for(lambda: [direction.failure or direction.received for direction in self.directions],
                 lambda now: any(isinstance(value, Exception) for value in now)
                 or all(value > old for value, old in zip(now, before)), "messages in both directions")

    def halt(self):
        """No call of either end is under way afterwards, until resume()."""
        self.going.clear()
        wait_for(lambda: [direction.failure or len(direction.halted) for direction in self.directions],
                 lambda now: all(isinstance(value, Exception) or value == 2 for value in now), "the traffic to halt")

    def resume(self):
        self.going.set()

    def gap_since(self, moment):
        return max(direction.gap_since(moment) for direction in self.directions)

    def finish(self):
        """Ends it when all has arrived; fails when anything was lost, doubled, changed or reordered."""
        self.stop.set()
        self.going.set()
        for direction in self.directions:
            for thread in direction.threads:
                thread.join()
            if direction.failure:
                raise harness.Failed(f"the messages broke off: {direction.failure}")
            if direction.received_hash.digest() != direction.sent_hash.digest():
                raise harness.Failed(f"{direction.received} messages came of {direction.sent}, and not the same ones in order")
        return sum(direction.received for direction in self.directions)


class Files:
    """A file each way, begun together; sent and stored whole, or the scene fails."""

    def __init__(self, one, other, size=8_000_000):
        self.transfers = []
        for sender, receiver in ((one, other), (other, one)):
            path = sender.state / f"to-{receiver.name}"
            path.write_bytes(os.urandom(size))
            process = subprocess.Popen([str(sender.lab.build / "p2pctl"), "send", receiver.name, "--file", str(path)],
                                       env=sender.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE)
            self.transfers.append((process, path, receiver.downloads / path.name))

    def finish(self):
        for process, path, copy in self.transfers:
            try:
                _, errors = process.communicate(timeout=2 * harness.DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                _, errors = process.communicate()
            if process.returncode != 0:
                raise harness.Failed(f"sending {path}: status {process.returncode}: {errors.decode()[-500:]}")
            if hashlib.sha256(copy.read_bytes()).digest() != hashlib.sha256(path.read_bytes()).digest():
                raise harness.Failed(f"{copy} is not what was sent")
