"""LoRA DPO by TRL, as a peer of `posttrain train` with `method: dpo`.

    python bench/peers/trl_dpo.py --model DIR --data pairs.jsonl [--precision bf16|f32] [--no-checkpointing]
        [--batch 2] [--steps 10] [--rank 8] [--lr 1e-5] [--seed 0] [--threads 2]

Everything not named here is TRL's default: f32 weights under bf16 autocast, gradient checkpointing on, both sides of a
pair as rows of their own, padded to the longest of their batch, and the reference's log-probabilities computed in
every step, with the adapter switched off.

Prints one JSON line: medians over the steps after two of warm-up, and the peak of resident memory.
"""

import contextlib
import sys
import tempfile

import torch
from datasets import Dataset
from transformers import AutoTokenizer
from trl import DPOConfig, DPOTrainer

from measure import peak_megabytes, read_jsonl, report
from trl_steps import StepClock, adapter_of, parse_steps, step_arguments, trainer_arguments


def main() -> None:
    parser = step_arguments(__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=2)
    arguments = parse_steps(parser)
    torch.set_num_threads(arguments.threads)
    clock = StepClock()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        config = DPOConfig(**trainer_arguments(arguments, folder), per_device_train_batch_size=arguments.batch,
                           train_sampling_strategy="sequential")
        trainer = DPOTrainer(model=str(arguments.model), args=config, peft_config=adapter_of(arguments),
                             train_dataset=Dataset.from_list(read_jsonl(arguments.data)),
                             processing_class=AutoTokenizer.from_pretrained(arguments.model), callbacks=[clock])
        trainer.train()
    figures = clock.step_figures()
    report(peer="trl", method="dpo", precision=arguments.precision, checkpointing=not arguments.no_checkpointing,
           batch=arguments.batch, steps=arguments.steps, **figures,
           pairs_per_second=arguments.batch / figures["step_seconds"], peak_mb=peak_megabytes(),
           losses=[round(loss, 5) for loss in clock.losses])


if __name__ == "__main__":
    main()
