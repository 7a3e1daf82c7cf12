"""LoRA SFT by TRL, as a peer of `posttrain train`.

    python bench/peers/trl_sft.py --model DIR --data train.jsonl --eval heldout.jsonl
        [--precision bf16|f32] [--no-checkpointing] [--batch 4] [--steps 12] [--init ADAPTER]
        [--rank 8] [--lr 2e-4] [--max-length 1024] [--seed 0] [--threads 2] [--output ADAPTER]

Everything not named here is TRL's default: f32 weights under bf16 autocast, gradient checkpointing on (slower and
smaller; measure `--no-checkpointing` too), rows padded to the longest of their batch. Rows come in the file's order
and their masks are posttrain's, so that both train on the same tokens; `--init` starts from a saved adapter.

Prints one JSON line. Tokens are real ones, without padding; `tokens_per_second` is the median over the steps after
two of warm-up, from the batch that a step asks for to the end of its update; `peak_mb` is taken before the
evaluation. `base_loss` (without the adapter) and `eval_loss` are per loss-carrying token, in f32 whatever the training ran in.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

from measure import peak_megabytes, read_jsonl, report
from trl_steps import WARMUP_STEPS, StepClock

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "parity"))
from sft_tokens import labels_of, tokenize_row  # noqa: E402


def tokenized(tokenizer, path: Path, max_length: int) -> list[tuple[list[int], list[int]]]:
    end_ids = [tokenizer.eos_token_id]
    pairs = (tokenize_row(tokenizer, row, end_ids) for row in read_jsonl(path))
    return [(ids[:max_length], mask[:max_length - 1]) for ids, mask in pairs]


@torch.no_grad()
def loss_of(model, rows: list[tuple[list[int], list[int]]]) -> float:
    """Mean over all loss-carrying tokens, in f32, each row by itself."""
    model.eval()
    total = count = 0.0
    for ids, mask in rows:
        carries_T = torch.tensor(mask, dtype=torch.bool)
        hidden = model(torch.tensor([ids])).logits[0, :-1][carries_T]
        total += float(torch.nn.functional.cross_entropy(hidden, torch.tensor(ids[1:])[carries_T], reduction="sum"))
        count += int(carries_T.sum())
    return total / count


def build_trainer(arguments, rows, tokenizer, clock: StepClock, folder: str) -> SFTTrainer:
    config = SFTConfig(
        output_dir=folder, use_cpu=True, bf16=arguments.precision == "bf16", report_to="none", save_strategy="no",
        logging_steps=1, disable_tqdm=True, seed=arguments.seed, max_steps=arguments.steps,
        gradient_checkpointing=not arguments.no_checkpointing, train_sampling_strategy="sequential",
        per_device_train_batch_size=arguments.batch, learning_rate=arguments.lr, lr_scheduler_type="constant",
        max_length=arguments.max_length)
    dataset = Dataset.from_list([{"input_ids": ids, "labels": labels_of(ids, mask)} for ids, mask in rows])
    if arguments.init is None:
        model = str(arguments.model)
        lora = LoraConfig(task_type="CAUSAL_LM", r=arguments.rank, lora_alpha=2 * arguments.rank, lora_dropout=0.0,
                          target_modules="all-linear")
    else:
        base = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32)
        model, lora = PeftModel.from_pretrained(base, arguments.init, is_trainable=True), None
    return SFTTrainer(model=model, args=config, train_dataset=dataset, processing_class=tokenizer, peft_config=lora,
                      callbacks=[clock])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--eval", type=Path)
    parser.add_argument("--precision", choices=["bf16", "f32"], default="bf16")
    parser.add_argument("--no-checkpointing", action="store_true")
    parser.add_argument("--init", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--max-length", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.steps <= WARMUP_STEPS:
        parser.error(f"--steps must be more than the {WARMUP_STEPS} of warm-up")
    torch.set_num_threads(arguments.threads)

    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    rows = tokenized(tokenizer, arguments.data, arguments.max_length)
    per_epoch = -(-len(rows) // arguments.batch)
    clock = StepClock()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        trainer = build_trainer(arguments, rows, tokenizer, clock, folder)
        trainer.train()
    peak = peak_megabytes()

    batches = [rows[start:start + arguments.batch] for start in range(0, len(rows), arguments.batch)]
    tokens = [sum(len(ids) for ids, _ in batches[step % per_epoch]) for step in range(arguments.steps)]
    rates = [count / seconds for count, seconds in zip(tokens, clock.seconds, strict=True)][WARMUP_STEPS:]
    heldout = tokenized(tokenizer, arguments.eval, arguments.max_length) if arguments.eval else None
    losses = {}
    if heldout is not None:
        losses["eval_loss"] = loss_of(trainer.model, heldout)
        with trainer.model.disable_adapter():
            losses["base_loss"] = loss_of(trainer.model, heldout)
    if arguments.output is not None:
        trainer.model.save_pretrained(arguments.output)
    report(peer="trl", precision=arguments.precision, checkpointing=not arguments.no_checkpointing,
           threads=arguments.threads, batch=arguments.batch, steps=arguments.steps, tokens=sum(tokens),
           tokens_per_second=statistics.median(rates), seconds=sum(clock.seconds), peak_mb=peak,
           losses=[round(loss, 5) for loss in clock.losses], **losses)


if __name__ == "__main__":
    main()
