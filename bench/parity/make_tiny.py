"""Makes the tiny random models of src/models/fixtures/ and what transformers and PEFT say of them.

    python bench/parity/make_tiny.py [--output DIRECTORY]

One Hugging Face directory for each architecture, between them every variation that the loader has to
know: tied and untied heads, f32, bf16 and f16, one file and shards, old and new spelling of the rope
settings, biases, q/k norms, a head size that is not hidden/heads, llama-3 and linear rope scaling.
Beside each, `adapter/` (PEFT) and `reference.json`:

    {"rows": [{"name", "messages" | "text",
               "ids":                        the whole row
               "logprobs", "adapter_logprobs":     entry i is that of ids[i + 1], with `ids` as the context
               "prompt_ids":                 where the continuation starts
               "greedy", "adapter_greedy":   up to 16 ids, the end token included where it came
               "merged_logits":              at the last of `ids`, after merge_and_unload}],
     "tokenizer": [{"text", "ids"}]}

Everything is computed in f32 from the stored weights. The closest two candidates of every greedy step
are at least 1e-3 apart, so that rounding cannot choose another token.
"""

import argparse
import json
import math
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

import tiny_tokenizer

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "src" / "models" / "fixtures"

VOCABULARY = 288
SHAPE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "vocab_size": VOCABULARY, "hidden_act": "silu", "rms_norm_eps": 1e-5,
         "max_position_embeddings": 512, "attention_dropout": 0.0, "initializer_range": 0.2, "use_cache": True,
         "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}

MODELS = {
    "tiny-llama": {
        "seed": 11,
        "dtype": torch.float32,
        "config": {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "torch_dtype": "float32",
                   "tie_word_embeddings": True, "attention_bias": False, "mlp_bias": False, "rope_theta": 10000.0,
                   # Of the four wavelengths (6.3, 63, 628, 6283 positions) one is kept, one blended, two stretched.
                   "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                    "high_freq_factor": 4.0, "original_max_position_embeddings": 64}},
        "lora": {"target_modules": "all-linear"},
    },
    "tiny-mistral": {
        "seed": 22,
        "dtype": torch.bfloat16,
        "config": {"model_type": "mistral", "architectures": ["MistralForCausalLM"], "dtype": "bfloat16",
                   "tie_word_embeddings": False, "head_dim": 12, "sliding_window": None,
                   "rope_parameters": {"rope_type": "default", "rope_theta": 100000.0}},
        "lora": {"target_modules": "all-linear", "use_rslora": True},
    },
    "tiny-qwen2": {
        "seed": 13,
        "dtype": torch.float16,
        "config": {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "torch_dtype": "float16",
                   "num_hidden_layers": 3, "rms_norm_eps": 1e-6, "tie_word_embeddings": True,
                   "use_sliding_window": False, "sliding_window": 128, "max_window_layers": 3,
                   "rope_theta": 1000000.0, "rope_scaling": {"type": "linear", "factor": 2.0}},
        "lora": {"target_modules": ["q_proj", "v_proj"]},
    },
    "tiny-qwen3": {
        "seed": 14,
        "dtype": torch.float32,
        "shards": 2,
        "config": {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "dtype": "float32",
                   "rms_norm_eps": 1e-6, "tie_word_embeddings": True, "head_dim": 16, "attention_bias": False,
                   "use_sliding_window": False, "sliding_window": None, "max_window_layers": 2,
                   "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}},
        "lora": {"target_modules": "all-linear"},
    },
}

ROWS = [
    {"name": "chat", "messages": [
        {"role": "user", "content": "What is the code for fever?"},
        {"role": "assistant", "content": "R50.9 - Fever, unspecified"},
    ]},
    {"name": "non-ascii", "text": "Größe 12 µm — 痛み, naïve 🙂"},
    {"name": "single", "text": "a"},
    {"name": "long", "text": "The patient had 3 questions: what is the code, who wrote it, and when?\n" * 3},
]

TEXTS = ["", " ", "Hello, world!", "In 2024 there were 1234567 codes.", "line one\nline two\n\n\tend  ", "it's we'll I'D",
         "Ünïcödé 漢字 🙂👩‍👩‍👧", "price: 3.50€ (x²)", "E11.9 – Type 2 diabetes mellitus"]


def random_weights(model: torch.nn.Module, generator: torch.Generator) -> None:
    """Weights far enough from their usual start that a forgotten norm, bias or scale shows in the logits."""
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        if "norm" in name:
            weight.data = 1 + 0.3 * noise
        elif "embed_tokens" in name or "lm_head" in name:
            weight.data = 0.3 * noise
        else:
            weight.data = 0.25 * noise


def save_weights(model: torch.nn.Module, directory: Path, dtype: torch.dtype, shards: int) -> None:
    tied = model.config.tie_word_embeddings
    tensors = {name: value.to(dtype).contiguous() for name, value in model.state_dict().items()
               if not (tied and name == "lm_head.weight")}
    if shards == 1:
        save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
        return
    names = list(tensors)
    size = math.ceil(len(names) / shards)
    weight_map = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        part = {name: tensors[name] for name in names[shard * size:(shard + 1) * size]}
        save_file(part, directory / file, metadata={"format": "pt"})
        weight_map.update({name: file for name in part})
    total = sum(value.numel() * value.element_size() for value in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def save_adapter(directory: Path, settings: dict, generator: torch.Generator) -> None:
    """A rank-4 adapter whose B is not zero, as if it had been trained."""
    base = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, lora_dropout=0.0, **settings))
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data = 0.15 * torch.randn(weight.shape, generator=generator)
    adapter = directory / "adapter"
    model.save_pretrained(adapter)
    (adapter / "README.md").unlink(missing_ok=True)
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = None
    config["target_modules"] = sorted(config["target_modules"])
    (adapter / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")


def logits_of(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0]


def logprobs_of(model: torch.nn.Module, ids: list[int]) -> list[float]:
    logprobs_TV = logits_of(model, ids).log_softmax(-1)
    return [float(logprobs_TV[i, ids[i + 1]]) for i in range(len(ids) - 1)]


def greedy(model: torch.nn.Module, prompt: list[int], end_ids: list[int], limit: int = 16) -> list[int]:
    ids = list(prompt)
    while len(ids) < len(prompt) + limit:
        best, second = logits_of(model, ids)[-1].topk(2).values.tolist()
        if best - second < 1e-3:
            raise SystemExit(f"a greedy step is decided by {best - second:.1e}: choose another seed")
        ids.append(int(logits_of(model, ids)[-1].argmax()))
        if ids[-1] in end_ids:
            break
    return ids[len(prompt):]


def digits(values, count: int = 7) -> list[float]:
    return [float(f"{float(value):.{count}g}") for value in values]


def token_ids(tokenizer, row: dict) -> tuple[list[int], list[int]]:
    """The ids of the whole row, and those after which a continuation starts."""
    if "text" in row:
        ids = tokenizer(row["text"], add_special_tokens=False)["input_ids"]
        return ids, ids
    whole = tokenizer.apply_chat_template(row["messages"], return_dict=False)
    prompt = tokenizer.apply_chat_template(row["messages"][:-1], add_generation_prompt=True, return_dict=False)
    return whole, prompt


def reference(directory: Path, end_ids: list[int]) -> dict:
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    rows = []
    for row in ROWS:
        ids, prompt_ids = token_ids(tokenizer, row)
        rows.append({**row, "ids": ids, "logprobs": digits(logprobs_of(model, ids)), "prompt_ids": prompt_ids,
                     "greedy": greedy(model, prompt_ids, end_ids)})
    model = PeftModel.from_pretrained(model, directory / "adapter").eval()
    for row in rows:
        row["adapter_logprobs"] = digits(logprobs_of(model, row["ids"]))
        row["adapter_greedy"] = greedy(model, row["prompt_ids"], end_ids)
    model = model.merge_and_unload()
    for row in rows:
        row["merged_logits"] = digits(logits_of(model, row["ids"])[-1])
    texts = [{"text": text, "ids": tokenizer(text, add_special_tokens=False)["input_ids"]} for text in TEXTS]
    return {"rows": rows, "tokenizer": texts}


def dump(value: dict, indent: int = 1) -> str:
    """JSON with one line for each field of a row: readable differences, no line per number."""
    lines = ["{"]
    for k, (section, entries) in enumerate(value.items()):
        lines.append(f' "{section}": [')
        for i, entry in enumerate(entries):
            fields = [f'   {json.dumps(key)}: {json.dumps(field, ensure_ascii=False)}' for key, field in entry.items()]
            lines.append("  {\n" + ",\n".join(fields) + "\n  }" + ("," if i + 1 < len(entries) else ""))
        lines.append(" ]" + ("," if k + 1 < len(value) else ""))
    return "\n".join(lines) + "\n}\n"


def make(name: str, output: Path) -> None:
    description = MODELS[name]
    directory = output / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    generator = torch.Generator().manual_seed(description["seed"])
    (directory / "config.json").write_text(json.dumps({**SHAPE, **description["config"]}, indent=2) + "\n")
    end_ids = [2, 0] if name.startswith("tiny-qwen") else [2]
    generation = {"bos_token_id": 1, "eos_token_id": end_ids if len(end_ids) > 1 else 2, "pad_token_id": 2}
    (directory / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    tiny_tokenizer.save(directory)

    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(directory), dtype=torch.float32)
    random_weights(model, generator)
    save_weights(model, directory, description["dtype"], description.get("shards", 1))
    save_adapter(directory, description["lora"], generator)
    (directory / "reference.json").write_text(dump(reference(directory, end_ids)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=FIXTURES)
    torch.set_num_threads(1)
    output = parser.parse_args().output
    for name in MODELS:
        make(name, output)
        size = sum(file.stat().st_size for file in (output / name).rglob("*") if file.is_file())
        print(f"{name}: {size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
