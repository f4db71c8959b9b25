"""B2: PyTorch tuned by hand; a tree is the one thing it lacks.

- Rows arrive without padding: micro-batches hold rows of one length, so no mask but the causal one is needed.
- The layers are compiled (torch.compile, any length), with attention written out: on CPUs without AMX inductor's code
  for it is faster than SDPA's kernel, at the price of keeping the probabilities for backward.
- A trajectory's logged steps are one row that carries all their labels.
- The final hidden states are gathered at labelled rows only; the head runs on them in chunks. REINFORCE's weights are
  known before the forward pass, so the chunk's gradient is formed in the same pass and no logits are kept.
- Weights, gradients and AdamW's moments in bfloat16 (ours keeps float32 master weights: this is kinder to B2), the
  fused AdamW, gradients accumulated in place.
- Its process runs with glibc told to keep freed memory (peers.ts), which spares page faults.
What was tried and left out, with times: docs/results/cpu-performance.md.
"""

import time

import torch
from checkpoint import hello, load_model, matrix_peak, state_bytes
from lines import serve

model = optimizer = None
chunk_rows = 1024


def load(folder: str, dtype: str, threads: int, options: dict) -> dict:
    global model, optimizer, chunk_rows
    model = load_model(folder, dtype, threads, options["attention"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.0, fused=True)
    chunk_rows = options["chunkRows"]
    if options["compile"]:
        for layer in model.model.layers:
            layer.compile(dynamic=True)
        compile_now()
    return dict(stateBytes=state_bytes(model))


def compile_now() -> None:
    """Every variant that a timing could meet: one row is compiled apart from several, and without gradients."""
    for rows in (2, 1):
        for length in (24, 40):
            batch = [dict(tokens=[3] * length, actions=[dict(start=8, end=length, advantage=0.0)])] * rows
            logprobs([batch], 0)
            hidden, _, _ = labelled(batch)
            hidden.sum().backward()
    model.zero_grad()


class HeadLoss(torch.autograd.Function):
    """sum(weights · log p(targets)), in chunks: hidden [rows, width], targets and weights [rows].

    Forward leaves the head's gradient in head.grad, as the loss is this sum and nothing scales it.
    """

    @staticmethod
    def forward(ctx, hidden, head, targets, weights):
        hidden_gradient = torch.empty_like(hidden)
        total = torch.zeros(())
        if head.grad is None:
            head.grad = torch.zeros_like(head)
        for first in range(0, len(targets), chunk_rows):
            rows = slice(first, first + chunk_rows)
            chosen, weight = targets[rows, None], weights[rows, None]
            logits = (hidden[rows] @ head.T).float()
            normalizer = torch.logsumexp(logits, dim=-1, keepdim=True)
            total += (weight * (logits.gather(1, chosen) - normalizer)).sum()
            # d(weight · log p) / d logits = weight · (one-hot − softmax)
            gradient = logits.sub_(normalizer).exp_().mul_(-weight).scatter_add_(1, chosen, weight).to(hidden.dtype)
            torch.mm(gradient, head, out=hidden_gradient[rows])
            head.grad.addmm_(gradient.T, hidden[rows])
        ctx.save_for_backward(hidden_gradient)
        return total

    @staticmethod
    def backward(ctx, upstream):
        return ctx.saved_tensors[0], None, None, None


def labelled(rows: list[dict]):
    """Hidden states that predict an action's tokens, those tokens, and the lengths of the actions."""
    ids = torch.tensor([row["tokens"] for row in rows])  # all of one length
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
    picked = [(i, at) for i, row in enumerate(rows) for a in row["actions"] for at in range(a["start"], a["end"])]
    row, at = torch.tensor(picked).T
    return hidden[row, at - 1], ids[row, at], [a["end"] - a["start"] for row in rows for a in row["actions"]]


def logprobs(batches: list[list[dict]], padTo: int) -> dict:
    start = time.perf_counter()
    sums = []
    with torch.inference_mode():
        for rows in batches:
            hidden, targets, lengths = labelled(rows)
            values = []
            for part, chosen in zip(hidden.split(chunk_rows), targets.split(chunk_rows)):
                logits = (part @ model.lm_head.weight.T).float()
                values.append(logits.gather(1, chosen[:, None])[:, 0] - torch.logsumexp(logits, dim=-1))
            sums.extend(piece.sum().item() for piece in torch.cat(values).split(lengths))
    return dict(seconds=time.perf_counter() - start, sums=sums)


def update(batches: list[list[dict]], padTo: int) -> dict:
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=False)
    total = sum(len(row["actions"]) for rows in batches for row in rows)
    for rows in batches:
        hidden, targets, lengths = labelled(rows)
        advantages = torch.tensor([a["advantage"] for row in rows for a in row["actions"]])
        weights = (advantages / -total).repeat_interleave(torch.tensor(lengths))
        HeadLoss.apply(hidden, model.lm_head.weight, targets, weights).backward()
    middle = time.perf_counter()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
    optimizer.step()
    return dict(seconds=middle - start, fixedSeconds=time.perf_counter() - middle, gradNorm=norm.item())


serve(hello=hello, load=load, logprobs=logprobs, update=update, matrixPeak=matrix_peak)
