import { UserError } from '../../errors.ts'
import { mapTexts, textsOf, type Conversation } from './conversation.ts'
import type { AddedToken } from './tokenizer-json.ts'

/** A stretch of ordinary text, or the id of a control token. */
export type Segment = string | number

/** A conversation that can be rendered without its texts being taken for control tokens. */
export interface Guarded {
  readonly conversation: Conversation
  /** Gives a text that came out of the template its original characters back. */
  restore(text: string): string
}

/** Supplementary private use areas, planes 15 and 16: no script and no template uses them. */
const privateUse = { first: 0xf0000, last: 0x10fffd }

/**
 * A model's control tokens: finds them in a rendered text, and keeps them out of what users write.
 *
 * The guard: a private-use character that occurs nowhere in the conversation goes behind the first character of
 * every control token that is written out in a message. The rendering then holds only the template's own control
 * tokens, is split at those, and loses the character before it is encoded. The rendering stays one string, so that
 * merges across the border of message and template come out as if there were no guard; most messages need none.
 */
export class ControlTokens {
  readonly #byContent = new Map<string, AddedToken>()
  readonly #contentById = new Map<number, string>()
  readonly #whole: RegExp | undefined
  readonly #opening: RegExp | undefined

  constructor(tokens: readonly AddedToken[]) {
    for (const token of tokens) {
      this.#byContent.set(token.content, token)
      this.#contentById.set(token.id, token.content)
    }
    if (tokens.length === 0) return
    const contents = tokens.map(token => token.content).toSorted((a, b) => b.length - a.length)
    this.#whole = new RegExp(contents.map(content => escape(content)).join('|'), 'g')
    this.#opening = new RegExp(contents.map(content => openingPattern(content)).join('|'), 'g')
  }

  /** The text of control token `id`; undefined for any other token. */
  content(id: number): string | undefined {
    return this.#contentById.get(id)
  }

  id(content: string): number | undefined {
    return this.#byContent.get(content)?.id
  }

  /** The first control token that is written out in `text`. */
  find(text: string): string | undefined {
    return this.#whole === undefined ? undefined : text.match(this.#whole)?.[0]
  }

  /** `text` cut at its control tokens, the longest match first; their lstrip and rstrip take neighbouring space. */
  split(text: string): Segment[] {
    if (this.#whole === undefined) return [text]
    const segments: Segment[] = []
    let start = 0
    let strip = false
    const cut = (end: number, token?: AddedToken): void => {
      let piece = text.slice(start, end)
      if (strip) piece = piece.trimStart()
      if (token?.lstrip) piece = piece.trimEnd()
      if (piece !== '') segments.push(piece)
    }
    for (const match of text.matchAll(this.#whole)) {
      const token = this.#byContent.get(match[0])!
      cut(match.index, token)
      segments.push(token.id)
      start = match.index + match[0].length
      strip = token.rstrip
    }
    cut(text.length)
    return segments
  }

  /** `conversation`, changed only where a text holds, or ends in the beginning of, a control token. */
  guard(conversation: Conversation, template: string): Guarded {
    const opening = this.#opening
    const texts = textsOf(conversation)
    if (opening === undefined || !texts.some(text => text.search(opening) !== -1)) return { conversation, restore: text => text }
    const mark = unusedCharacter([template, ...texts])
    return {
      conversation: mapTexts(conversation, text => text.replace(opening, first => first + mark)),
      restore: text => text.replaceAll(mark, ''),
    }
  }
}

/** Matches the first character of `content` where the rest follows, or as much of it as the text still holds. */
function openingPattern(content: string): string {
  const [first, ...rest] = Array.from(content)
  const tail = rest.reduceRight((after, character) => `(?:$|${escape(character)}${after})`, '')
  return `${escape(first!)}(?=${tail})`
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}

function unusedCharacter(texts: readonly string[]): string {
  for (let point = privateUse.first; point <= privateUse.last; point++) {
    const character = String.fromCodePoint(point)
    if (!texts.some(text => text.includes(character))) return character
  }
  throw new UserError('The conversation uses every private-use character of Unicode; none is left to mark its text with.')
}
