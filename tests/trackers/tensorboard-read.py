"""Prints what TensorBoard itself reads in a folder of event files, as JSON: scalars and texts by tag."""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0})
events.Reload()
tags = events.Tags()
texts = {}
for tag in tags["tensors"]:
    for event in events.Tensors(tag):
        texts.setdefault(tag, []).append(
            [event.step, [[cell.decode() for cell in row] for row in tensor_util.make_ndarray(event.tensor_proto).tolist()]]
        )
scalars = {tag: [[event.step, event.value] for event in events.Scalars(tag)] for tag in tags["scalars"]}
print(json.dumps({"scalars": scalars, "texts": texts}))
