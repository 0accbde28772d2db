#!/usr/bin/env python3
"""answer.py: a service for all peers. A message of numbers, from ask.py, is answered with their sum.

An answer names its question (`reply_to`). Questions that came while this did not run are answered when it runs again.
"""
import sys

from p2pd_api import Api, Refused, received

QUESTION, ANSWER = "text/x-sum-question", "text/x-sum-answer"


def sum_of(text):
    try:
        return str(sum(int(word) for word in text.split()))
    except ValueError:
        return "these are not all numbers"


def serve():
    api = Api()
    api.call("events.subscribe", topics=["message"])
    while True:
        for message in received(api):
            if message["content_type"] == QUESTION:
                # Stored safely before the question is removed: it may be answered twice, but never not at all.
                api.call("message.send", peer=message["peer"], text=sum_of(message["text"]), content_type=ANSWER,
                         reply_to=message["id"])
                print(f"{message['name']} asked: {message['text']}", flush=True)
        if api.next_event()["type"] == "overflow":
            api.call("events.subscribe", topics=["message"])


if __name__ == "__main__":
    try:
        serve()
    except (Refused, OSError) as error:
        sys.exit(f"answer.py: {error}")
    except KeyboardInterrupt:
        pass
