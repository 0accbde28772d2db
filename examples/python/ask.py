#!/usr/bin/env python3
"""ask.py PEER NUMBER...: asks answer.py at the peer for the sum and prints it. Waits for as long as it takes."""
import sys

from p2pd_api import Api, Refused, received

QUESTION = "text/x-sum-question"


def ask(peer, numbers):
    api = Api()
    api.call("events.subscribe", topics=["message"], peers=[peer])
    question = api.call("message.send", peer=peer, text=" ".join(numbers), content_type=QUESTION)["id"]
    while True:
        for message in received(api, peer):
            if message["reply_to"] == question:
                api.call("message.ack", peer=peer, up_to=message["cursor"])
                return message["text"]
        if api.next_event()["type"] == "overflow":
            api.call("events.subscribe", topics=["message"], peers=[peer])


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: ask.py PEER NUMBER...")
    try:
        print(ask(sys.argv[1], sys.argv[2:]))
    except (Refused, OSError) as error:
        sys.exit(f"ask.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
