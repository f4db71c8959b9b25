"""B1: a Hugging Face model and PyTorch, as TRL-style trainers treat step-wise data.

One row per sub-trajectory, padded to the longest of the batch; logits for every position (or, with "logits": "action",
for the action's positions only, as TRL's logits_to_keep does), log-softmax of the chosen tokens, REINFORCE, AdamW.
Micro-batches of `microBatch` rows accumulate gradients. Nothing is tuned beyond what such a trainer sets.

Speaks JSON lines: one request on stdin, one reply on stdout. Every row has the same padded length and so the same
cost, hence a request may time `rows` of the rows and the caller scale; the optimizer step is timed apart.
"""

import json
import resource
import sys
import time

import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()
model = optimizer = None


def load(folder: str | None, config: dict, dtype: str, threads: int, attention: str) -> dict:
    global model, optimizer
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    kind = getattr(torch, dtype)
    if folder:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=kind, attn_implementation=attention)
    else:
        fields = {key: value for key, value in config.items() if key not in ("architectures", "torch_dtype")}
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**fields), dtype=kind, attn_implementation=attention)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.0)
    return dict(torch=torch.__version__, threads=torch.get_num_threads(), parameters=model.num_parameters())


def padded(sequences: list[dict], longest: int):
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros(len(sequences), longest, dtype=torch.long)
    action = torch.zeros(len(sequences), longest)
    for row, sequence in enumerate(sequences):
        length = len(sequence["tokens"])
        ids[row, :length] = torch.tensor(sequence["tokens"])
        mask[row, :length] = 1
        action[row, sequence["actionStart"] : length] = 1
    return ids, mask, action


def selected_logprobs(logits, ids):
    """As TRL's selective_log_softmax: row by row, by logsumexp in float32 and by log_softmax in bfloat16."""
    if logits.dtype == torch.float32:
        chosen = logits.gather(2, ids[..., None])[..., 0]
        return chosen - torch.stack([torch.logsumexp(row, dim=-1) for row in logits])
    rows = [torch.log_softmax(row, dim=-1).gather(1, chosen[:, None])[:, 0] for row, chosen in zip(logits, ids)]
    return torch.stack(rows)


def row_logprobs(sequences: list[dict], longest: int, logits: str):
    ids, mask, action = padded(sequences, longest)
    # Actions end at different columns: keep from the first action's start on.
    keep = longest if logits == "all" else longest - min(s["actionStart"] for s in sequences) + 1
    out = model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=keep).logits
    return selected_logprobs(out[:, :-1], ids[:, longest - keep + 1 :]), action[:, longest - keep + 1 :]


def micro_batches(sequences: list[dict], size: int):
    return [sequences[i : i + size] for i in range(0, len(sequences), size)]


def logprobs(sequences: list[dict], rows: int, microBatch: int, logits: str) -> dict:
    longest = max(len(s["tokens"]) for s in sequences)
    start = time.perf_counter()
    first = []
    with torch.no_grad():
        for batch in micro_batches(sequences[:rows], microBatch):
            values, action = row_logprobs(batch, longest, logits)
            first.extend((values * action).sum(-1).tolist())
    return dict(seconds=time.perf_counter() - start, rows=rows, sums=first)


def update(sequences: list[dict], rows: int, microBatch: int, logits: str) -> dict:
    longest = max(len(s["tokens"]) for s in sequences)
    start = time.perf_counter()
    optimizer.zero_grad()
    for batch in micro_batches(sequences[:rows], microBatch):
        values, action = row_logprobs(batch, longest, logits)
        advantages = torch.tensor([s["advantage"] for s in batch])
        loss = -(advantages * (values * action).sum(-1)).sum() / len(sequences)
        loss.backward()
    middle = time.perf_counter()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    end = time.perf_counter()
    return dict(seconds=middle - start, rows=rows, optimizerSeconds=end - middle)


def matrix_peak(dtype: str, size: int) -> dict:
    """FLOP/s of one square product, best of a few: the machine's own measure."""
    a, b = (torch.randn(size, size).to(getattr(torch, dtype)) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return dict(flops=2 * size**3 / best)


def memory() -> dict:
    return dict(peakBytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


operations = dict(load=load, logprobs=logprobs, update=update, matrixPeak=matrix_peak, memory=memory)
for line in sys.stdin:
    request = json.loads(line)
    name = request.pop("op")
    print(json.dumps(operations[name](**request)), flush=True)
