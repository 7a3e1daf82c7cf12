import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { GgufValue } from '../formats/gguf-parser.ts'
import { tokenType, tokenizerFromGguf } from './tokenizer-gguf.ts'
import { ggufTokenizerMetadata } from './tokenizer-to-gguf.ts'
import { tokenizerFromDirectory } from './tokenizer-directory.ts'

const fixtures = join(import.meta.dirname, '../fixtures', 'tokenizers')
const texts = ["It's 2024, I'LL pay 12345.67!", '  two  \n\n\ttabs \r\n', '½ x² ٣٤ 日本 🎉', '<think> <|im_end|> <|eot_id|>']

async function metadataOf(name: string, vocabSize?: number): Promise<Map<string, GgufValue>> {
  const fields = ggufTokenizerMetadata(await tokenizerFromDirectory(join(fixtures, name)), vocabSize)
  return new Map([...fields].map(([key, field]) => [key, field.value]))
}

for (const [name, pre] of [['smollm', 'smollm'], ['llama3', 'llama-bpe'], ['qwen2', 'qwen2']] as const) {
  test(`${name}: written to a GGUF and read from it, the tokenizer is the same`, async () => {
    const original = await tokenizerFromDirectory(join(fixtures, name))
    const metadata = await metadataOf(name)
    assert.equal(metadata.get('tokenizer.ggml.pre'), pre)
    const again = tokenizerFromGguf(metadata)
    const chat = [{ role: 'user', content: 'Hi <|im_end|> 12' }]
    for (const control of [false, true]) {
      for (const text of texts) assert.deepEqual(again.encode(text, { control }), original.encode(text, { control }), text)
    }
    assert.deepEqual(again.encodeChat(chat, { generationPrompt: true }), original.encodeChat(chat, { generationPrompt: true }))
    for (const key of ['vocabSize', 'bosTokenId', 'eosTokenId', 'addBos', 'hasTemplate'] as const) {
      assert.equal(again[key], original[key], key)
    }
  })

  test(`${name}: the Hugging Face files of a GGUF's tokenizer give it again`, async () => {
    const tokenizer = tokenizerFromGguf(await metadataOf(name))
    const directory = mkdtempSync(join(tmpdir(), 'tokenizer-'))
    for (const file of tokenizer.tokenizerFiles()) writeFileSync(join(directory, file.name), file.content)
    const again = await tokenizerFromDirectory(directory)
    for (const text of texts) assert.deepEqual(again.encode(text), tokenizer.encode(text))
    assert.equal(again.hasTemplate, true)
    assert.deepEqual([again.bosTokenId, again.eosTokenId, again.addBos], [tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.addBos])
  })
}

test("SentencePiece's scores give the same tokens as the merges that they stand for", async () => {
  const directory = join(fixtures, 'mistral')
  const original = await tokenizerFromDirectory(directory)
  const { model } = JSON.parse(readFileSync(join(directory, 'tokenizer.json'), 'utf8')) as {
    model: { vocab: Record<string, number>; merges: [string, string][] }
  }
  const tokens = Object.keys(model.vocab).toSorted((a, b) => model.vocab[a]! - model.vocab[b]!)
  const ranks = new Map(model.merges.map(([left, right], rank) => [left + right, rank]))
  const again = tokenizerFromGguf(new Map<string, GgufValue>([
    ['tokenizer.ggml.model', 'llama'],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.scores', tokens.map(token => -(ranks.get(token) ?? model.merges.length))],
    ['tokenizer.ggml.token_type', tokens.map((_, id) => sentencePieceType(id))],
    ['tokenizer.ggml.unknown_token_id', 0],
    ['tokenizer.ggml.bos_token_id', 1],
    ['tokenizer.ggml.eos_token_id', 2],
  ]))
  for (const text of texts) {
    // llama.cpp puts a space before every text, transformers' newer form only where there is none.
    if (!text.startsWith(' ')) assert.deepEqual(again.encode(text), original.encode(text), text)
    assert.equal(again.decode(again.encode(text)), text)
  }
  assert.deepEqual([again.addBos, again.bosTokenId, again.eosTokenId], [true, 1, 2])
})

/** The fixture's ids: the unknown token, four control tokens, 256 bytes, the rest. */
function sentencePieceType(id: number): number {
  if (id === 0) return tokenType.unknown
  if (id < 5) return tokenType.control
  return id < 261 ? tokenType.byte : tokenType.normal
}

test('ids beyond the tokenizer get tokens that no text makes', async () => {
  const { vocabSize } = await tokenizerFromDirectory(join(fixtures, 'smollm'))
  const metadata = await metadataOf('smollm', vocabSize + 2)
  const types = metadata.get('tokenizer.ggml.token_type') as number[]
  assert.deepEqual(types.slice(-3), [tokenType.normal, tokenType.unused, tokenType.unused])
  await assert.rejects(metadataOf('smollm', vocabSize - 1), /beyond the model's/)
})

test('each thing that is missing, malformed or unknown is named', async () => {
  const metadata = await metadataOf('smollm')
  const refused = (key: string, value: GgufValue | undefined, message: RegExp): void => {
    const changed = new Map(metadata)
    if (value === undefined) changed.delete(key)
    else changed.set(key, value)
    assert.throws(() => tokenizerFromGguf(changed), { name: 'UserError', message })
  }
  refused('tokenizer.ggml.pre', 'klingon', /"klingon" \(tokenizer\.ggml\.pre\) is not known/)
  refused('tokenizer.ggml.pre', undefined, /"missing"/)
  refused('tokenizer.ggml.model', 'bert', /kind "bert"/)
  refused('tokenizer.ggml.model', 'llama', /no tokenizer\.ggml\.scores/)
  refused('tokenizer.ggml.tokens', undefined, /no tokenizer\.ggml\.tokens/)
  refused('tokenizer.ggml.token_type', [1], /token_type is not a list of 700 numbers/)
  refused('tokenizer.ggml.merges', ['ab'], /malformed merge.*"ab"/)
  refused('tokenizer.ggml.eos_token_id', 9999, /eos_token_id is 9999/)
  const tokens = [...(metadata.get('tokenizer.ggml.tokens') as string[])]
  tokens[5] = tokens[6]!
  refused('tokenizer.ggml.tokens', tokens, /tokens 5 and 6 are the same/)
})

test('a tokenizer that llama.cpp would read differently is not written', async () => {
  await assert.rejects(metadataOf('mistral'), /only byte-level BPE/)
})
