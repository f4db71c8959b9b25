"""Log-probs of a batch under saved checkpoints, float32: what tests/parity/transformers.test.ts compares with.

    python scripts/golden/logprobs.py BATCH.json MODEL_FOLDER...    prints {"folder name": [log-prob, …]}
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

import losses


def main(batch: str, *folders: str) -> None:
    logging.disable_progress_bar()
    sequences = json.loads(Path(batch).read_text())
    found = {}
    for folder in folders:
        model, info = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
        )
        problems = {key: sorted(value) for key, value in info.items() if value}
        if problems:
            sys.exit(f"{folder}: transformers reports {problems}")
        with torch.no_grad():
            found[Path(folder).name] = torch.cat([losses.token_logprobs(model, s)[0] for s in sequences]).tolist()
    json.dump(found, sys.stdout)


main(*sys.argv[1:])
