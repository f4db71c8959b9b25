"""Golden token ids and rendered chat templates of a Hugging Face tokenizer, for tests of the TypeScript one.

    python scripts/golden/tokens.py MODEL_FOLDER OUT.json [--template FILE.jinja]

Only texts and ids are written, never the tokenizer. MODEL_FOLDER holds tokenizer.json and tokenizer_config.json;
--template renders another chat template with the same tokenizer.
"""

import argparse
import json
from pathlib import Path

from transformers import AutoTokenizer

TEXTS = [
    "", " ", "\n", "\n\n", "Hello world! 123", "Café déjà vu.", "  multiple   spaces", "tabs\tand\r\nlines\n",
    "48 / 2 -> 24.0", "<math_exp>48 / 2</math_exp>", "<search_query>capital of France</search_query>",
    "<answer>1,234.50</answer>", "1234567890", "3.14159 $10 50% 1e-9 x**2", "don't can't I'LL we've",
    "naïve façade — “quotes” …", "日本語のテキスト", "Привет, мир", "مرحبا بالعالم", "🙂👩‍👩‍👧🇫🇷", "a\u0301 e\u0300", "\u00a0\u200b\ufeff",
    "<|im_start|>", "<|im_end|>", "<|im_start|>user\nhi<|im_end|>\n", "<|endoftext|>", "< |im_start|>", "<|im_start",
    "def f(x):\n    return x + 1\n", "https://example.org/a?b=c#d", "\x00\x01", "A" * 60, "ab" * 40,
]
CONVERSATIONS = [
    [{"role": "user", "content": "What is 6 times 7?"}],
    [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": "Capital of France?"}],
    [
        {"role": "user", "content": "Use the calculator."},
        {"role": "assistant", "content": "First I divide.\n<math_exp>48 / 2</math_exp>"},
        {"role": "user", "content": "48 / 2 -> 24.0"},
        {"role": "assistant", "content": "<answer>24</answer>"},
    ],
    [{"role": "user", "content": "  spaces and <|im_end|> inside \n"}],
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--template", type=Path)
    options = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    if options.template:
        tokenizer.chat_template = options.template.read_text()
    encodings = [dict(text=text, ids=tokenizer.encode(text, add_special_tokens=False)) for text in TEXTS]
    for entry in encodings:
        entry["decoded"] = tokenizer.decode(entry["ids"], skip_special_tokens=False, clean_up_tokenization_spaces=False)
    chats = []
    for messages in CONVERSATIONS:
        for generation in (False, True):
            try:
                rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation)
            except Exception as error:  # a template may refuse a role
                chats.append(dict(messages=messages, addGenerationPrompt=generation, error=str(error)))
                continue
            ids = tokenizer.encode(rendered, add_special_tokens=False)
            chats.append(dict(messages=messages, addGenerationPrompt=generation, text=rendered, ids=ids))
    special = {token: id for token, id in sorted(tokenizer.get_added_vocab().items(), key=lambda item: item[1])}
    golden = dict(model=options.model.name, special=special, encodings=encodings, chats=chats)
    options.out.write_text(json.dumps(golden, ensure_ascii=True, indent=1) + "\n")


if __name__ == "__main__":
    main()
