/** Adapters in the form that a row's slot takes: filling a slot is then a copy. */
import { UserError } from '../errors.ts'
import type { ModelConfig } from '../models/config.ts'
import { loraNames, loraScale, type Adapter } from '../models/graph/lora.ts'
import { slotInputs, type AdaptedLayers, type SlotInput } from '../models/graph/row-lora.ts'

/** Ranks are filled up with zeros to multiples of this, so that every product has whole vectors. */
const rankStep = 8
/** How long packing goes on at a stretch, in milliseconds: less than a step of decoding takes. */
const sliceMs = 8

export interface PackedAdapter {
  readonly id: string
  /** A multiple of 8. */
  readonly rank: number
  readonly layers: AdaptedLayers
  /** One row of each slot input, by its name: A [in, n rank], B [rank, out] times α/r. */
  readonly values: ReadonlyMap<string, Float32Array<ArrayBuffer>>
  readonly bytes: number
}

/** Which graph an adapter needs. */
export function adaptedLayers(modules: readonly string[]): AdaptedLayers {
  return modules.every((module) => module.includes('.self_attn.')) ? 'attention' : 'all'
}

/**
 * Packs an adapter.
 * @param pause awaited every few milliseconds: others' work goes on
 * @throws UserError where a weight is not a finite number
 */
export async function packAdapter(id: string, adapter: Adapter, config: ModelConfig, pause: () => Promise<void>): Promise<PackedAdapter> {
  const layers = adaptedLayers(adapter.config.modules)
  const rank = Math.ceil(adapter.config.rank / rankStep) * rankStep
  const inputs = slotInputs(config, layers)
  const values = new Map<string, Float32Array<ArrayBuffer>>()
  let since = performance.now()
  for (const slot of inputs) {
    values.set(slot.name, slot.side === 'A' ? packDown(slot, adapter, rank) : packUp(slot, adapter, rank))
    if (performance.now() - since < sliceMs) continue
    await pause()
    since = performance.now()
  }
  const bytes = [...values.values()].reduce((sum, { byteLength }) => sum + byteLength, 0)
  return { id, rank, layers, values, bytes }
}

/** [rank, in] of each module, transposed and side by side: [in, n rank] */
function packDown({ modules, size }: SlotInput, { config: { rank }, parameters }: Adapter, padded: number): Float32Array<ArrayBuffer> {
  const width = modules.length * padded
  const packed = new Float32Array(size * width)
  modules.forEach((module, place) => {
    const name = loraNames(module).a
    const a = parameters.get(name)
    if (a === undefined) return
    checkFinite(name, a)
    for (let r = 0; r < rank; r++) {
      for (let i = 0, to = place * padded + r; i < size; i++, to += width) packed[to] = a[r * size + i]!
    }
  })
  return packed
}

/** [out, rank], transposed and scaled: [rank, out] */
function packUp({ modules, size }: SlotInput, { config: lora, parameters }: Adapter, padded: number): Float32Array<ArrayBuffer> {
  const packed = new Float32Array(padded * size)
  const name = loraNames(modules[0]!).b
  const b = parameters.get(name)
  if (b === undefined) return packed
  checkFinite(name, b)
  const scale = loraScale(lora)
  for (let r = 0; r < lora.rank; r++) {
    for (let o = 0; o < size; o++) packed[r * size + o] = scale * b[o * lora.rank + r]!
  }
  return packed
}

function checkFinite(name: string, values: Float32Array): void {
  let sum = 0
  // 0 · x is 0 for every finite x, and NaN for the others.
  for (let i = 0; i < values.length; i++) sum += 0 * values[i]!
  if (sum !== 0) {
    throw new UserError(`${name} holds values that are not finite numbers: the adapter's training diverged, or its file is damaged. Take an earlier checkpoint`)
  }
}
