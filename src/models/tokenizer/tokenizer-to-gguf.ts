import { UserError } from '../../errors.ts'
import type { GgufField } from '../formats/gguf-parser.ts'
import { preTokenizerName } from './pre-tokenizers.ts'
import { TextTokenizer } from './text-tokenizer.ts'
import { tokenType } from './tokenizer-gguf.ts'
import type { TokenizerJson } from './tokenizer-json.ts'
import type { Tokenizer } from './tokenizer.ts'

/**
 * The metadata entries (`tokenizer.*`) by which llama.cpp builds this same tokenizer.
 *
 * `vocabSize`: rows of the embedding matrix; ids without a token get one that no text makes.
 * Throws a UserError for a tokenizer that GGUF has no form for that is supported: other than byte-level BPE,
 * or with a pre-tokenizer that llama.cpp has no name for.
 */
export function ggufTokenizerMetadata(tokenizer: Tokenizer, vocabSize = tokenizer.vocabSize): Map<string, GgufField> {
  if (!(tokenizer instanceof TextTokenizer)) throw new TypeError('Not a tokenizer of this library.')
  const { name, json, config } = tokenizer.source
  const { vocab, merges } = json.model
  if (json.decoder?.type !== 'ByteLevel' || Array.isArray(vocab) || !Array.isArray(merges)) {
    throw new UserError(`${name}: only byte-level BPE tokenizers can be written to a GGUF file. Write safetensors instead.`)
  }
  const pre = preTokenizerName(json.pre_tokenizer, json.model['ignore_merges'] === true)
  if (pre === undefined) {
    throw new UserError(`${name}: llama.cpp has no name for this tokenizer's way to split text. Write safetensors instead.`)
  }
  const { tokens, types } = tokenTable(json, vocab, vocabSize)
  const entries: [string, GgufField | undefined][] = [
    ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }],
    ['tokenizer.ggml.pre', { type: 'string', value: pre }],
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: tokens }],
    ['tokenizer.ggml.token_type', { type: 'array', of: 'int32', value: types }],
    ['tokenizer.ggml.merges', { type: 'array', of: 'string', value: merges.map(mergeText) }],
    ['tokenizer.ggml.bos_token_id', idField(tokenizer.bosTokenId)],
    ['tokenizer.ggml.eos_token_id', idField(tokenizer.eosTokenId)],
    ['tokenizer.ggml.unknown_token_id', idField(idOf(tokens, config.unk_token))],
    ['tokenizer.ggml.padding_token_id', idField(idOf(tokens, config.pad_token))],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: tokenizer.addBos }],
    ['tokenizer.ggml.add_space_prefix', { type: 'bool', value: false }],
    ['tokenizer.chat_template', stringField(tokenizer.template)],
  ]
  return new Map(entries.filter((entry): entry is [string, GgufField] => entry[1] !== undefined))
}

function tokenTable(
  json: TokenizerJson,
  vocab: Readonly<Record<string, number>>,
  size: number,
): { tokens: string[]; types: number[] } {
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`)
  const types = Array.from({ length: size }, (): number => tokenType.unused)
  const set = (id: number, token: string, type: number): void => {
    if (id >= size) throw new UserError(`The tokenizer's token ${id} is beyond the model's ${size} embeddings.`)
    tokens[id] = token
    types[id] = type
  }
  for (const [token, id] of Object.entries(vocab)) set(id, token, tokenType.normal)
  for (const { id, content, special } of json.added_tokens) {
    set(id, content, special ? tokenType.control : tokenType.userDefined)
  }
  return { tokens, types }
}

/** tokenizer.json has a merge as "left right" or, newer, as a pair. */
function mergeText(merge: unknown): string {
  return Array.isArray(merge) ? merge.join(' ') : String(merge)
}

function idOf(tokens: readonly string[], token: string | undefined): number | undefined {
  const id = token === undefined ? -1 : tokens.indexOf(token)
  return id === -1 ? undefined : id
}

function idField(id: number | undefined): GgufField | undefined {
  return id === undefined ? undefined : { type: 'uint32', value: id }
}

function stringField(text: string | undefined): GgufField | undefined {
  return text === undefined ? undefined : { type: 'string', value: text }
}
