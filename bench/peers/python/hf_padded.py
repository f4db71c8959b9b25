"""hf-padded: a Hugging Face model and PyTorch, as a trainer of single turns treats step-wise data.

One row per sub-trajectory, padded to the longest of the batch; log-softmax of the chosen tokens, REINFORCE, AdamW in
the model's own type. Micro-batches accumulate gradients. Nothing is tuned beyond what such a trainer sets.
"logits": "all" computes them at every position, as model(input_ids).logits does; "action" from the first action on.
"""

import torch
import torch_device
from checkpoint import hello, load_model, matrix_peak, state_bytes
from lines import serve
from torch_device import memory, now, start

model = optimizer = None
logits = "all"


def load(folder: str, dtype: str, threads: int, device: str, options: dict) -> dict:
    global model, optimizer, logits
    model = load_model(folder, dtype, threads, device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.0)
    logits = options["logits"]
    return dict(stateBytes=state_bytes(model))


def padded(rows: list[dict], length: int):
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    mask = torch.zeros(len(rows), length, dtype=torch.long)
    action = torch.zeros(len(rows), length)
    for i, row in enumerate(rows):
        tokens = row["tokens"]
        ids[i, : len(tokens)] = torch.tensor(tokens)
        mask[i, : len(tokens)] = 1
        action[i, row["actions"][0]["start"] : len(tokens)] = 1
    return ids.to(torch_device.here), mask.to(torch_device.here), action.to(torch_device.here)


def selected_logprobs(logits, ids):
    """Row by row, by logsumexp in float32 and by log_softmax in bfloat16, which keeps the memory down."""
    if logits.dtype == torch.float32:
        chosen = logits.gather(2, ids[..., None])[..., 0]
        return chosen - torch.stack([torch.logsumexp(row, dim=-1) for row in logits])
    rows = [torch.log_softmax(row, dim=-1).gather(1, chosen[:, None])[:, 0] for row, chosen in zip(logits, ids)]
    return torch.stack(rows)


def row_logprobs(rows: list[dict], length: int):
    ids, mask, action = padded(rows, length)
    # Actions begin at different columns: keep from the first one on.
    keep = length if logits == "all" else length - min(row["actions"][0]["start"] for row in rows) + 1
    out = model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=keep).logits
    return selected_logprobs(out[:, :-1], ids[:, length - keep + 1 :]), action[:, length - keep + 1 :]


def logprobs(batches: list[list[dict]], padTo: int) -> dict:
    begun = start()
    sums = []
    with torch.no_grad():
        for rows in batches:
            values, action = row_logprobs(rows, padTo)
            sums.extend((values * action).sum(-1).tolist())
    return dict(seconds=now() - begun, sums=sums, **memory())


def update(batches: list[list[dict]], padTo: int) -> dict:
    begun = start()
    optimizer.zero_grad()
    total = sum(len(rows) for rows in batches)
    for rows in batches:
        values, action = row_logprobs(rows, padTo)
        advantages = torch.tensor([row["actions"][0]["advantage"] for row in rows], device=torch_device.here)
        (-(advantages * (values * action).sum(-1)).sum() / total).backward()
    middle = now()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return dict(seconds=middle - begun, fixedSeconds=now() - middle, gradNorm=norm.item(), **memory())


serve(hello=hello, load=load, logprobs=logprobs, update=update, matrixPeak=matrix_peak)
