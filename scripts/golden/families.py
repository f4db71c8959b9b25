"""The tiny models: one per family in the transformers 5 layout, and one in the older layout.

Sizes are small and awkward on purpose (odd vocabularies, widths that are no power of two, one key-value head), and
every feature of a family is on where it can change the result: windows shorter than the sequences, caps low enough
to bend, rope scaling whose three branches are all taken, biases, norms over heads.
"""

SLIDING, FULL = "sliding_attention", "full_attention"

# Fields as transformers 5 writes them.
NEW = {
    "llama": dict(
        model_type="llama", vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        rope_parameters=dict(rope_type="llama3", rope_theta=100.0, factor=8.0, low_freq_factor=1.0,
                             high_freq_factor=4.0, original_max_position_embeddings=64),
    ),
    "mistral": dict(
        model_type="mistral", vocab_size=96, hidden_size=40, intermediate_size=56, num_hidden_layers=2,
        num_attention_heads=5, num_key_value_heads=1, max_position_embeddings=128, sliding_window=7,
        tie_word_embeddings=False, rope_parameters=dict(rope_type="default", rope_theta=1000.0),
    ),
    "qwen2": dict(
        model_type="qwen2", vocab_size=97, hidden_size=32, intermediate_size=44, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128, use_sliding_window=True,
        sliding_window=6, max_window_layers=1, layer_types=[FULL, SLIDING, SLIDING], tie_word_embeddings=True,
        rope_parameters=dict(rope_type="default", rope_theta=1000.0),
    ),
    "qwen3": dict(
        model_type="qwen3", vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=128,
        tie_word_embeddings=True, rope_parameters=dict(rope_type="default", rope_theta=10000.0),
    ),
    "gemma2": dict(
        model_type="gemma2", vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=128,
        sliding_window=8, layer_types=[SLIDING, FULL, SLIDING], query_pre_attn_scalar=12,
        attn_logit_softcapping=2.0, final_logit_softcapping=4.0,
        rope_parameters=dict(rope_type="default", rope_theta=1000.0),
    ),
    "gemma3": dict(
        model_type="gemma3_text", vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=1, head_dim=16, max_position_embeddings=128,
        sliding_window=8, layer_types=[SLIDING, SLIDING, FULL], query_pre_attn_scalar=20,
        rope_parameters={FULL: dict(rope_type="linear", factor=4.0, rope_theta=5000.0),
                         SLIDING: dict(rope_type="default", rope_theta=100.0)},
    ),
}

# Fields as hub checkpoints before transformers 5 carry them.
OLD = {
    "llama-old": dict(
        model_type="llama", vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=128, rms_norm_eps=1e-5,
        tie_word_embeddings=True, attention_bias=True, hidden_act="silu", rope_theta=1000.0,
        rope_scaling=dict(type="linear", factor=2.0),
    ),
    "mistral-old": dict(
        model_type="mistral", vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128, sliding_window=None,
        hidden_act="silu", rope_theta=10000.0, tie_word_embeddings=False,
    ),
    "qwen2-old": dict(
        model_type="qwen2", vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128, use_sliding_window=False,
        sliding_window=4, max_window_layers=1, rope_theta=1000000.0, tie_word_embeddings=False,
    ),
    "qwen3-old": dict(
        model_type="qwen3", vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=128,
        attention_bias=True, use_sliding_window=False, sliding_window=None, max_window_layers=2,
        rope_theta=1000000.0, rope_scaling=None, tie_word_embeddings=False,
    ),
    "gemma2-old": dict(
        model_type="gemma2", vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=128,
        hidden_act="gelu_pytorch_tanh", hidden_activation="gelu_pytorch_tanh", sliding_window=6,
        query_pre_attn_scalar=8, attn_logit_softcapping=3.0, final_logit_softcapping=6.0, rope_theta=10000.0,
    ),
    "gemma3-old": dict(
        model_type="gemma3_text", vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=128,
        hidden_activation="gelu_pytorch_tanh", sliding_window=6, sliding_window_pattern=2,
        query_pre_attn_scalar=8, rope_theta=1000.0, rope_local_base_freq=50.0,
        rope_scaling=dict(rope_type="linear", factor=8.0),
    ),
}

# Element type of the stored weights, and which checkpoint is written in shards.
STORED = {name: "BF16" for name in [*NEW, *OLD]} | {"llama": "F32", "gemma2": "F32", "qwen2-old": "F16"}
SHARDED = {"llama-old", "gemma3"}
TORCH_NAMES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}

# Floats that no configuration class mistakes for another layout: what each config.json has in addition to the above.
ARCHITECTURE = {
    "llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM", "gemma2": "Gemma2ForCausalLM", "gemma3_text": "Gemma3ForCausalLM",
}


def config_json(name: str) -> dict:
    """What config.json of this case holds."""
    fields = NEW[name] if name in NEW else OLD[name]
    dtype = TORCH_NAMES[STORED[name]]
    layout = dict(dtype=dtype) if name in NEW else dict(torch_dtype=dtype, transformers_version="4.49.0")
    return dict(architectures=[ARCHITECTURE[fields["model_type"]]], bos_token_id=1, eos_token_id=2,
                pad_token_id=0, attention_dropout=0.0, **fields, **layout)
