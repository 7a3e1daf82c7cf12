"""Makes src/train/fixtures/sft/: what TRL's SFTTrainer logs and leaves behind on the tiny models.

    python bench/parity/make_sft.py [--output DIRECTORY]

Each file is one run, f32, in the file's order (`shuffle: false`), from the adapter beside the tiny model:

    {"model": folder under src/models/fixtures, "recipe": as the design has it, "rows",
     "tokens": [{"ids", "mask"}] of each row,
     "steps": [{"loss", "grad_norm", "lr", "tokens": those that carry loss}],
     "final": {tensor: {"norm", "first": its first four values, row by row}}}

TRL divides the summed loss by the number of loss-carrying tokens of the whole optimizer step, so that
accumulation does not change anything: `messages-1x4` and `messages-2x2` show it. The last batch of an epoch may
be short. How rows become masks, and why TRL gets `messages` rows tokenized: see sft_tokens.py. The script prints
how far plain_sft.py, a loop written from the design alone, is from TRL.
"""

import argparse
import json
import math
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from datasets import Dataset
from peft import PeftModel, get_peft_model_state_dict
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, TrainerCallback
from trl import SFTConfig, SFTTrainer

import plain_sft
from make_tiny import FIXTURES as MODELS
from make_tiny import digits
from sft_tokens import as_turns, labels_of, tokenize_row

FIXTURES = Path(__file__).resolve().parents[2] / "src" / "train" / "fixtures" / "sft"

MESSAGES = [
    {"messages": [{"role": "user", "content": "What is the code for fever?"},
                  {"role": "assistant", "content": "R50.9 - Fever, unspecified"}]},
    {"messages": [{"role": "system", "content": "Answer with one word."},
                  {"role": "user", "content": "Capital of France?"}, {"role": "assistant", "content": "Paris"},
                  {"role": "user", "content": "And of Japan, where 東京 is written so?"},
                  {"role": "assistant", "content": "Tokyo"}]},
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]},
    {"messages": [{"role": "user", "content": "Count from 1 to 12 in one line, then say that you are done."},
                  {"role": "assistant", "content": "1 2 3 4 5 6 7 8 9 10 11 12. That is all there is to count."}]},
    {"messages": [{"role": "user", "content": "cough"}, {"role": "assistant", "content": "R05 - Cough"}]},
    {"messages": [{"role": "user", "content": "Translate 'thank you' to German."},
                  {"role": "assistant", "content": "Danke schön"}]},
    {"messages": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"},
                  {"role": "user", "content": "2 + 3?"}, {"role": "assistant", "content": "5"},
                  {"role": "user", "content": "And the sum of both answers?"},
                  {"role": "assistant", "content": "9"}]},
    {"messages": [{"role": "user", "content": "Say nothing at all."}, {"role": "assistant", "content": "."}]},
    {"messages": [{"role": "user", "content": "Which line holds the answer?"},
                  {"role": "assistant", "content": "The second line of the table.\nNot the first."}]},
    {"messages": [{"role": "user", "content": "Type 2 diabetes"},
                  {"role": "assistant", "content": "E11.9 - Type 2 diabetes mellitus without complications"}]},
]

COMPLETIONS = [
    {"prompt": "What is the code for fever?", "completion": "R50.9 - Fever, unspecified"},
    {"prompt": [{"role": "system", "content": "Codes only."}, {"role": "user", "content": "cough"}],
     "completion": [{"role": "assistant", "content": "R05"}]},
    {"prompt": "Count to three.", "completion": "1, 2, 3"},
    {"prompt": [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"},
                {"role": "user", "content": "And 2 + 3?"}],
     "completion": [{"role": "assistant", "content": "5, which is one more than what you asked before."}]},
    {"prompt": "Ja oder nein: schön?", "completion": "ja"},
    {"prompt": "Write the title of E11.9", "completion": "Type 2 diabetes mellitus without complications"},
    {"prompt": "x", "completion": "y"},
    {"prompt": "Which of the two answers is the longer one, and by how many words?",
     "completion": "The second, by 3."},
]

RAW = [
    {"prompt": "Fever: ", "completion": "R50.9"},
    {"prompt": "Cough: ", "completion": "R05"},
    {"prompt": "The title of E11.9 is ", "completion": "Type 2 diabetes mellitus without complications"},
    {"prompt": "1 2 3 ", "completion": "4 5 6 7 8 9 10"},
]

OPTIMIZER = {"name": "adamw", "lr": 2e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0, "max_grad_norm": 1.0}
CONSTANT = {"name": "constant", "warmup": 0.0}


def run(model: str, rows: list[dict], full: bool = False, accumulation: int = 1, **recipe) -> dict:
    return {"model": model, "rows": rows, "full": full, "accumulation": accumulation, "recipe": recipe}


RUNS = {
    "messages-1x4": run("tiny-llama", MESSAGES[:8]),
    "messages-2x2": run("tiny-llama", MESSAGES[:8], accumulation=2),
    "messages-linear-decay": run("tiny-qwen3", MESSAGES[:8], optimizer={"weight_decay": 0.01},
                                 schedule={"name": "linear", "warmup": 0.25}),
    "completion-cosine": run("tiny-llama", COMPLETIONS, schedule={"name": "cosine", "warmup": 0.15}),
    "completion-rslora-unclipped": run("tiny-mistral", COMPLETIONS, optimizer={"max_grad_norm": 1000.0}),
    "messages-epochs": run("tiny-qwen2", MESSAGES, epochs=3, schedule={"name": "cosine", "warmup": 0.0}),
    "raw-linear": run("tiny-llama", RAW, template="none", schedule={"name": "linear", "warmup": 0.0}),
    "full-constant": run("tiny-llama", MESSAGES[:8], full=True, optimizer={"lr": 1e-3}),
    "full-cosine-decay": run("tiny-qwen2", COMPLETIONS, full=True, optimizer={"lr": 1e-3, "weight_decay": 0.5},
                             schedule={"name": "cosine", "warmup": 0.2}),
    "full-linear-untied": run("tiny-mistral", MESSAGES[:8], full=True, optimizer={"lr": 1e-3},
                              schedule={"name": "linear", "warmup": 0.1}),
}


def complete_recipe(description: dict) -> dict:
    """The recipe of a run with every default that matters here written out."""
    given = description["recipe"]
    recipe = {"method": "sft", "adapter": {"type": "none"} if description["full"] else {"type": "lora"},
              "base": {"precision": "f32"}, **given, "optimizer": {**OPTIMIZER, **given.get("optimizer", {})},
              "schedule": given.get("schedule", CONSTANT), "batch": 4, "max_length": 512, "seed": 0, "shuffle": False}
    return recipe if "epochs" in recipe else {**recipe, "steps": 10}


def load(description: dict):
    directory = MODELS / description["model"]
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager")
    if description["full"]:
        return model
    return PeftModel.from_pretrained(model, directory / "adapter", is_trainable=True)


class StepLog(TrainerCallback):
    """Takes each step's figures unrounded; the learning rate as the optimizer is about to use it."""

    def __init__(self) -> None:
        self.steps: list[dict] = []

    def on_pre_optimizer_step(self, args, state, control, optimizer=None, **kwargs):
        self.steps.append({"lr": optimizer.param_groups[0]["lr"]})

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "grad_norm" in logs:
            self.steps[-1].update(loss=logs["loss"], grad_norm=logs["grad_norm"])


def train_with_trl(description: dict, recipe: dict, dataset: Dataset, tokenizer, total: int):
    optimizer, schedule = recipe["optimizer"], recipe["schedule"]
    name = "constant_with_warmup" if schedule["name"] == "constant" else schedule["name"]
    log = StepLog()
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder, use_cpu=True, bf16=False, gradient_checkpointing=False, report_to="none", seed=0,
            logging_steps=1, save_strategy="no", disable_tqdm=True, max_steps=total, optim="adamw_torch",
            per_device_train_batch_size=recipe["batch"] // description["accumulation"],
            gradient_accumulation_steps=description["accumulation"], train_sampling_strategy="sequential",
            learning_rate=optimizer["lr"], adam_beta1=optimizer["betas"][0], adam_beta2=optimizer["betas"][1],
            adam_epsilon=optimizer["eps"], weight_decay=optimizer["weight_decay"],
            max_grad_norm=optimizer["max_grad_norm"], lr_scheduler_type=name,
            warmup_steps=math.ceil(schedule["warmup"] * total), max_length=recipe["max_length"])
        trainer = SFTTrainer(model=load(description), args=config, train_dataset=dataset,
                             processing_class=tokenizer, callbacks=[log])
        trainer.train()
    return trainer, log.steps


def dataset_of(recipe: dict, rows: list[dict], tokens: list[tuple[list[int], list[int]]]) -> Dataset:
    """What TRL gets: `messages` rows tokenized with labels, the others as they are (strings as turns)."""
    if "messages" in rows[0]:
        return Dataset.from_list([{"input_ids": ids, "labels": labels_of(ids, mask)} for ids, mask in tokens])
    if recipe.get("template") == "none":
        return Dataset.from_list(rows)
    return Dataset.from_list([{"prompt": as_turns(row["prompt"], "user"),
                               "completion": as_turns(row["completion"], "assistant")} for row in rows])


def check_masks(trainer: SFTTrainer, tokens: list[tuple[list[int], list[int]]]) -> None:
    """TRL's own tokens and masks must be the design's."""
    for seen, (ids, mask) in zip(trainer.train_dataset, tokens, strict=True):
        labels = labels_of(ids, mask)
        if seen["input_ids"] != ids or seen["labels"][1:] != labels[1:]:
            raise SystemExit("TRL's tokens or labels differ from the design's")


def final_weights(model) -> dict:
    if isinstance(model, PeftModel):
        tensors = get_peft_model_state_dict(model)
    else:
        tensors = dict(model.named_parameters())
    return {name: {"norm": digits([tensor.double().norm()])[0], "first": digits(tensor.flatten()[:4])}
            for name, tensor in sorted(tensors.items())}


def make(name: str, output: Path) -> None:
    description = RUNS[name]
    recipe, rows = complete_recipe(description), description["rows"]
    directory = MODELS / description["model"]
    tokenizer = AutoTokenizer.from_pretrained(directory)
    end_ids = GenerationConfig.from_pretrained(directory).eos_token_id
    end_ids = end_ids if isinstance(end_ids, list) else [end_ids]
    tokens = [tokenize_row(tokenizer, row, end_ids, recipe.get("template") == "none") for row in rows]
    per_epoch = math.ceil(len(rows) / recipe["batch"])
    total = recipe.get("steps", recipe.get("epochs", 0) * per_epoch)

    trainer, steps = train_with_trl(description, recipe, dataset_of(recipe, rows, tokens), tokenizer, total)
    check_masks(trainer, tokens)
    plain_model = load(description)
    plain = plain_sft.train(plain_model, tokens, recipe, total, per_epoch)
    final, plain_final = final_weights(trainer.model), final_weights(plain_model)
    differences = {key: worst_difference(steps, plain, key) for key in ("loss", "grad_norm", "lr")}
    differences["final norms"] = worst_difference(list(final.values()), list(plain_final.values()), "norm")
    print(f"{name}: loss {steps[0]['loss']:.4f} -> {steps[-1]['loss']:.4f}; plain loop off by "
          + ", ".join(f"{difference:.1e} ({key})" for key, difference in differences.items()))

    for k, step in enumerate(steps):
        start = (k % per_epoch) * recipe["batch"]
        step["tokens"] = sum(sum(mask) for _, mask in tokens[start:start + recipe["batch"]])
    fixture = {"model": description["model"], "recipe": recipe, "rows": rows,
               "tokens": [{"ids": ids, "mask": mask} for ids, mask in tokens],
               "steps": [{key: digits([step[key]], 9)[0] for key in ("loss", "grad_norm", "lr", "tokens")}
                         for step in steps],
               "final": final}
    (output / f"{name}.json").write_text(dump(fixture))


def worst_difference(reference: list[dict], ours: list[dict], key: str) -> float:
    """Largest relative difference over the entries."""
    return max(abs(a[key] - b[key]) / max(abs(a[key]), 1e-12) for a, b in zip(reference, ours, strict=True))


def dump(fixture: dict) -> str:
    """JSON with a line for each row, step and tensor."""
    def block(value) -> str:
        if isinstance(value, list):
            return "[\n" + ",\n".join("  " + json.dumps(entry, ensure_ascii=False) for entry in value) + "\n ]"
        if isinstance(value, dict):
            lines = (f"  {json.dumps(key)}: {json.dumps(entry)}" for key, entry in value.items())
            return "{\n" + ",\n".join(lines) + "\n }"
        return json.dumps(value)

    return "{\n" + ",\n".join(f' "{key}": {block(value)}' for key, value in fixture.items()) + "\n}\n"


def make_all(description: str, folder: Path, runs: Iterable[str], make: Callable[[str, Path], None]) -> None:
    """The command line of a script that makes one file for each run."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--output", type=Path, default=folder)
    parser.add_argument("--run", choices=list(runs), action="append")
    torch.set_num_threads(1)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.run or runs:
        make(name, arguments.output)


if __name__ == "__main__":
    make_all(__doc__.splitlines()[0], FIXTURES, RUNS, make)
