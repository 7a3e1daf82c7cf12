import type { ModelConfig, RopeScaling } from './config.ts'

/**
 * Inverse frequencies θ^(−2i/d) of rotary embedding, scaled beyond the trained length where the model asks for it.
 * @returns headDim / 2 values, radians per position
 */
export function inverseFrequencies({ headDim, ropeTheta, ropeScaling }: ModelConfig): Float64Array {
  return Float64Array.from({ length: headDim / 2 }, (_, i) => scaleFrequency(ropeTheta ** ((-2 * i) / headDim), ropeScaling))
}

/** `linear` divides every frequency; `llama3` only the low ones, with a smooth passage (Llama 3.1). */
function scaleFrequency(frequency: number, scaling: RopeScaling): number {
  if (scaling.type === 'none') return frequency
  if (scaling.type === 'linear') return frequency / scaling.factor
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalMaxPositions } = scaling
  const turns = (originalMaxPositions * frequency) / (2 * Math.PI)
  if (turns > highFrequencyFactor) return frequency
  if (turns < lowFrequencyFactor) return frequency / factor
  const smooth = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor)
  return (1 - smooth) * (frequency / factor) + smooth * frequency
}

/** Cosines and sines by position, computed once for each position that is asked for. */
export class RotaryTable {
  readonly #frequencies: Float64Array
  readonly #rows: { cos: Float32Array; sin: Float32Array }[] = []

  constructor(config: ModelConfig) {
    this.#frequencies = inverseFrequencies(config)
  }

  /** Writes the rotations of `positions` [n] as [n, headDim]. */
  lookUp(positions: ArrayLike<number>): { cos: Float32Array; sin: Float32Array } {
    const size = this.#frequencies.length * 2
    const cos = new Float32Array(positions.length * size)
    const sin = new Float32Array(positions.length * size)
    for (let i = 0; i < positions.length; i++) {
      const row = (this.#rows[positions[i]!] ??= this.#compute(positions[i]!))
      cos.set(row.cos, i * size)
      sin.set(row.sin, i * size)
    }
    return { cos, sin }
  }

  #compute(position: number): { cos: Float32Array; sin: Float32Array } {
    const half = this.#frequencies.length
    const cos = new Float32Array(half * 2)
    const sin = new Float32Array(half * 2)
    this.#frequencies.forEach((frequency, i) => {
      // In f32 like the reference implementation: angle first rounded, then its cosine.
      const angle = Math.fround(Math.fround(frequency) * position)
      cos[i] = cos[i + half] = Math.cos(angle)
      sin[i] = sin[i + half] = Math.sin(angle)
    })
    return { cos, sin }
  }
}
