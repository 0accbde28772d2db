#!/usr/bin/env python3
"""chat.py PEER: what you type goes to the peer, what it sends is printed. Both may be away: messages wait.

Ends at the end of its input; what is not delivered by then is delivered later by p2pd.
"""
import sys

from p2pd_api import Api, Refused, received


def chat(peer):
    api = Api()
    keyboard = open(0, "rb", buffering=0)  # unbuffered: a line that is there is seen by select()
    # First the subscription and then the inbox: no message falls between the two.
    api.call("events.subscribe", topics=["message"], peers=[peer])
    while True:
        for message in received(api, peer):
            print(f"{message['name']}: {message.get('text', '(no text)')}", flush=True)
        if api.event_or_input(keyboard) == "event":
            # Whatever it says, the inbox is looked at next. After an overflow the subscription is over.
            if api.next_event()["type"] == "overflow":
                api.call("events.subscribe", topics=["message"], peers=[peer])
            continue
        line = keyboard.readline().decode(errors="replace")
        if not line:
            return
        api.call("message.send", peer=peer, text=line.rstrip("\n"))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: chat.py PEER")
    try:
        chat(sys.argv[1])
    except (Refused, OSError) as error:
        sys.exit(f"chat.py: {error}")
    except KeyboardInterrupt:
        pass
