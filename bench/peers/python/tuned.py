"""Both operations of the peers tuned by hand (hf-tuned, FlexAttention), over micro-batches of rows.

What differs between them is `labeled(rows)`, which runs the layers of one micro-batch: the hidden states that predict
the actions' tokens [labels, width], those tokens [labels], and the length of each action.
"""

import torch
import torch_device
from head import HeadLoss, selected_logprobs
from torch_device import memory, now, start


def optimizer_of(model):
    return torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.0, fused=True)


def logprobs(model, batches: list[list[dict]], labeled, chunk_rows: int) -> dict:
    """An action's log-probs summed, in the order of the actions. The caller switches gradients off."""
    begun = start()
    sums = []
    for rows in batches:
        hidden, targets, lengths = labeled(rows)
        values = selected_logprobs(hidden, model.lm_head.weight, targets, chunk_rows)
        sums.extend(torch.stack([piece.sum() for piece in values.split(lengths)]).tolist())
    return dict(seconds=now() - begun, sums=sums, **memory())


def update(model, optimizer, batches: list[list[dict]], labeled, chunk_rows: int) -> dict:
    """One step of REINFORCE, aggregation "sequence-sum": gradients over all micro-batches, clipped to norm 1, AdamW."""
    begun = start()
    optimizer.zero_grad(set_to_none=False)
    total = sum(len(row["actions"]) for rows in batches for row in rows)
    for rows in batches:
        hidden, targets, lengths = labeled(rows)
        advantages = torch.tensor([a["advantage"] for row in rows for a in row["actions"]])
        weights = (advantages / -total).repeat_interleave(torch.tensor(lengths)).to(torch_device.here)
        HeadLoss.apply(hidden, model.lm_head.weight, targets, weights, chunk_rows).backward()
    middle = now()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
    optimizer.step()
    return dict(seconds=middle - begun, fixedSeconds=now() - middle, gradNorm=norm.item(), **memory())
