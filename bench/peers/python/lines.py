"""The peers' side of a conversation in JSON lines: one request on stdin, one reply on stdout."""

import json
import os
import sys


def serve(**operations) -> None:
    # Libraries print; the conversation keeps the real stdout to itself.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        reply = operations[request.pop("op")](**request)
        print(json.dumps(reply), file=replies, flush=True)
