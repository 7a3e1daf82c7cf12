import { UserError } from '../../errors.ts'
import type { Completion, TokenLogprob } from '../../generate/completion.ts'
import type { LiveModel } from '../../generate/live-model.ts'
import type { TokenBytes } from '../../models/tokenizer/token-bytes.ts'

/** A generated token and the likeliest ones in its place. */
export interface ScoredToken extends TokenLogprob {
  readonly top: readonly TokenLogprob[]
}

/** How tokens are shown, one by one. */
export class TokenTexts {
  readonly #model: Pick<LiveModel, 'config' | 'tokenizer'>
  /** Read when first needed: a hundred thousand small arrays. null: this tokenizer's tokens have no bytes of their own. */
  #bytes: TokenBytes['tokens'] | null | undefined

  constructor(model: Pick<LiveModel, 'config' | 'tokenizer'>) {
    this.#model = model
  }

  /** The tokens of a completion's text: the end token has none and is not among them. */
  scored({ ids, logprobs, topLogprobs }: Completion): ScoredToken[] {
    const tokens = ids.map((id, i) => ({ id, logprob: logprobs[i]!, top: topLogprobs?.[i] ?? [] }))
    return tokens.filter(({ id }) => !this.isEnd(id))
  }

  isEnd(id: number): boolean {
    return this.#model.config.eosTokenIds.includes(id)
  }

  /** A token's bytes, possibly a part of a character; null where that cannot be said. */
  bytes(id: number): readonly number[] | null {
    const bytes = this.#allBytes()?.[id]
    return bytes === undefined ? null : [...bytes]
  }

  /** A token's text; control tokens by their names, parts of characters as OpenAI writes them: `bytes:\xf0\x9f`. */
  text(id: number): string {
    const bytes = this.#allBytes()?.[id]
    if (bytes === undefined) return this.#model.tokenizer.decode([id], { control: true })
    try {
      return decoder.decode(bytes)
    } catch {
      return `bytes:${[...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`
    }
  }

  #allBytes(): TokenBytes['tokens'] | null {
    if (this.#bytes !== undefined) return this.#bytes
    try {
      this.#bytes = this.#model.tokenizer.tokenBytes().tokens
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      this.#bytes = null
    }
    return this.#bytes
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** JSON has no infinity: what is impossible is as unlikely as OpenAI writes it. */
export function finite(logprob: number): number {
  return Math.max(logprob, -9999)
}
