"""Golden token ids for src/tokenizer, made by Hugging Face tokenizers and transformers.

    python scripts/golden/tokenizer.py SMOLLM2_DIR tests/golden/tokenizer

Writes three small tokenizers (trained on a few sentences, so a run gives the same files) with chat templates in the
style of the large families, and cases.json for each of them and for SmolLM2:

    texts          text -> ids with control tokens recognised ("special"), and with none ("plain")
    conversations  prompt messages -> ids up to the generation prompt; then an action and the observation after it,
                   and the ids of the whole conversation up to the next generation prompt

AutoTokenizer is not used: for SmolLM2 transformers 5 takes its own GPT-2 tokenizer, which leaves out the Digits step of
tokenizer.json. The two differ on characters such as U+00BD; tokenizer.json is what the model was trained with.

Needs: tokenizers >= 0.21, transformers >= 5.
"""

import json
import os
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

CORPUS = [
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May.",
    "The question asks how many clips she sold altogether. 48 / 2 -> 24.0 and 48 + 24 -> 72.0",
    "<search_query>When was the director of the film born?</search_query> <answer>1923</answer>",
    "Forbidden Ground is a 1968 film directed by Pal Gabor; he was born on 2 November 1932 in Budapest.",
    "You are a helpful assistant. You may call functions. Each function is described by a JSON schema.",
    '{"type": "function", "function": {"name": "calculator", "description": "Evaluates an expression"}}',
    "What is the sum of these numbers? The sum of these numbers is the answer to the question.",
]

CHATML_TOOLS = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
    {{- 'Functions you may call:\\n<tools>' }}
    {%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}
    {{- '\\n</tools>\\nCall one as <tool_call>{"name": ..., "arguments": ...}</tool_call>.<|im_end|>\\n' }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou are a careful assistant.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant' }}
        {%- if message.content %}{{- '\\n' + message.content }}{%- endif %}
        {%- for call in message.tool_calls or [] %}
            {{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
            {{- call.function.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {%- if loop.index0 == 0 or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""

TURNS = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}
{%- for message in messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] %}
    {{- '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}
"""

INSTRUCT = """{{ bos_token }}
{%- for message in messages %}
    {%- if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}
    {%- elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}
    {%- elif message['role'] == 'tool' %}
        {%- if not messages[loop.index0 - 1].tool_calls %}{{ raise_exception('a result needs a call') }}{% endif %}
        {{- '[TOOL_RESULTS]' + {'content': message['content']} | tojson + '[/TOOL_RESULTS]' }}
    {%- else %}{{ raise_exception('unknown role ' + message['role']) }}{% endif %}
{%- endfor %}"""


def special(*contents):
    return [AddedToken(content, special=True, normalized=False) for content in contents]


def plain(*contents):
    return [AddedToken(content, special=False, normalized=False) for content in contents]


def byte_level():
    tok = Tokenizer(models.BPE(ignore_merges=True))
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=420, special_tokens=special("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tok.add_tokens(plain("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<unwritten>"))
    return tok, dict(eos_token="<|im_end|>", pad_token="<|endoftext|>"), CHATML_TOOLS


def sentence_piece(first):
    tok = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    controls = ["<pad>", "<unk>", "<s>", "</s>"]
    if first:
        controls += ["[INST]", "[/INST]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"]
        tok.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="first", split=False)
    else:
        controls += ["<start_of_turn>", "<end_of_turn>"]
        tok.normalizer = normalizers.Replace(" ", "\u2581")
        tok.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    trainer = trainers.BpeTrainer(
        vocab_size=680, max_token_length=12,
        special_tokens=special(*controls) + [AddedToken(f"<0x{b:02X}>", special=True) for b in range(256)])
    tok.train_from_iterator(CORPUS, trainer)
    if not first:
        tok.add_tokens(plain("\n\n", "\u2581\u2581", "<table>"))
    data = json.loads(tok.to_str())
    data["added_tokens"] = [t for t in data["added_tokens"] if not t["content"].startswith("<0x")]
    tok = Tokenizer.from_str(json.dumps(data))
    steps = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    tok.decoder = decoders.Sequence(steps + ([decoders.Strip(" ", 1, 0)] if first else []))
    names = dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>")
    return tok, names, INSTRUCT if first else TURNS


def write_tokenizer(folder, tok, names, template):
    os.makedirs(folder, exist_ok=True)
    fast = PreTrainedTokenizerFast(tokenizer_object=tok, clean_up_tokenization_spaces=False, **names)
    with open(f"{folder}/tokenizer.json", "w") as file:
        json.dump(json.loads(tok.to_str()), file, ensure_ascii=False, separators=(",", ":"))
    config = dict(names, clean_up_tokenization_spaces=False, tokenizer_class="PreTrainedTokenizerFast")
    with open(f"{folder}/tokenizer_config.json", "w") as file:
        json.dump(config, file, indent=1)
    with open(f"{folder}/chat_template.jinja", "w") as file:
        file.write(template)
    fast.chat_template = template
    return fast


def encode_plain(fast, text, controls):
    """Every control token taken as text: marked special, then split as transformers' split_special_tokens does."""
    data = json.loads(fast.backend_tokenizer.to_str())
    for token in data["added_tokens"]:
        token["special"] = token["special"] or token["content"] in controls
    tok = Tokenizer.from_str(json.dumps(data))
    tok.encode_special_tokens = True
    return tok.encode(text, add_special_tokens=False).ids


TEXTS = [
    "", " ", "\n", "\n\n", "Hello world! 123", "Café déjà vu.", "  multiple   spaces", "a\u200bb\u00a0c\ttab\r\nline",
    "48 / 2 -> 24.0", "日本語のテキスト", "emoji 👩‍👩‍👧 🇫🇷 e\u0301", "<answer>72</answer>", "x" * 300, "don't we'll I'M",
    "1 \u00bd cups, 2\u00b2 and \u216b and \u0661", "a\u0085b \u0085 c\ufeffd \ufeff", "  ", "\n  \n\n   x  ", "\u2581a\u2581\u2581b",
    "<table> and <unwritten> stay what they are", "1,234.50 + $10 = 1234567",
]

QUESTION = "How many clips did Natalia sell altogether in April and May?"
TOOLS = [{"type": "function", "function": {
    "name": "calculator", "description": "Evaluates an expression, \"exactly\" — é",
    "parameters": {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]}}}]


def conversations(fast, style):
    user = {"role": "user", "content": QUESTION}
    system = {"role": "system", "content": "Answer in a few words."}
    spaced = {"role": "user", "content": "\n  What is 48 / 2?\nSay it.\n"}
    action = {"role": "assistant", "content": "Half of 48.\n<math_exp>48 / 2</math_exp>"}
    reply = {"role": "user", "content": "48 / 2 -> 24"}
    call = {"role": "assistant", "content": "", "tool_calls": [
        {"id": "call00001", "type": "function", "function": {"name": "calculator", "arguments": {"expression": "48 / 2"}}}]}
    result = {"role": "tool", "content": "24 \"exactly\"", "tool_call_id": "call00001"}
    cases = [dict(prompt=[user], action=action, observation=reply), dict(prompt=[spaced], action=action, observation=reply),
             dict(prompt=[user, action, reply], action=action, observation=reply)]
    if style in ("smollm2", "chatml-tools"):
        cases += [dict(prompt=[system, user], action=action, observation=reply)]
    if style == "turns":
        folded = {"role": "user", "content": f"{system['content']}\n\n{QUESTION}"}
        cases += [dict(prompt=[system, user], shown=[folded], action=action, observation=reply)]
    if style == "chatml-tools":
        cases += [dict(prompt=[user], action=call, observation=result, tools=TOOLS),
                  dict(prompt=[system, user], action=call, observation=result, tools=TOOLS)]
    for case in cases:
        shown = case.pop("shown", case["prompt"])
        tools = case.get("tools")

        def ids(messages):
            return fast.apply_chat_template(messages, tools=tools, add_generation_prompt=True, tokenize=True, return_dict=False)

        case["ids"] = ids(shown)
        case["next"] = ids(shown + [case["action"], case["observation"]])
    return cases


def write_cases(path, fast, style):
    controls = {t.content for t in fast.added_tokens_decoder.values() if t.special or
                (t.content in (fast.chat_template or "") and len(t.content.strip()) > 2)}
    texts = TEXTS + ["before " + c + "after" for c in sorted(controls)] + ["".join(sorted(controls))]
    cases = {
        "controls": sorted(controls),
        "texts": [{
            "text": text,
            "special": fast.backend_tokenizer.encode(text, add_special_tokens=False).ids,
            "plain": encode_plain(fast, text, controls),
            "decoded": fast.decode(encode_plain(fast, text, controls), clean_up_tokenization_spaces=False),
        } for text in texts],
        "conversations": conversations(fast, style),
    }
    with open(path, "w") as file:
        json.dump(cases, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


def main(smollm2, out):
    os.makedirs(f"{out}/smollm2", exist_ok=True)
    write_cases(f"{out}/smollm2/cases.json", PreTrainedTokenizerFast.from_pretrained(smollm2), "smollm2")
    for style, parts in {"chatml-tools": byte_level(), "turns": sentence_piece(False), "instruct": sentence_piece(True)}.items():
        write_cases(f"{out}/{style}/cases.json", write_tokenizer(f"{out}/{style}", *parts), style)


main(*sys.argv[1:])
