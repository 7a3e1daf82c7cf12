"""Greedy decoding by transformers' `generate`, as a peer of `posttrain generate`.

    python bench/peers/transformers_generate.py --model DIR [--batch 8] [--precision f32|bf16]
        [--new-tokens 64] [--prompts FILE.jsonl] [--threads 2]

Each row of the batch is one user turn under the chat template, padded on the left, and decodes exactly
`--new-tokens` (the end token is not allowed to end it). Prints one JSON line; `tokens_per_second` counts what comes
after the first new token, so that the prompts' own pass is left out, and is the better of two runs.
"""

import argparse
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessor, LogitsProcessorList

from measure import peak_megabytes, read_jsonl, report


class TokenClock(LogitsProcessor):
    """Notes when each step's logits are there."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, input_ids, scores):
        self.times.append(time.perf_counter())
        return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, default=Path(__file__).with_name("prompts.jsonl"))
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    tokenizer = AutoTokenizer.from_pretrained(arguments.model, padding_side="left")
    dtype = torch.float32 if arguments.precision == "f32" else torch.bfloat16
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=dtype).eval()
    prompts = [row["prompt"] for row in read_jsonl(arguments.prompts)]
    turns = [[{"role": "user", "content": prompts[i % len(prompts)]}] for i in range(arguments.batch)]
    inputs = tokenizer.apply_chat_template(turns, add_generation_prompt=True, padding=True, return_tensors="pt",
                                           return_dict=True)
    rates = []
    for _ in range(2):
        clock = TokenClock()
        with torch.no_grad():
            model.generate(**inputs, do_sample=False, min_new_tokens=arguments.new_tokens,
                           max_new_tokens=arguments.new_tokens, logits_processor=LogitsProcessorList([clock]))
        rates.append(arguments.batch * (len(clock.times) - 1) / (clock.times[-1] - clock.times[0]))
    report(peer="transformers", precision=arguments.precision, threads=arguments.threads, batch=arguments.batch,
           new_tokens=arguments.new_tokens, prompt_tokens=int(inputs["attention_mask"].sum()),
           tokens_per_second=max(rates), peak_mb=peak_megabytes())


if __name__ == "__main__":
    main()
