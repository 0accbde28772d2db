#!/usr/bin/env python3
"""watch_folder.py FOLDER PEER: sends each new file of the folder to the peer, and says when it is there.

A file is new when it was not there at the start, and complete when it has not changed for a second. p2pd opens no file
that somebody names: this opens it and hands the descriptor over.
"""
import os
import stat
import sys
import time

from p2pd_api import Api, Refused

LOOK_EVERY = 0.5  # seconds
SETTLED = 2  # looks without a change


def regular_files(folder):
    """By name, what changes when a file does."""
    out = {}
    for entry in os.scandir(folder):
        try:
            about = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_ISREG(about.st_mode) and not entry.name.startswith("."):
            out[entry.name] = (about.st_ino, about.st_size, about.st_mtime_ns)
    return out


def send(api, folder, name, peer):
    try:
        descriptor = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        print(f"{name}: {error.strerror}", file=sys.stderr)
        return
    try:
        # `resume`: after a restart of this program, a transfer of the same file is gone on with.
        api.call("file.send", descriptor=descriptor, peer=peer, name=name, resume=True)
    except Refused as error:
        print(f"{name}: {error}", file=sys.stderr)
    finally:
        os.close(descriptor)


def watch(folder, peer):
    api = Api()
    api.call("events.subscribe", topics=["file"], peers=[peer])
    known = regular_files(folder)
    growing = {}  # by name: how it looked, and for how many looks
    print(f"watching {folder}", flush=True)
    next_look = time.monotonic()
    while True:
        if api.event_or_input(None, max(0.0, next_look - time.monotonic())) == "event":
            event = api.next_event()
            if event["type"] == "overflow":
                api.call("events.subscribe", topics=["file"], peers=[peer])
            elif event["type"] in ("done", "failed", "cancelled") and event["direction"] == "out":
                print(f"{event['file']}: {event.get('explanation', event['type'])}", flush=True)
                if event["type"] == "done":
                    api.call("file.ack", id=event["id"])
            continue
        next_look = time.monotonic() + LOOK_EVERY
        for name, looks in regular_files(folder).items():
            if known.get(name) == looks:
                continue
            before, count = growing.get(name, (None, 0))
            growing[name] = (looks, count + 1 if before == looks else 0)
            if growing[name][1] >= SETTLED:
                known[name] = looks
                del growing[name]
                send(api, folder, name, peer)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: watch_folder.py FOLDER PEER")
    try:
        watch(sys.argv[1], sys.argv[2])
    except (Refused, OSError) as error:
        sys.exit(f"watch_folder.py: {error}")
    except KeyboardInterrupt:
        pass
