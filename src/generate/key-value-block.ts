import type { ModelConfig } from '../models/config.ts'
import { cacheNames } from '../models/graph/cached.ts'
import type { HostTensor } from '../runtime/program.ts'

/** Positions of one block: a prompt is read in chunks of so many. */
export const blockLength = 64

/**
 * Keys and values of 64 positions of a prompt, of all layers: [2 layers, G, 64, D], keys of layer l at 2l, values at
 * 2l + 1. Several prompts may use it; the last one that lets go of it gives the memory back.
 */
export class KeyValueBlock {
  readonly values: Float32Array<ArrayBuffer>
  #users = 1

  private constructor(values: Float32Array<ArrayBuffer>) {
    this.values = values
  }

  /** The keys and values of the first 64 positions that a run returned for one of its prompts, [n, G, S, D]. */
  static of(outputs: Readonly<Record<string, HostTensor>>, prompt: number, { layers, kvHeads, headDim }: ModelConfig): KeyValueBlock {
    const size = blockLength * headDim
    const values = new Float32Array(2 * layers * kvHeads * size)
    freshNames(layers).forEach((name, store) => {
      const { data, shape } = outputs[name]!
      const positions = shape[2]!
      for (let group = 0; group < kvHeads; group++) {
        const from = (prompt * kvHeads + group) * positions * headDim
        values.set((data as Float32Array).subarray(from, from + size), (store * kvHeads + group) * size)
      }
    })
    return new KeyValueBlock(values)
  }

  get bytes(): number {
    return this.values.byteLength
  }

  retain(): this {
    this.#users++
    return this
  }

  release(): void {
    if (--this.#users === 0) free(this.values)
  }
}

/** The blocks of several prompts as the past of a run; `release` gives the memory back. */
export interface BlockPast {
  /** Positions, P: those of the prompt with the most blocks. */
  readonly room: number
  readonly feeds: Record<string, HostTensor>
  release(): void
}

/** Copies the prompts' blocks side by side: for each layer [n, G, P, D]. */
export function pastOfBlocks(prompts: readonly (readonly KeyValueBlock[])[], { layers, kvHeads, headDim }: ModelConfig): BlockPast {
  const room = Math.max(...prompts.map((blocks) => blocks.length)) * blockLength
  const size = blockLength * headDim
  const shape = [prompts.length, kvHeads, room, headDim]
  const stores = Array.from({ length: 2 * layers }, (_, store) => {
    const data = new Float32Array(prompts.length * kvHeads * room * headDim)
    prompts.forEach((blocks, prompt) => {
      blocks.forEach(({ values }, block) => {
        for (let group = 0; group < kvHeads; group++) {
          const from = (store * kvHeads + group) * size
          data.set(values.subarray(from, from + size), (prompt * kvHeads + group) * room * headDim + block * size)
        }
      })
    })
    return data
  })
  const names = Array.from({ length: layers }, (_, layer) => cacheNames.past(layer)).flatMap(({ k, v }) => [k, v])
  return {
    room,
    feeds: Object.fromEntries(names.map((name, store) => [name, { data: stores[store]!, shape }])),
    release: () => { stores.forEach(free) },
  }
}

/** The outputs of a run that hold new keys and values, in the order of a block. */
export function freshNames(layers: number): string[] {
  return Array.from({ length: layers }, (_, layer) => cacheNames.fresh(layer)).flatMap(({ k, v }) => [k, v])
}

/** Gives back the memory of the keys and values that a run returned. */
export function freeFresh(outputs: Readonly<Record<string, HostTensor>>, { layers }: ModelConfig): void {
  for (const name of freshNames(layers)) free(outputs[name]!.data as Float32Array<ArrayBuffer>)
}

/** Frees the memory behind an array that is not used again, without waiting for the garbage collector. */
export function free(array: Float32Array<ArrayBuffer>): void {
  array.buffer.transfer(0)
}
