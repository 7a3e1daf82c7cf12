"""Makes src/models/fixtures/gguf-quants.json: blocks of every quantized GGUF type and what ggml's Python package says of them.

    python bench/parity/gguf_quants.py

    {"dequantized": {"Q4_0": {"bytes": base64, "values": base64 of f32}, ...},
     "quantized":   {"Q8_0": {"values": base64 of f32, "bytes": base64}}}

The packed integers are random; the scales are random halves, among them zero, a subnormal and the largest.
"""

import base64
import json
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize

OUTPUT = Path(__file__).resolve().parents[2] / "src" / "models" / "fixtures" / "gguf-quants.json"

# Where the half-precision numbers of a block stand.
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
BLOCKS = 6


def blocks(name: str, random: np.random.Generator) -> np.ndarray:
    _, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    data = random.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for at in SCALES[name]:
        scales = random.normal(0, 0.02, BLOCKS).astype(np.float16)
        scales[:3] = [0, 2**-24, 65504 if name == "Q8_0" else 300]
        data[:, at:at + 2] = scales.view(np.uint8).reshape(BLOCKS, 2)
    return data


def text(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def main() -> None:
    random = np.random.default_rng(7)
    dequantized = {}
    for name in SCALES:
        data = blocks(name, random)
        values = dequantize(data, GGMLQuantizationType[name]).astype(np.float32)
        dequantized[name] = {"bytes": text(data), "values": text(values)}
    values = (random.normal(0, 1, (8, 32)) * 10.0 ** random.integers(-5, 5, (8, 1))).astype(np.float32)
    values[0] = 0
    values[1] = np.arange(-16, 16) / 2 * 127 / 8  # half-way cases
    packed = quantize(values, GGMLQuantizationType.Q8_0)
    quantized = {"Q8_0": {"values": text(values), "bytes": text(packed)}}
    OUTPUT.write_text(json.dumps({"dequantized": dequantized, "quantized": quantized}, indent=1) + "\n")


if __name__ == "__main__":
    main()
