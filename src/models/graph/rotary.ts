import type { HostTensor } from '../../runtime/program.ts'
import type { Rotations } from '../../tensor/functions.ts'
import { input } from '../../tensor/tensor.ts'
import type { ModelConfig, RopeScaling } from '../config.ts'

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

/** The table of rotations as graph inputs, computed once for every position up to the farthest that was asked for. */
export class RotaryTable {
  readonly #frequencies: Float64Array
  #cos = new Float32Array(0)
  #sin = new Float32Array(0)

  constructor(config: ModelConfig) {
    this.#frequencies = inverseFrequencies(config)
  }

  /** Feeds for `rotaryInputs`. @param positions row-major [batch, length] */
  feeds(positions: Int32Array, batch: number, length: number): Record<string, HostTensor> {
    this.#reach(positions.reduce((farthest, position) => Math.max(farthest, position), length - 1))
    const half = this.#frequencies.length
    const table = [this.#cos.length / half, half]
    return {
      positions: { data: BigInt64Array.from(positions, BigInt), shape: [batch, length] },
      cos: { data: this.#cos, shape: table },
      sin: { data: this.#sin, shape: table },
    }
  }

  #reach(position: number): void {
    const half = this.#frequencies.length
    if ((position + 1) * half <= this.#cos.length) return
    const rows = Math.ceil((position + 1) / granule) * granule
    this.#cos = new Float32Array(rows * half)
    this.#sin = new Float32Array(rows * half)
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < half; i++) {
        // In f32 like the reference implementation: the angle is rounded, then its cosine.
        const angle = Math.fround(Math.fround(this.#frequencies[i]!) * row)
        this.#cos[row * half + i] = Math.cos(angle)
        this.#sin[row * half + i] = Math.sin(angle)
      }
    }
  }
}

/** The table grows by this many positions. */
const granule = 512

/** The rotations of positions [B, S] as graph inputs. */
export function rotaryInputs(config: ModelConfig): Rotations {
  const table = ['L', config.headDim / 2]
  return { positions: input('positions', 'int64', ['B', 'S']), cos: input('cos', 'float32', table), sin: input('sin', 'float32', table) }
}
