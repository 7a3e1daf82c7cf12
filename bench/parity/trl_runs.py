"""What the runs of TRL's preference trainers have in common: recipe, tokens, arguments, log and fixture."""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import PrinterCallback, Trainer

from make_sft import CONSTANT, OPTIMIZER, StepLog, dump, final_weights, worst_difference
from make_tiny import digits, logits_of
from sft_tokens import as_turns, encode_chat

FIXTURES = Path(__file__).resolve().parents[2] / "src" / "train" / "fixtures"


def complete_recipe(method: str, given: dict, full: bool = False) -> dict:
    """The recipe of a run with every default that matters here written out."""
    recipe = {"method": method, "adapter": {"type": "none"} if full else {"type": "lora"}, "base": {"precision": "f32"},
              "batch": 4, **given, "optimizer": {**OPTIMIZER, **given.get("optimizer", {})},
              "schedule": given.get("schedule", CONSTANT), "max_length": 512, "seed": 0, "shuffle": False}
    return {**recipe, "steps": 10}


def conversation(row: dict, sides: tuple[str, ...]) -> dict:
    """A row with its strings as turns."""
    turns = {"prompt": as_turns(row["prompt"], "user"), **{side: as_turns(row[side], "assistant") for side in sides}}
    return {**row, **turns}


def tokenize(tokenizer, row: dict, sides: tuple[str, ...]) -> dict[str, list[int]]:
    """The ids of the prompt, rendered with the generation prompt, and what each side has after it."""
    turns = conversation(row, sides)
    prompt = encode_chat(tokenizer, turns["prompt"], True)
    tokens = {"prompt": prompt}
    for side in sides:
        ids = encode_chat(tokenizer, turns["prompt"] + turns[side], False)
        if ids[:len(prompt)] != prompt:
            raise ValueError("the prompt's tokens are not a prefix of the row's")
        tokens[side] = ids[len(prompt):]
    return tokens


def summed_logprob(model, prompt: list[int], completion: list[int]) -> float:
    """Log-probability of a completion after its prompt, computed without padding."""
    ids = prompt + completion
    logprobs_TV = logits_of(model, ids)[:-1].log_softmax(-1)
    logprobs_T = logprobs_TV.gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
    return digits([logprobs_T[len(prompt) - 1:].sum()], 9)[0]


def trainer_settings(recipe: dict, folder: str, accumulation: int = 1) -> dict:
    """A recipe as transformers' TrainingArguments: f32 on the CPU, rows in the file's order, a log line a step."""
    optimizer, schedule, total = recipe["optimizer"], recipe["schedule"], recipe["steps"]
    return {
        "output_dir": folder, "use_cpu": True, "bf16": False, "gradient_checkpointing": False, "report_to": "none",
        "seed": 0, "logging_steps": 1, "save_strategy": "no", "disable_tqdm": True, "max_steps": total,
        "per_device_train_batch_size": recipe["batch"] // accumulation, "gradient_accumulation_steps": accumulation,
        "train_sampling_strategy": "sequential", "max_length": recipe["max_length"], "optim": "adamw_torch",
        "learning_rate": optimizer["lr"], "adam_beta1": optimizer["betas"][0], "adam_beta2": optimizer["betas"][1],
        "adam_epsilon": optimizer["eps"], "weight_decay": optimizer["weight_decay"],
        "max_grad_norm": optimizer["max_grad_norm"], "warmup_steps": math.ceil(schedule["warmup"] * total),
        "lr_scheduler_type": "constant_with_warmup" if schedule["name"] == "constant" else schedule["name"],
    }


class MetricLog(StepLog):
    """Takes a step's loss, gradient norm and learning rate, and the trainer's own figures named in `keys`."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        super().__init__()
        self.keys = keys

    def on_log(self, args, state, control, logs=None, **kwargs):
        super().on_log(args, state, control, logs=logs, **kwargs)
        if "grad_norm" in logs:
            self.steps[-1].update({key: float(logs[key]) for key in self.keys if key in logs})


def run(recipe: dict, accumulation: int, keys: tuple[str, ...], build: Callable[[dict, MetricLog], Trainer]):
    """Trains with the trainer that `build` makes of arguments and log; gives it back with its steps."""
    log = MetricLog(keys)
    with tempfile.TemporaryDirectory() as folder:
        trainer = build(trainer_settings(recipe, folder, accumulation), log)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return trainer, log.steps


def compare(steps: list[dict], plain: list[dict]) -> str:
    """How far a plain loop is from TRL."""
    keys = ("loss", "grad_norm", "lr")
    return "plain loop off by " + ", ".join(f"{worst_difference(steps, plain, key):.1e} ({key})" for key in keys)


def write_fixture(file: Path, head: dict, steps: list[dict], model) -> None:
    """`head`, then each step's figures in 9 digits and the trained tensors as make_sft.py has them."""
    rounded = [{key: digits([step[key]], 9)[0] for key in ("loss", "grad_norm", *step)} for step in steps]
    file.write_text(dump({**head, "steps": rounded, "final": final_weights(model)}))
