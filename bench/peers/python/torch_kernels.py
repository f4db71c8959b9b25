"""PyTorch's kernels at the shapes of docs/results/cuda.md, without Node: what ours are compared with on a GPU.

    torch_kernels.py [--device cuda] [--smoke] [--json FILE]

The device's ceilings (a large copy, large products), the language-model head forward and backward (bare products,
logits kept, chunks, Liger's where liger_kernel is installed), attention over a whole tree (FlexAttention with the tree's
mask) and, for its rate, causal attention by the backends of SDPA. A case that cannot run says why and is no failure.
"""

import argparse
import json
import statistics
import sys

import torch
import torch.nn.functional as F
import torch_device
from head import HeadLoss
from lines import Unavailable
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch_device import now, use
from tree_mask import attention, block_mask

cases: list[dict] = []
rounds = 7


def measure(name: str, body, flops: float = 0, moved: float = 0, holds: int = 0) -> None:
    """Median seconds of body(); `holds`: bytes there before, which its peak of memory is counted beyond."""
    case = dict(case=name)
    try:
        for _ in range(2):
            body()
        times = []
        if torch_device.here.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        for _ in range(rounds):
            begun = now()
            body()
            times.append(now() - begun)
        case.update(seconds=statistics.median(times), least=min(times), most=max(times), flops=flops, bytes=moved)
        if torch_device.here.type == "cuda":
            case.update(beyond=torch.cuda.max_memory_allocated() - holds)
        show = f"{case['seconds'] * 1e6:12.1f} us"
        if flops:
            show += f" {flops / case['seconds'] / 1e12:8.1f} TFLOP/s"
        if moved:
            show += f" {moved / case['seconds'] / 1e9:8.1f} GB/s"
        if "beyond" in case and holds:
            show += f" {case['beyond'] / 2**30:6.2f} GiB beyond its operands"
    except Exception as error:
        not_run(name, error)
        return
    print(f"{name:64} {show}", file=sys.stderr, flush=True)
    cases.append(case)


def not_run(name: str, error: Exception) -> None:
    why = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    print(f"{name:64} not run: {why}", file=sys.stderr, flush=True)
    cases.append(dict(case=name, notRun=why))


def held() -> int:
    return torch.cuda.memory_allocated() if torch_device.here.type == "cuda" else 0


def random(*size, dtype=torch.bfloat16, scale=1.0, gradient=False):
    return (torch.randn(*size, device=torch_device.here) * scale).to(dtype).requires_grad_(gradient)


def ceilings(smoke: bool) -> None:
    count = 2**14 if smoke else 2**28
    source = random(count, dtype=torch.float32)
    to = torch.empty_like(source)
    measure("copy", lambda: to.copy_(source), moved=8 * count)
    size = 64 if smoke else 8192
    for dtype in (torch.bfloat16, torch.float32):
        a, b = random(size, size, dtype=dtype), random(size, size, dtype=dtype)
        measure(f"product, {size} squared, {str(dtype)[6:]}", lambda a=a, b=b: a @ b, flops=2 * size**3)


def head(rows: int, width: int, vocab: int, chunk: int) -> None:
    weight = torch.nn.Parameter(random(vocab, width, scale=0.05))
    weight.grad = torch.zeros_like(weight)
    hidden = random(rows, width, gradient=True)
    hidden.grad = torch.zeros_like(hidden)
    targets = torch.randint(vocab, (rows,), device=torch_device.here)
    weights = torch.full((rows,), 1 / rows, device=torch_device.here)
    flops = 6 * rows * width * vocab
    holds = held()

    def products():
        with torch.no_grad():
            logits = hidden @ weight.T
            logits @ weight
            weight.grad.addmm_(logits.T, hidden)

    def kept():
        (-(F.cross_entropy(hidden @ weight.T, targets, reduction="none") * weights).sum()).backward()

    def chunked():
        HeadLoss.apply(hidden, weight, targets, weights, chunk).backward()

    def liger():
        from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

        LigerFusedLinearCrossEntropyLoss()(weight, hidden, targets).backward()

    shape = f"{rows} rows, {width} wide, {vocab} tokens"
    measure(f"head, bare products, {shape}", products, flops=flops, holds=holds)
    measure(f"head, all logits kept, {shape}", kept, flops=flops, holds=holds)
    measure(f"head, {chunk} rows a chunk, {shape}", chunked, flops=flops, holds=holds)
    measure(f"head, Liger, {shape}", liger, flops=flops, holds=holds)


def tree(prompt: int, action: int, observation: int, trajectories: int, states: int, group: int):
    """`ends` of docs/results/cuda.md's tree, and its visible pairs."""
    ends: list[int] = []
    pairs = 0

    def segment(length: int, depth: int) -> int:
        nonlocal pairs
        first = len(ends)
        ends.extend([0] * length)
        pairs += length * depth + length * (length + 1) // 2
        return first

    def close(first: int, length: int) -> None:
        ends[first : first + length] = [len(ends)] * length

    root = segment(prompt, 0)
    for _ in range(trajectories):
        path, depth = [], prompt
        for _ in range(states):
            for _ in range(group - 1):
                close(segment(action, depth), action)
            path.append(segment(action + observation, depth))
            depth += action + observation
        for first in reversed(path):
            close(first, action + observation)
    close(root, prompt)
    return torch.tensor(ends, device=torch_device.here), pairs


def both_passes(name: str, run, operands: list, flops: float) -> None:
    """run(operands): forward alone, then backward alone over a graph that is kept."""
    alone = [operand.detach() for operand in operands]
    with torch.no_grad():
        measure(f"{name}, forward", lambda: run(alone), flops=flops)
    try:
        out = run(operands)
    except Exception as error:
        not_run(f"{name}, backward", error)
        return
    upstream = torch.randn_like(out)
    measure(
        f"{name}, backward",
        lambda: torch.autograd.grad(out, operands, upstream, retain_graph=True),
        flops=2.5 * flops,
    )


def attentions(label: str, heads: int, key_heads: int, size: int, shape: tuple) -> None:
    for group in (1, shape[-1]):
        ends, pairs = tree(*shape[:-1], group)
        rows = len(ends)
        operands = [random(1, n, rows, size, gradient=True) for n in (heads, key_heads, key_heads)]
        name = f"FlexAttention, {label}, G = {group}, {rows} rows"
        try:
            mask = block_mask(ends)
        except Exception as error:  # its dense form is large
            not_run(name, error)
            continue
        both_passes(name, lambda given, mask=mask: attention(*given, mask), operands, 4 * pairs * heads * size)


def causal(label: str, heads: int, size: int, batch: int, length: int) -> None:
    """As many key heads as heads: not every backend groups them, and repeating costs no operations."""
    operands = [random(batch, heads, length, size, gradient=True) for _ in range(3)]
    flops = 4 * batch * length * (length + 1) / 2 * heads * size
    for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION):

        def run(given, backend=backend):
            with sdpa_kernel(backend):
                return F.scaled_dot_product_attention(*given, is_causal=True)

        both_passes(f"{backend.name.lower()}, causal, {label}, {batch} x {length}", run, operands, flops)


def main() -> None:
    global rounds
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    try:
        use(options.device)
    except Unavailable as why:
        sys.exit(str(why))
    torch.manual_seed(1)
    smoke = options.smoke
    rounds = 2 if smoke else 7
    ceilings(smoke)
    head(*((40, 32, 300, 16) if smoke else (8192, 4096, 151936, 1024)))
    shape = (9, 4, 3, 2, 2, 2) if smoke else (1024, 128, 512, 4, 8, 8)
    for label, heads, key_heads, size in [("smoke", 4, 2, 32)] if smoke else [("0.5b", 14, 2, 64), ("1.5b", 12, 2, 128)]:
        attentions(label, heads, key_heads, size, shape)
        causal(label, heads, size, *((1, 24) if smoke else (4, 6144)))
    name = torch.cuda.get_device_name() if torch_device.here.type == "cuda" else "cpu"
    if options.json:
        with open(options.json, "w") as file:
            json.dump(dict(device=name, torch=torch.__version__, cuda=torch.version.cuda, cases=cases), file, indent=1)


if __name__ == "__main__":
    main()
