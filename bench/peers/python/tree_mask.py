"""FlexAttention over a packed tree: tokens in depth-first preorder, each sees those whose subtree it is in.

`ends` [tokens]: one past the last token below each. torch compiles FlexAttention for GPUs; on the CPU it runs eagerly
and has no gradient, so there a dense mask made of the same rule stands in where one is needed.
"""

import torch
from torch.nn.attention.flex_attention import create_block_mask, create_mask, flex_attention

compiled = torch.compile(flex_attention, dynamic=True)


def rule(ends):
    def sees(batch, head, query, key):
        return (key <= query) & (query < ends[key])

    return sees


def block_mask(ends):
    length = len(ends)
    return create_block_mask(rule(ends), None, None, length, length, device=ends.device)


def dense_mask(ends):
    length = len(ends)
    return create_mask(rule(ends), 1, 1, length, length, device=ends.device)


def attention(query, key, value, mask, scale=None):
    """query [1, heads, tokens, size], key and value [1, key heads, tokens, size]; mask of either kind."""
    grouped = query.shape[1] != key.shape[1]
    if isinstance(mask, torch.Tensor):
        return torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, scale=scale, enable_gqa=grouped
        )
    # Inside a compiled layer FlexAttention is compiled with it.
    run = compiled if query.device.type == "cuda" and not torch.compiler.is_compiling() else flex_attention
    return run(query, key, value, block_mask=mask, scale=scale, enable_gqa=grouped)
