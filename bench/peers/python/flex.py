"""FlexAttention: hf-tuned with a token tree, as PyTorch offers one. A mask over one packed row.

- Rows are packed trees (tree-rows.ts): every shared prefix is once in a row, positions are those on the path.
- Attention is FlexAttention with the tree's block mask, built once a row and shared by the layers; the layers are
  compiled around it. Where compiling them fails, attention alone is compiled, and `compiled` among the versions says so.
- Head, loss, optimizer and types are hf-tuned's. An action token that several sub-trajectories share is a label of each.
On the CPU FlexAttention has no gradient; there an update takes a dense mask, which checks the packing and times nothing.
"""

import sys

import torch
import torch_device
import tuned
from checkpoint import hello, load_model, matrix_peak, state_bytes
from lines import serve
from transformers import AttentionInterface
from tree_mask import attention, block_mask, dense_mask

model = optimizer = None
chunk_rows = 1024


def tree_attention(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **_):
    return attention(query, key, value, attention_mask, scaling).transpose(1, 2).contiguous(), None


AttentionInterface.register("token_tree", tree_attention)


def load(folder: str, dtype: str, threads: int, device: str, options: dict) -> dict:
    global model, optimizer, chunk_rows
    model = load_model(folder, dtype, threads, device, "token_tree")
    optimizer = tuned.optimizer_of(model)
    chunk_rows = options["chunkRows"]
    reply = dict(stateBytes=state_bytes(model))
    if options["compile"]:
        reply["compiled"] = compile_now()
    return reply


def compile_now() -> str:
    eager = [layer.forward for layer in model.model.layers]
    for layer in model.model.layers:
        layer.forward = torch.compile(layer.forward, dynamic=True)
    try:
        warm_up()
        return "layers"
    except Exception as error:
        print(f"layers are not compiled: {error}", file=sys.stderr)
        for layer, forward in zip(model.model.layers, eager):
            layer.forward = forward
        torch._dynamo.reset()
        warm_up()
        return "attention"


def warm_up() -> None:
    for length in (300, 520):
        rows = [
            dict(
                tokens=[3] * length,
                tree=dict(positions=list(range(length)), ends=[length] * length),
                actions=[dict(nodes=list(range(8, length)), advantage=0.0)],
            )
        ]
        logprobs([rows], 0)
        hidden, _, _ = labeled(rows, gradient=True)
        hidden.sum().backward()
    model.zero_grad()


def labeled(rows: list[dict], gradient: bool):
    """Hidden states that predict an action's tokens, those tokens, and the lengths of the actions."""
    on = torch_device.here
    [row] = rows  # a packed tree is a micro-batch of its own
    ids = torch.tensor([row["tokens"]], device=on)
    ends = torch.tensor(row["tree"]["ends"], device=on)
    positions = torch.tensor([row["tree"]["positions"]], device=on)
    mask = dense_mask(ends) if gradient and on.type == "cpu" else block_mask(ends)
    hidden = model.model(input_ids=ids, position_ids=positions, attention_mask=mask, use_cache=False).last_hidden_state
    nodes = [action["nodes"] for action in row["actions"]]
    before = torch.tensor([at for path in nodes for at in path[:-1]], device=on)
    after = torch.tensor([at for path in nodes for at in path[1:]], device=on)
    return hidden[0, before], ids[0, after], [len(path) - 1 for path in nodes]


def logprobs(batches: list[list[dict]], padTo: int) -> dict:
    with torch.no_grad():
        return tuned.logprobs(model, batches, lambda rows: labeled(rows, gradient=False), chunk_rows)


def update(batches: list[list[dict]], padTo: int) -> dict:
    return tuned.update(model, optimizer, batches, lambda rows: labeled(rows, gradient=True), chunk_rows)


serve(hello=hello, load=load, logprobs=logprobs, update=update, matrixPeak=matrix_peak)
