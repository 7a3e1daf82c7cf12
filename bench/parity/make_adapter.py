"""A random LoRA adapter for any model, B not zero, as if it had been trained.

    python bench/parity/make_adapter.py --model DIR --output DIR [--rank 8] [--seed 0] [--scale 0.02]
"""

import argparse
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=0.02, help="standard deviation of B")
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    base = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=arguments.rank, lora_alpha=2 * arguments.rank,
                                            lora_dropout=0.0, target_modules="all-linear"))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=arguments.scale)
    model.save_pretrained(arguments.output)


if __name__ == "__main__":
    main()
