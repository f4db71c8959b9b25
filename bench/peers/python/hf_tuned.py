"""hf-tuned: PyTorch tuned by hand; a tree is the one thing it lacks.

- Rows arrive without padding: micro-batches hold rows of one length, so no mask but the causal one is needed.
- The layers are compiled (torch.compile, any length), with attention written out: on CPUs without AMX inductor's code
  for it is faster than SDPA's kernel, at the price of keeping the probabilities for backward. Rows beyond LONG tokens
  take SDPA, uncompiled: their probabilities would fill the memory. On a GPU attention is SDPA's (flash) throughout.
- A trajectory's logged steps are one row that carries all their labels.
- The final hidden states are gathered at labeled rows only; the head runs on them in chunks. REINFORCE's weights are
  known before the forward pass, so the chunk's gradient is formed in the same pass and no logits are kept.
- Weights, gradients and AdamW's moments in bfloat16 (ours keeps float32 master weights: this is kinder to hf-tuned), the
  fused AdamW, gradients accumulated in place.
- Its process runs with glibc told to keep freed memory (peers.ts), which spares page faults.
What was tried and left out, with times: docs/results/cpu-performance.md.
"""

import contextlib

import torch
import torch_device
import tuned
from checkpoint import hello, load_model, matrix_peak, state_bytes
from lines import serve

LONG = 1200  # at 1,120 tokens written out still wins; at 1,632 two rows took 10 GB

model = optimizer = written_out = None
chunk_rows = 1024


def load(folder: str, dtype: str, threads: int, device: str, options: dict) -> dict:
    global model, optimizer, chunk_rows, written_out
    written_out = options["attention"]
    model = load_model(folder, dtype, threads, device, written_out)
    optimizer = tuned.optimizer_of(model)
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
            hidden, _, _ = labeled(batch)
            hidden.sum().backward()
    model.zero_grad()


def labeled(rows: list[dict]):
    """Hidden states that predict an action's tokens, those tokens, and the lengths of the actions."""
    ids = torch.tensor([row["tokens"] for row in rows], device=torch_device.here)  # all of one length
    long = written_out == "eager" and ids.shape[1] > LONG
    model.config._attn_implementation = "sdpa" if long else written_out
    with torch.compiler.set_stance("force_eager") if long else contextlib.nullcontext():
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
    picked = [(i, at) for i, row in enumerate(rows) for a in row["actions"] for at in range(a["start"], a["end"])]
    row, at = torch.tensor(picked, device=torch_device.here).T
    return hidden[row, at - 1], ids[row, at], [a["end"] - a["start"] for row in rows for a in row["actions"]]


def logprobs(batches: list[list[dict]], padTo: int) -> dict:
    with torch.inference_mode():
        return tuned.logprobs(model, batches, labeled, chunk_rows)


def update(batches: list[list[dict]], padTo: int) -> dict:
    return tuned.update(model, optimizer, batches, labeled, chunk_rows)


serve(hello=hello, load=load, logprobs=logprobs, update=update, matrixPeak=matrix_peak)
