/**
 * A small seeded generator: sfc32 (Chris Doty-Humphrey's PractRand), the state filled by hashing.
 * Not for secrets. The numbers of a seed and stream are the same on every machine.
 */
export class Random {
  readonly #state: Uint32Array

  /**
   * Each `stream` of a seed, and each `substream` of that, is a sequence of its own: an epoch's order needs no draws of
   * the epochs before it.
   */
  constructor(seed: number, stream = 0, substream = 0) {
    this.#state = Uint32Array.of(
      mix(seed), mix(Math.floor(seed / 2 ** 32) ^ 0x9e3779b9), mix(stream ^ 0x85ebca6b), mix(substream) + 1,
    )
    for (let i = 0; i < 12; i++) this.uint32()
  }

  /** An integer from 0 to 2³² - 1. */
  uint32(): number {
    const state = this.#state
    const a = state[0]!
    const b = state[1]!
    const c = state[2]!
    const counter = state[3]!
    const result = (a + b + counter) >>> 0
    state[0] = b ^ (b >>> 9)
    state[1] = c + (c << 3)
    state[2] = ((c << 21) | (c >>> 11)) + result
    state[3] = counter + 1
    return result
  }

  /** From 0 to 1, which is left out: a multiple of 2⁻²⁴, so that 32-bit floats hold it as it is. */
  uniform(): number {
    return (this.uint32() >>> 8) / 2 ** 24
  }

  /** An integer from 0 to `limit` - 1, each equally likely. */
  below(limit: number): number {
    const accepted = 2 ** 32 - (2 ** 32 % limit)
    let draw = this.uint32()
    while (draw >= accepted) draw = this.uint32()
    return draw % limit
  }

  /** Shuffles `values` in place (Fisher and Yates) and returns them. */
  shuffle<T>(values: T[]): T[] {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      ;[values[i], values[j]] = [values[j]!, values[i]!]
    }
    return values
  }
}

/** Spreads every bit of a 32-bit number over all of them (the finalizer of MurmurHash3). */
function mix(value: number): number {
  let hash = value >>> 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
