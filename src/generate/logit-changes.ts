/** What a request does to the logits before a token is chosen: format, bias, penalties, in OpenAI's order. */
import type { GenerateRequest } from './completion.ts'

/** Says token by token what a text may go on with (format/constraint.ts). */
export interface TokenConstraint {
  /**
   * Bit `id % 32` of word `id / 32` is set where token `id` may come next, end tokens included; not to be written to.
   * @throws UserError where no token may
   */
  allowed(): Uint32Array
  /** Takes an allowed token. */
  accept(id: number): void
  /** The text is whole, and nothing could follow but an end token. */
  readonly isFinished: boolean
}

/** Whether a request chooses from other logits than the model's. */
export function changesLogits({ format, logitBias, presencePenalty, frequencyPenalty }: GenerateRequest): boolean {
  const biased = logitBias !== undefined && Object.keys(logitBias).length > 0
  return format !== undefined || biased || Boolean(presencePenalty) || Boolean(frequencyPenalty)
}

/** The logits of one completion as its choices see them. */
export class LogitChanges {
  readonly #bias: readonly (readonly [number, number])[]
  readonly #presencePenalty: number
  readonly #frequencyPenalty: number
  readonly #constraint: TokenConstraint | undefined
  /** How often each token was generated. */
  readonly #counts = new Map<number, number>()
  #changed = new Float32Array()

  constructor({ logitBias = {}, presencePenalty = 0, frequencyPenalty = 0 }: GenerateRequest, constraint: TokenConstraint | undefined) {
    this.#bias = Object.entries(logitBias).map(([id, bias]) => [Number(id), bias])
    this.#presencePenalty = presencePenalty
    this.#frequencyPenalty = frequencyPenalty
    this.#constraint = constraint
  }

  /**
   * The changed logits, [V], in a buffer that the next call overwrites. Forbidden tokens have −Infinity.
   * @param logits the model's, [V]; they stay as they are
   */
  apply(logits: Float32Array): Float32Array {
    if (this.#changed.length !== logits.length) this.#changed = new Float32Array(logits.length)
    const changed = this.#changed
    changed.set(logits)
    for (const [id, bias] of this.#bias) changed[id]! += bias
    for (const [id, count] of this.#counts) changed[id]! -= this.#presencePenalty + count * this.#frequencyPenalty
    if (this.#constraint !== undefined) forbid(changed, this.#constraint.allowed())
    return changed
  }

  /** Nothing but an end token could follow. */
  get isFinished(): boolean {
    return this.#constraint?.isFinished === true
  }

  /** Takes note of a token that was generated. */
  take(id: number): void {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1)
    this.#constraint?.accept(id)
  }
}

function forbid(logits: Float32Array, allowed: Uint32Array): void {
  for (let start = 0; start < logits.length; start += 32) {
    const word = start / 32 < allowed.length ? allowed[start / 32]! : 0
    if (word === 0xffffffff) continue
    if (word === 0) {
      logits.fill(-Infinity, start, start + 32)
      continue
    }
    const end = Math.min(start + 32, logits.length)
    for (let id = start; id < end; id++) if (((word >>> (id - start)) & 1) === 0) logits[id] = -Infinity
  }
}
