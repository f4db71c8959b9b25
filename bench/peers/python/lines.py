"""The peers' side of a conversation in JSON lines: one request on stdin, one reply on stdout."""

import json
import os
import sys


class Unavailable(Exception):
    """This peer cannot run here; the message says why. It is left out, and the benchmark continues."""


def serve(**operations) -> None:
    # Libraries print; the conversation keeps the real stdout to itself.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = operations[request.pop("op")](**request)
        except Unavailable as why:
            reply = dict(unavailable=str(why))
        print(json.dumps(reply), file=replies, flush=True)
