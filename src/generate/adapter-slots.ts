import type { ModelConfig } from '../models/config.ts'
import { slotInputs, slotShape, type AdaptedLayers, type SlotInput } from '../models/graph/row-lora.ts'
import type { HostTensor } from '../runtime/program.ts'
import { free } from './key-value-block.ts'
import type { PackedAdapter } from './packed-adapter.ts'

/** What the slots are made for: all of it the least that the rows need. */
interface Layout {
  readonly layers: AdaptedLayers
  readonly rank: number
  readonly capacity: number
  readonly inputs: readonly SlotInput[]
  /** The values of each input for all rows, one row's after the other's. */
  readonly stores: readonly Float32Array<ArrayBuffer>[]
}

/** The rows' adapters as graph inputs (models/graph/row-lora.ts). A row's slot is filled when its adapter changes, not before. */
export class AdapterSlots {
  readonly #config: ModelConfig
  #layout: Layout | undefined
  /** What each slot holds; past its end nothing that can be relied on. */
  #held: (PackedAdapter | undefined)[] = []
  #feeds: { readonly rows: number; readonly tensors: Record<string, HostTensor> } | undefined

  constructor(config: ModelConfig) {
    this.#config = config
  }

  /**
   * Graph inputs for rows that have these adapters; the same objects as before where nothing has changed.
   * @param rows slots that the graph sees, at least one for each adapter
   */
  feeds(adapters: readonly (PackedAdapter | undefined)[], rows = adapters.length): Record<string, HostTensor> {
    const layout = this.#arrange(adapters, rows)
    adapters.forEach((adapter, row) => {
      if (row < this.#held.length && this.#held[row] === adapter) return
      fill(layout, row, adapter)
      this.#held[row] = adapter
    })
    if (this.#feeds?.rows !== rows) this.#feeds = { rows, tensors: tensorsOf(layout, rows) }
    return this.#feeds.tensors
  }

  /** Gives the memory back. */
  clear(): void {
    for (const store of this.#layout?.stores ?? []) free(store)
    this.#layout = undefined
    this.#held = []
    this.#feeds = undefined
  }

  #arrange(adapters: readonly (PackedAdapter | undefined)[], rows: number): Layout {
    const layers = layersOf(adapters) ?? 'attention'
    const rank = adapters.reduce((most, adapter) => Math.max(most, adapter?.rank ?? 0), 1)
    const old = this.#layout
    if (old?.layers === layers && old.rank === rank && old.capacity >= rows) return old
    // Room for more than these rows only where it grows: other layers or another rank may take many times the memory.
    const grows = old?.layers === layers && old.rank === rank
    const capacity = grows ? Math.max(rows, Math.min(2 * old.capacity, rows + 16)) : rows
    this.clear()
    const inputs = slotInputs(this.#config, layers)
    const stores = inputs.map((slot) => new Float32Array(capacity * sizeOf(slot, rank)))
    this.#layout = { layers, rank, capacity, inputs, stores }
    return this.#layout
  }
}

/** Which graph rows with these adapters need; undefined: that of the base. */
export function layersOf(adapters: readonly (PackedAdapter | undefined)[]): AdaptedLayers | undefined {
  if (adapters.some((adapter) => adapter?.layers === 'all')) return 'all'
  return adapters.some((adapter) => adapter !== undefined) ? 'attention' : undefined
}

/** Memory that a row's slot takes at a rank, in bytes. */
export function slotBytes(config: ModelConfig, layers: AdaptedLayers, rank: number): number {
  return slotInputs(config, layers).reduce((sum, slot) => sum + sizeOf(slot, rank), 0) * Float32Array.BYTES_PER_ELEMENT
}

function sizeOf(slot: SlotInput, rank: number): number {
  return slotShape(slot, 1, rank).reduce((a, b) => a * b)
}

function tensorsOf({ inputs, stores, rank }: Layout, rows: number): Record<string, HostTensor> {
  return Object.fromEntries(inputs.map((slot, i) => {
    const tensor: HostTensor = { data: stores[i]!.subarray(0, rows * sizeOf(slot, rank)), shape: slotShape(slot, rows, rank) }
    return [slot.name, tensor]
  }))
}

function fill({ inputs, stores, rank }: Layout, row: number, adapter: PackedAdapter | undefined): void {
  inputs.forEach((slot, i) => {
    const size = sizeOf(slot, rank)
    const target = stores[i]!.subarray(row * size, (row + 1) * size)
    const values = adapter?.values.get(slot.name)
    if (values === undefined) target.fill(0)
    else if (values.length === size) target.set(values)
    else if (slot.side === 'B') target.fill(0, values.length).set(values)
    else spread(target, values, adapter!.rank, rank)
  })
}

/** Columns of n modules of rank r each, [in, n r], with zeros behind each module's: [in, n rank] */
function spread(target: Float32Array, values: Float32Array, r: number, rank: number): void {
  target.fill(0)
  for (let from = 0, to = 0; from < values.length; from += r, to += rank) target.set(values.subarray(from, from + r), to)
}
