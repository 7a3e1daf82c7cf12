import { UserError } from '../errors.ts'
import type { GgufValue } from './gguf-parser.ts'
import { preTokenizerJson, preTokenizers } from './pre-tokenizers.ts'
import type { NamedPreTokenizer } from './pre-tokenizers.ts'
import { TextTokenizer } from './text-tokenizer.ts'
import { tokenizerConfigSchema, tokenizerJsonSchema } from './tokenizer-json.ts'
import type { Tokenizer } from './tokenizer.ts'

/** `tokenizer.ggml.token_type`, llama.cpp's llama_token_type. */
export const tokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

/**
 * The tokenizer that a GGUF file describes: byte-level BPE (`tokenizer.ggml.model` is `gpt2`).
 * Token ids are those of llama.cpp. Throws a UserError that names the key that is missing, malformed or unknown.
 */
export function tokenizerFromGguf(metadata: ReadonlyMap<string, GgufValue>): Tokenizer {
  const read = new MetadataReader(metadata)
  const kind = read.string('tokenizer.ggml.model')
  if (kind !== 'gpt2') {
    throw new UserError(
      `The GGUF file's tokenizer is of kind "${kind}" (tokenizer.ggml.model); only "gpt2" (byte-level BPE) can be ` +
        'read from a GGUF. Use the Hugging Face directory of this model.',
    )
  }
  const pre = preTokenizer(read.optionalString('tokenizer.ggml.pre') ?? 'missing')
  const tokens = read.strings('tokenizer.ggml.tokens')
  const types = read.numbers('tokenizer.ggml.token_type', tokens.length)
  const json = tokenizerJsonSchema.parse({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(tokens, types),
    normalizer: null,
    pre_tokenizer: preTokenizerJson(pre),
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: pre.ignoreMerges ?? false,
      vocab: vocabulary(tokens),
      merges: read.strings('tokenizer.ggml.merges').map(splitMerge),
    },
  })
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...read.specialTokens(tokens),
    add_bos_token: read.optionalBoolean('tokenizer.ggml.add_bos_token') ?? pre.addBos ?? false,
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
