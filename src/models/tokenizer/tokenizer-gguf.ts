import { UserError } from '../../errors.ts'
import type { GgufValue } from '../formats/gguf-parser.ts'
import { preTokenizerJson, preTokenizers } from './pre-tokenizers.ts'
import type { NamedPreTokenizer } from './pre-tokenizers.ts'
import { TextTokenizer } from './text-tokenizer.ts'
import { tokenizerConfigSchema, tokenizerJsonSchema } from './tokenizer-json.ts'
import type { Component } from './tokenizer-json.ts'
import type { Tokenizer } from './tokenizer.ts'

/** `tokenizer.ggml.token_type`, llama.cpp's llama_token_type. */
export const tokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

/**
 * The tokenizer that a GGUF file describes: byte-level BPE (`tokenizer.ggml.model` is `gpt2`) or SentencePiece's BPE
 * (`llama`). Token ids are those of llama.cpp.
 * Throws a UserError that names the key that is missing, malformed or unknown.
 */
export function tokenizerFromGguf(metadata: ReadonlyMap<string, GgufValue>): Tokenizer {
  const read = new MetadataReader(metadata)
  const tokens = read.strings('tokenizer.ggml.tokens')
  const types = read.numbers('tokenizer.ggml.token_type', tokens.length)
  const { addBos, ...parts } = tokenizerParts(read, tokens)
  const json = tokenizerJsonSchema.parse({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(tokens, types),
    post_processor: null,
    ...parts,
  })
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...read.specialTokens(tokens),
    add_bos_token: read.optionalBoolean('tokenizer.ggml.add_bos_token') ?? addBos,
    clean_up_tokenization_spaces: false,
    chat_template: read.optionalString('tokenizer.chat_template'),
  }
  return new TextTokenizer({
    name: 'the GGUF file',
    json,
    config: tokenizerConfigSchema.parse(config),
    template: undefined,
    files: [
      { name: 'tokenizer.json', content: JSON.stringify(json) },
      { name: 'tokenizer_config.json', content: JSON.stringify(config, null, 2) + '\n' },
    ],
  })
}

/** The parts of tokenizer.json that differ between the kinds of tokenizer. */
interface TokenizerParts {
  readonly normalizer: Component | null
  readonly pre_tokenizer: Component | null
  readonly decoder: Component
  readonly model: object
  /** What llama.cpp does where the file does not say. */
  readonly addBos: boolean
}

function tokenizerParts(read: MetadataReader, tokens: readonly string[]): TokenizerParts {
  const kind = read.string('tokenizer.ggml.model')
  if (kind === 'gpt2') return byteLevelParts(read, tokens)
  if (kind === 'llama') return sentencePieceParts(read, tokens)
  throw new UserError(
    `The GGUF file's tokenizer is of kind "${kind}" (tokenizer.ggml.model); "gpt2" and "llama" can be read. ` +
      'Use the Hugging Face directory of this model.',
  )
}

function byteLevelParts(read: MetadataReader, tokens: readonly string[]): TokenizerParts {
  const pre = preTokenizer(read.optionalString('tokenizer.ggml.pre') ?? 'missing')
  return {
    normalizer: null,
    pre_tokenizer: preTokenizerJson(pre),
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      ...bpeSettings,
      ignore_merges: pre.ignoreMerges ?? false,
      vocab: vocabulary(tokens),
      merges: read.strings('tokenizer.ggml.merges').map(splitMerge),
    },
    addBos: pre.addBos ?? false,
  }
}

function sentencePieceParts(read: MetadataReader, tokens: readonly string[]): TokenizerParts {
  const prefix = read.optionalBoolean('tokenizer.ggml.add_space_prefix') ?? true
  const vocab = vocabulary(tokens)
  return {
    normalizer: {
      type: 'Sequence',
      normalizers: [
        ...(prefix ? [{ type: 'Prepend', prepend: '▁' }] : []),
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(prefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      ...bpeSettings,
      unk_token: read.specialTokens(tokens)['unk_token'] ?? null,
      fuse_unk: true,
      byte_fallback: true,
      vocab,
      merges: mergesByScore(tokens, read.numbers('tokenizer.ggml.scores', tokens.length), vocab),
    },
    addBos: true,
  }
}

const bpeSettings = {
  type: 'BPE',
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
}

/** SentencePiece joins the two neighbours whose union scores highest: every pair with a union, the best first. */
function mergesByScore(
  tokens: readonly string[],
  scores: readonly number[],
  vocab: Readonly<Record<string, number>>,
): [string, string][] {
  const known = new Set(Object.keys(vocab))
  return tokens
    .map((token, id) => ({ token, score: scores[id]! }))
    .toSorted((a, b) => b.score - a.score)
    .flatMap(({ token }) => {
      const characters = Array.from(token)
      return characters.slice(1).flatMap((_, i): [string, string][] => {
        const left = characters.slice(0, i + 1).join('')
        const right = token.slice(left.length)
        return known.has(left) && known.has(right) ? [[left, right]] : []
      })
    })
}

function preTokenizer(name: string): NamedPreTokenizer {
  const known = preTokenizers.get(name)
  if (known !== undefined) return known
  throw new UserError(
    `The GGUF file's pre-tokenizer "${name}" (tokenizer.ggml.pre) is not known; known are ` +
      `${[...preTokenizers.keys()].join(', ')}. Use the Hugging Face directory of this model.`,
  )
}

/** Control tokens are special; what users defined is matched in any text; both are matched before the merges. */
function addedTokens(tokens: readonly string[], types: readonly number[]): object[] {
  return tokens.flatMap((content, id) => {
    const special = types[id] === tokenType.control || types[id] === tokenType.unknown
    if (!special && types[id] !== tokenType.userDefined) return []
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }]
  })
}

function vocabulary(tokens: readonly string[]): Record<string, number> {
  const ids = new Map<string, number>()
  tokens.forEach((token, id) => {
    const other = ids.get(token)
    if (other !== undefined) {
      throw new UserError(`The GGUF file's tokens ${other} and ${id} are the same (tokenizer.ggml.tokens): "${token}".`)
    }
    ids.set(token, id)
  })
  return Object.fromEntries(ids)
}

/** Byte-level tokens hold no space, so the first one parts the pair. */
function splitMerge(merge: string): [string, string] {
  const space = merge.indexOf(' ', 1)
  if (space === -1) throw new UserError(`The GGUF file has a malformed merge (tokenizer.ggml.merges): "${merge}".`)
  return [merge.slice(0, space), merge.slice(space + 1)]
}

/** Typed access to metadata, with errors that name the key. */
class MetadataReader {
  readonly #metadata: ReadonlyMap<string, GgufValue>

  constructor(metadata: ReadonlyMap<string, GgufValue>) {
    this.#metadata = metadata
  }

  string(key: string): string {
    return this.optionalString(key) ?? this.#missing(key)
  }

  optionalString(key: string): string | undefined {
    return this.#optional(key, 'string', value => typeof value === 'string')
  }

  optionalBoolean(key: string): boolean | undefined {
    return this.#optional(key, 'boolean', value => typeof value === 'boolean')
  }

  strings(key: string): readonly string[] {
    const isStrings = (value: GgufValue): value is readonly string[] =>
      Array.isArray(value) && value.every(entry => typeof entry === 'string')
    return this.#optional(key, 'list of strings', isStrings) ?? this.#missing(key)
  }

  numbers(key: string, length: number): readonly number[] {
    const isNumbers = (value: GgufValue): value is readonly number[] =>
      Array.isArray(value) && value.length === length && value.every(entry => typeof entry === 'number')
    return this.#optional(key, `list of ${length} numbers`, isNumbers) ?? this.#missing(key)
  }

  /** bos_token, eos_token, unk_token and pad_token of tokenizer_config.json. */
  specialTokens(tokens: readonly string[]): Record<string, string> {
    const keys = { bos_token: 'bos', eos_token: 'eos', unk_token: 'unknown', pad_token: 'padding' }
    return Object.fromEntries(
      Object.entries(keys).flatMap(([name, key]) => {
        const id = this.#metadata.get(`tokenizer.ggml.${key}_token_id`)
        if (id === undefined) return []
        const token = tokens[Number(id)]
        if (token !== undefined) return [[name, token]]
        throw new UserError(
          `The GGUF file's tokenizer.ggml.${key}_token_id is ${String(id)}, but it has ${tokens.length} tokens.`,
        )
      }),
    )
  }

  #optional<T extends GgufValue>(
    key: string,
    expected: string,
    accepts: (value: GgufValue) => value is T,
  ): T | undefined {
    const value = this.#metadata.get(key)
    if (value === undefined || accepts(value)) return value
    throw new UserError(`The GGUF file's ${key} is not a ${expected}.`)
  }

  #missing(key: string): never {
    throw new UserError(`The GGUF file has no ${key}: its tokenizer is incomplete.`)
  }
}
