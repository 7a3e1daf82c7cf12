"""Makes src/models/fixtures/nf4.json: weights of four decimals and what bitsandbytes' NF4 with double quantization makes of them.

    python bench/parity/make_nf4.py        (needs torch and bitsandbytes 0.50, whose CPU code is used)
"""

import json
from pathlib import Path

import torch
from bitsandbytes import functional

OUTPUT = Path(__file__).resolve().parents[2] / "src" / "models" / "fixtures" / "nf4.json"


def case(weight: torch.Tensor) -> dict:
    packed, state = functional.quantize_4bit(weight, quant_type="nf4", blocksize=64, compress_statistics=True)
    return {
        "shape": list(weight.shape),
        "weight": [round(v, 4) for v in weight.flatten().tolist()],
        "codes": packed.flatten().tolist(),
        "scale_codes": state.absmax.tolist(),
        "scale_scales": state.state2.absmax.tolist(),
        "offset": state.offset.item(),
        "dequantized_sum": functional.dequantize_4bit(packed, state).double().sum().item(),
        "dequantized": functional.dequantize_4bit(packed, state).flatten()[:128].tolist(),
    }


def main() -> None:
    torch.manual_seed(0)
    # The first has one block of scales, the second two (the last one short): 96 * 192 / 64 = 288.
    weights = [torch.randn(16, 64) * 0.05, torch.randn(96, 192) * torch.linspace(0.01, 0.2, 96)[:, None]]
    weights[0][3] = 0
    rounded = [torch.tensor([round(v, 4) for v in weight.flatten().tolist()]).reshape(weight.shape) for weight in weights]
    OUTPUT.write_text(json.dumps([case(weight) for weight in rounded]) + "\n")


if __name__ == "__main__":
    main()
