"""SFT rows as token ids and loss masks, after "Exact semantics" of the design.

A mask has one entry less than the ids: entry i says whether the prediction of ids[i + 1] carries loss.

- `messages`: the ids are those of the whole rendering. For each assistant turn k the prefix is the rendering
  of the messages before it with the generation prompt; the turn carries loss from there through its first
  end-of-turn token. Chat templates seldom have the `{% generation %}` marks that TRL needs for this, so TRL gets
  such rows tokenized, with labels.
- `prompt`, `completion`: everything after the prompt, rendered with the generation prompt, carries loss, so also
  what the template writes after the end-of-turn token. TRL does the same by itself.
- `template: none`: the strings as they are, the end token appended. TRL's meaning of plain strings.
"""


def encode_chat(tokenizer, messages: list[dict], generation_prompt: bool) -> list[int]:
    return tokenizer.apply_chat_template(messages, add_generation_prompt=generation_prompt, return_dict=False)


def tokenize_row(tokenizer, row: dict, end_ids: list[int], raw: bool = False) -> tuple[list[int], list[int]]:
    """The ids of a row, and its mask."""
    if "messages" in row:
        return tokenize_messages(tokenizer, row["messages"], end_ids)
    if raw:
        prompt = tokenizer(row["prompt"], add_special_tokens=False)["input_ids"]
        ids = tokenizer(row["prompt"] + row["completion"] + tokenizer.eos_token, add_special_tokens=False)["input_ids"]
    else:
        messages = as_turns(row["prompt"], "user")
        prompt = encode_chat(tokenizer, messages, True)
        ids = encode_chat(tokenizer, messages + as_turns(row["completion"], "assistant"), False)
    if ids[:len(prompt)] != prompt:
        raise ValueError("the prompt's tokens are not a prefix of the row's")
    return ids, [int(i + 1 >= len(prompt)) for i in range(len(ids) - 1)]


def as_turns(text: str | list[dict], role: str) -> list[dict]:
    return [{"role": role, "content": text}] if isinstance(text, str) else text


def tokenize_messages(tokenizer, messages: list[dict], end_ids: list[int]) -> tuple[list[int], list[int]]:
    ids = encode_chat(tokenizer, messages, False)
    mask = [0] * (len(ids) - 1)
    for k, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prefix = encode_chat(tokenizer, messages[:k], True)
        if ids[:len(prefix)] != prefix:
            raise ValueError(f"turn {k + 1}: the tokens before it are not a prefix of the row's")
        end = next(i for i in range(len(prefix), len(ids)) if ids[i] in end_ids)
        for i in range(len(prefix), end + 1):
            mask[i - 1] = 1
    return ids, mask


def labels_of(ids: list[int], mask: list[int]) -> list[int]:
    """What TRL calls labels: an id where it carries loss, else -100."""
    return [-100] + [token if carries else -100 for token, carries in zip(ids[1:], mask, strict=True)]
