import { UserError } from '../../errors.ts'
import type { Component, TokenizerJson } from './tokenizer-json.ts'

/** What each token adds to a text. */
export interface TokenBytes {
  /** By id. UTF-8, possibly a part of a character; undefined for control tokens and unused ids. */
  readonly tokens: readonly (Uint8Array | undefined)[]
  /** Whether a space at the beginning of a text is not printed, as SentencePiece has it. */
  readonly dropsFirstSpace: boolean
}

/** The bytes that stand behind the characters of byte-level BPE (GPT-2's table). */
const byteLevelCharacters = byteLevelTable()

/**
 * Every token's bytes, as the tokenizer's decoder would print them.
 * @param name of the model, for messages
 * @throws UserError where the decoder is of a kind whose tokens have no bytes of their own
 */
export function tokenBytes(json: TokenizerJson, name: string): TokenBytes {
  const decoder = decoderParts(json.decoder)
  const kinds = decoder.map(({ type }) => type)
  const bytesOf = kinds.includes('ByteLevel') ? byteLevelBytes : kinds.includes('ByteFallback') || kinds.includes('Metaspace') ? pieceBytes : undefined
  if (bytesOf === undefined) {
    throw new UserError(
      `${name}: its tokenizer decodes by ${kinds.join(', ') || 'nothing'}, and a token's text depends on its neighbours: ` +
      'a format cannot be enforced with it. Ask for JSON in the prompt, without a format',
      { exitCode: 2 },
    )
  }
  const tokens: (Uint8Array | undefined)[] = []
  for (const [token, id] of vocabulary(json)) tokens[id] = bytesOf(token)
  for (const { id, content, special } of json.added_tokens) tokens[id] = special ? undefined : Buffer.from(content)
  return { tokens, dropsFirstSpace: decoder.some((part) => dropsFirstSpace(part)) }
}

function vocabulary({ model: { vocab } }: TokenizerJson): Iterable<readonly [string, number]> {
  return Array.isArray(vocab) ? vocab.map(([token], id) => [token, id] as const) : Object.entries(vocab)
}

function decoderParts(decoder: Component | null): readonly Component[] {
  if (decoder === null) return []
  const parts = decoder['decoders']
  return decoder.type === 'Sequence' && Array.isArray(parts) ? parts.flatMap((part: Component) => decoderParts(part)) : [decoder]
}

function dropsFirstSpace(part: Component): boolean {
  if (part.type === 'Strip') return part['content'] === ' ' && Number(part['start']) > 0
  return part.type === 'Metaspace' && part['prepend_scheme'] !== 'never'
}

function byteLevelBytes(token: string): Uint8Array | undefined {
  const bytes = Array.from(token, (character) => byteLevelCharacters.get(character))
  return bytes.includes(undefined) ? undefined : Uint8Array.from(bytes as number[])
}

/** SentencePiece: `▁` is a space, `<0x0A>` a byte. */
function pieceBytes(token: string): Uint8Array {
  const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)
  return byte === null ? Buffer.from(token.replaceAll('▁', ' ')) : Uint8Array.of(parseInt(byte[1]!, 16))
}

/** Printable bytes stand for themselves, the others for the characters from U+0100 on. */
function byteLevelTable(): Map<string, number> {
  const table = new Map<string, number>()
  let next = 0x100
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
    table.set(String.fromCharCode(printable ? byte : next++), byte)
  }
  return table
}
