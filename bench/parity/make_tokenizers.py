"""Makes the small tokenizers of src/models/fixtures/tokenizers/ and what transformers says of them.

    python bench/parity/make_tokenizers.py

Between them they have every way that the supported families cut text before the merges: single digits and GPT-2's
pattern (SmolLM2), Llama 3's pattern with whole words before merges and a beginning-of-sequence token, Qwen's with
NFC, Mistral's SentencePiece pieces with bytes for what is not in the vocabulary. They are trained on general.jsonl.

Beside each stands `reference.json`: `texts` (no control tokens matched, none added), `plain` (what
`tokenizer(text)` adds to one of them), `chats` (the conversation as the chat template renders it) and `rows`
(training rows as ids and loss masks).
"""

import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

from sft_tokens import tokenize_row

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "src" / "models" / "fixtures" / "tokenizers"
GENERAL = ROOT / "src" / "data" / "general.jsonl"
VOCABULARY = 700

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

CHATML = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + "
          "'<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
LLAMA3_CHAT = ("{{ bos_token }}{%- for message in messages %}"
               "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim "
               "+ '<|eot_id|>' }}{%- endfor %}"
               "{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}")
MISTRAL_CHAT = ("{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
                "{% if loop.index0 % 2 != 0 %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
                "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% else %}"
                "{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}")

TEXTS = [
    "Hello world, it's 2024 and I'LL pay 12345.67!",
    "  two  spaces \n\n\tand a tab \r\n end  ",
    "½ cup, x², ٣٤ and Ⅷ",
    "a\u0085b \ufeffc \u00a0d\u3000e",
    "cafe\u0301 na\u00efve \u1e9b\u0323 日本語 🎉👨‍👩‍👧 Ω≈ç",
    "<b>tags</b> & [INST] <think>hm</think>",
    "",
    " ",
]
CHATS = [
    [{"role": "user", "content": "How many legs does a spider have?"}],
    [{"role": "user", "content": " 12 + 7 = ?\n"}, {"role": "assistant", "content": "19 "},
     {"role": "user", "content": "!\n"}],
]
ROWS = [
    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"},
                  {"role": "assistant", "content": "4"}, {"role": "user", "content": "And 3 + 3?"},
                  {"role": "assistant", "content": "6, of course"}]},
    {"prompt": "What is ice?\n", "completion": " Frozen water."},
    {"prompt": [{"role": "user", "content": "Name a bird"}], "completion": [{"role": "assistant", "content": "Owl"}]},
]
RAW_ROW = {"prompt": "Question: 12?", "completion": " Answer: twelve."}


def byte_level_bpe(pre_tokenizer, ignore_merges=False) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def split(pattern: str):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])


def train(tokenizer: Tokenizer, control: list[str], alphabet: list[str], first: list[str] = []) -> None:
    texts = [turn["content"] for line in GENERAL.read_text().splitlines() for turn in json.loads(line)["messages"]]
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=control + first, initial_alphabet=sorted(alphabet), show_progress=False))


def special(*contents: str) -> list[AddedToken]:
    return [AddedToken(content, special=True, normalized=False) for content in contents]


def smollm() -> tuple[Tokenizer, dict]:
    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = byte_level_bpe(pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    ]))
    train(tokenizer, special(*control), pre_tokenizers.ByteLevel.alphabet())
    return tokenizer, {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>",
                       "chat_template": CHATML}


def llama3() -> tuple[Tokenizer, dict]:
    control = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    tokenizer = byte_level_bpe(split(LLAMA3), ignore_merges=True)
    train(tokenizer, [], pre_tokenizers.ByteLevel.alphabet())
    tokenizer.add_special_tokens(special(*control))
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin_of_text|> $A", special_tokens=[
            ("<|begin_of_text|>", tokenizer.token_to_id("<|begin_of_text|>"))]),
    ])
    return tokenizer, {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "chat_template": LLAMA3_CHAT}


def qwen2() -> tuple[Tokenizer, dict]:
    tokenizer = byte_level_bpe(split(QWEN2))
    tokenizer.normalizer = normalizers.NFC()
    train(tokenizer, [], pre_tokenizers.ByteLevel.alphabet())
    tokenizer.add_special_tokens(special("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in ["<think>", "</think>"]])
    return tokenizer, {"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
                       "chat_template": CHATML}


def mistral() -> tuple[Tokenizer, dict]:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    train_split = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=True)
    whole, tokenizer.pre_tokenizer = tokenizer.pre_tokenizer, train_split
    train(tokenizer, special("<unk>", "<s>", "</s>", "[INST]", "[/INST]"), [], [f"<0x{i:02X}>" for i in range(256)])
    tokenizer.pre_tokenizer = whole
    description = json.loads(tokenizer.to_str())
    description["added_tokens"] = description["added_tokens"][:5]
    tokenizer = Tokenizer.from_str(json.dumps(description))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "chat_template": MISTRAL_CHAT}


def reference(directory: Path) -> dict:
    tokenizer = AutoTokenizer.from_pretrained(directory)
    return {
        "texts": [{"text": text, "ids": ids, "decoded": tokenizer.decode(ids)} for text in TEXTS
                  for ids in [tokenizer.encode(text, add_special_tokens=False)]],
        "plain": {"text": TEXTS[0], "ids": tokenizer.encode(TEXTS[0])},
        "chats": [{"messages": chat, "generationPrompt": prompt,
                   "text": tokenizer.apply_chat_template(chat, add_generation_prompt=prompt, tokenize=False),
                   "ids": tokenizer.apply_chat_template(chat, add_generation_prompt=prompt, return_dict=False)}
                  for chat in CHATS for prompt in [False, True]],
        "rows": [rendered_row(tokenizer, row, raw) for row, raw in [*((row, False) for row in ROWS), (RAW_ROW, True)]
                 if "messages" not in row or "INST" not in tokenizer.chat_template],  # Mistral's knows no system turn
    }


def rendered_row(tokenizer, row: dict, raw: bool) -> dict:
    if raw:  # as TRL takes plain strings: with what the tokenizer puts before a text, and the end token appended
        prompt = tokenizer.encode(row["prompt"])
        ids = tokenizer.encode(row["prompt"] + row["completion"] + tokenizer.eos_token)
        mask = [int(i + 1 >= len(prompt)) for i in range(len(ids) - 1)]
    else:
        ids, mask = tokenize_row(tokenizer, row, [tokenizer.eos_token_id])
    return {"row": row, "template": "none" if raw else "auto", "ids": ids, "mask": mask}


def main() -> None:
    for make in [smollm, llama3, qwen2, mistral]:
        directory = FIXTURES / make.__name__
        directory.mkdir(parents=True, exist_ok=True)
        tokenizer, names = make()
        tokenizer.save(str(directory / "tokenizer.json"), pretty=False)
        config = {"tokenizer_class": "PreTrainedTokenizerFast", **names, "clean_up_tokenization_spaces": False,
                  "model_max_length": 2048}
        (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
        text = json.dumps(reference(directory), ensure_ascii=True, indent=1)
        (directory / "reference.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
