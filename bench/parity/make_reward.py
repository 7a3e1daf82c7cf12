"""Makes src/train/fixtures/reward/, what TRL's RewardTrainer logs, and a PEFT adapter with a reward head.

    python bench/parity/make_reward.py [--output DIRECTORY] [--models DIRECTORY]

Each file is one run, f32, in the file's order, from the adapter beside the tiny model and a head of its own:

    {"model": folder under src/models/fixtures, "recipe", "rows": pairs, with a "margin" where the run has it,
     "tokens": [{"prompt", "chosen", "rejected"}]: ids; a side is scored as the sequence prompt + side,
     "head": the head's weight at step 0, one number for each hidden unit (no bias),
     "reference": [{"chosen", "rejected"}]: the scores at step 0,
     "steps": [{"loss", "grad_norm", "lr", "accuracy", "margin", "min_reward", "mean_reward", "max_reward"}],
     "final": {tensor: {"norm", "first": its first four values, row by row}}, the head under PEFT's name for it}

What trl/trainer/reward_trainer.py does, with r the scores of chosen (c) and rejected (r) side:

- loss is the mean over pairs of -log sigmoid(r_c - r_r - margin), margin 0 without the column, plus, if it is set,
  center_rewards_coefficient * mean((r_c + r_r)^2): the square of the pair's sum, not the sum of squares.
- `margin` of the log is mean(r_c - r_r), whatever margin the rows ask for; accuracy is r_c > r_r.
- The head trains with the adapter's learning rate, and its gradient is part of the gradient norm; in full fine-tuning
  weight decay takes the head too, which is neither norm nor bias.
- Rows longer than max_length are dropped, not cut.

What transformers scores (`GenericForSequenceClassification`): the head is applied after the last norm, at the rightmost
token that is NOT the padding token. Chat templates that end a turn with a newline are scored at that newline. Where a
sequence ends with the end token and padding is the same token, as here, the score is that of the token BEFORE the end;
`scores.json` has such a row. Padding inside a prompt does not matter, since only the rightmost counts.

`reward-adapter` of tiny-llama is what run `sigmoid` leaves, as PEFT writes it: task_type SEQ_CLS, modules_to_save
["score"]. On disk the head is `base_model.model.score.weight` [1, hidden]; the layers' names are those of a CAUSAL_LM
adapter. Beside it `scores.json`: {"rows": [{"text" | "messages", "ids", "score"}]}, each computed by itself.
"""

import argparse
import json
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model, load_peft_weights, set_peft_model_state_dict
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from trl import RewardConfig, RewardTrainer

import plain_preference
from make_dpo import PAIRS, SIDES
from make_tiny import FIXTURES as MODELS
from make_tiny import digits, dump, token_ids
from trl_runs import FIXTURES, compare, complete_recipe, conversation, run, tokenize, write_fixture

METRICS = ("accuracy", "margin", "min_reward", "mean_reward", "max_reward")
MARGINS = [1.0, 0.5, 0.0, 2.0, 0.25, 1.5, 0.0, 0.75]
HEAD = "base_model.model.score.weight"
SCORED = [
    {"messages": [{"role": "user", "content": "What is the code for fever?"},
                  {"role": "assistant", "content": "R50.9 - Fever, unspecified"}]},
    {"messages": [{"role": "system", "content": "Codes only."}, {"role": "user", "content": "cough"},
                  {"role": "assistant", "content": "R05"}, {"role": "user", "content": "Größe?"},
                  {"role": "assistant", "content": "12 µm"}]},
    {"text": "a"},
    {"text": "The patient had 3 questions: what is the code, who wrote it, and when?"},
    {"text": "It ends with the end token.<|im_end|>"},
]


def description(model: str, full: bool = False, margins: bool = False, centering: float | None = None,
                **recipe) -> dict:
    rows = [{**pair, "margin": margin} for pair, margin in zip(PAIRS, MARGINS)] if margins else PAIRS[:8]
    settings = {} if centering is None else {"center_rewards_coefficient": centering}
    return {"model": model, "rows": rows, "full": full,
            "recipe": complete_recipe("reward", {**recipe, "reward": settings}, full)}


RUNS = {
    "sigmoid": description("tiny-llama"),
    "centered": description("tiny-mistral", centering=0.01, schedule={"name": "cosine", "warmup": 0.2}),
    "margin": description("tiny-qwen2", margins=True),
    "full": description("tiny-qwen3", full=True, centering=0.01, optimizer={"lr": 1e-3, "weight_decay": 0.1}),
}


def load(described: dict):
    """The tiny model with a head of seeded numbers; its adapter, the head trainable beside it, unless in full."""
    directory = MODELS / described["model"]
    model = AutoModelForSequenceClassification.from_pretrained(directory, num_labels=1, dtype=torch.float32,
                                                               attn_implementation="eager")
    generator = torch.Generator().manual_seed(4)
    model.score.weight.data = 0.1 * torch.randn(model.score.weight.shape, generator=generator)
    if described["full"]:
        return model
    config = LoraConfig.from_pretrained(directory / "adapter")
    config.task_type, config.modules_to_save, config.inference_mode = "SEQ_CLS", ["score"], False
    tensors = {**load_peft_weights(str(directory / "adapter")), HEAD: model.score.weight.data}
    model = get_peft_model(model, config)
    set_peft_model_state_dict(model, tensors)
    return model


def head_of(model) -> torch.Tensor:
    return model.score.modules_to_save["default"].weight if isinstance(model, PeftModel) else model.score.weight


def score(model, ids: list[int]) -> float:
    with torch.no_grad():
        return digits([model(torch.tensor([ids])).logits[0, 0]], 9)[0]


def check_tokens(trainer: RewardTrainer, tokens: list[dict]) -> None:
    for seen, row in zip(trainer.train_dataset, tokens, strict=True):
        if any(seen[f"{side}_ids"] != row["prompt"] + row[side] for side in SIDES):
            raise SystemExit("TRL's tokens differ from the design's")


def save_adapter(model: PeftModel, tokenizer, directory: Path) -> None:
    """The adapter as PEFT saves it, without what names this machine, and its scores once loaded again."""
    model.save_pretrained(directory)
    (directory / "README.md").unlink(missing_ok=True)
    file = directory / "adapter_config.json"
    config = {**json.loads(file.read_text()), "base_model_name_or_path": None}
    config["target_modules"].sort()
    file.write_text(json.dumps(config, indent=2) + "\n")
    base = AutoModelForSequenceClassification.from_pretrained(directory.parent, num_labels=1, dtype=torch.float32,
                                                              attn_implementation="eager")
    loaded = PeftModel.from_pretrained(base, directory).eval()
    rows = []
    for row in SCORED:
        ids = token_ids(tokenizer, row)[0]
        rows.append({**row, "ids": ids, "score": score(loaded, ids)})
    (directory / "scores.json").write_text(dump({"rows": rows}))


def make(name: str, output: Path, models: Path) -> None:
    described = RUNS[name]
    recipe, rows = described["recipe"], described["rows"]
    tokenizer = AutoTokenizer.from_pretrained(MODELS / described["model"])
    tokens = [tokenize(tokenizer, row, SIDES) for row in rows]
    dataset = Dataset.from_list([conversation(row, SIDES) for row in rows])
    trainer, steps = run(recipe, 1, METRICS, lambda arguments, log: RewardTrainer(
        model=load(described), args=RewardConfig(**arguments, **recipe["reward"]), train_dataset=dataset,
        processing_class=tokenizer, callbacks=[log]))
    check_tokens(trainer, tokens)
    initial = load(described).eval()
    head = {"model": described["model"], "recipe": recipe, "rows": rows, "tokens": tokens,
            "head": digits(head_of(initial)[0].detach(), 9),
            "reference": [{side: score(initial, row["prompt"] + row[side]) for side in SIDES} for row in tokens]}
    write_fixture(output / f"{name}.json", head, steps, trainer.model)
    if name == "sigmoid":
        save_adapter(trainer.model, tokenizer, models / described["model"] / "reward-adapter")
    plain = plain_preference.train_reward(initial, recipe, rows, tokens)
    print(f"{name}: margin {steps[0]['margin']:.4f} -> {steps[-1]['margin']:.4f}; " + compare(steps, plain))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=FIXTURES / "reward")
    parser.add_argument("--models", type=Path, default=MODELS)
    torch.set_num_threads(1)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in RUNS:
        make(name, arguments.output, arguments.models)


if __name__ == "__main__":
    main()
