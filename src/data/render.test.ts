import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { tokenizerFromDirectory } from '../models/tokenizer/tokenizer-directory.ts'
import type { Tokenizer } from '../models/tokenizer/tokenizer.ts'
import { renderRow, truncateRow } from './render.ts'
import type { RenderedRow } from './render.ts'
import { renderSft, renderTrees } from './tree.ts'
import type { SftRow } from './rows.ts'

const fixtures = join(import.meta.dirname, '..', 'models', 'fixtures', 'tokenizers')
const names = ['smollm', 'llama3', 'qwen2', 'mistral'] as const
const smollm = await tokenizerFromDirectory(join(fixtures, 'smollm'))

/** Rows as a plain Python loop over transformers tokenizes and masks them (bench/parity/make_tokenizers.py). */
interface Reference {
  rows: { row: SftRow; template: 'auto' | 'none'; ids: number[]; mask: number[] }[]
}

/** The text that carries loss, stretches parted by `|`, control tokens written out. */
function lossText({ ids, mask }: RenderedRow, tokenizer: Tokenizer = smollm): string {
  let text = ''
  ids.forEach((id, i) => {
    if (mask[i] === 1) text += (mask[i - 1] === 1 || text === '' ? '' : '|') + tokenizer.decode([id], { control: true })
  })
  return text
}

const chat: SftRow = {
  messages: [
    { role: 'user', content: 'one' },
    { role: 'assistant', content: 'two' },
    { role: 'user', content: 'three' },
    { role: 'assistant', content: 'four' },
  ],
}

for (const name of names) {
  test(`${name}: ids and masks of rows are those of transformers`, async () => {
    const tokenizer = await tokenizerFromDirectory(join(fixtures, name))
    const { rows } = JSON.parse(readFileSync(join(fixtures, name, 'reference.json'), 'utf8')) as Reference
    assert.ok(rows.length >= 3)
    for (const { row, template, ids, mask } of rows) {
      const rendered = renderRow(row, tokenizer, { template })
      assert.deepEqual([...rendered.ids], ids)
      assert.deepEqual([...rendered.mask.subarray(1)], mask)
    }
  })
}

test('messages: each assistant turn carries loss through its end-of-turn token', () => {
  assert.equal(lossText(renderRow(chat, smollm)), 'two<|im_end|>|four<|im_end|>')
})

test('messages: a turn of weight 0 carries none', () => {
  const messages = chat.messages.map((message, i) => (i === 1 ? { ...message, weight: 0 as const } : message))
  assert.equal(lossText(renderRow({ messages }, smollm)), 'four<|im_end|>')
})

test('prompt and completion: everything after the prompt carries loss, the line break after the end token too', () => {
  const row = { prompt: 'one', completion: 'two' }
  assert.equal(lossText(renderRow(row, smollm)), 'two<|im_end|>\n')
  assert.deepEqual(
    renderRow({ prompt: [{ role: 'user', content: 'one' }], completion: [{ role: 'assistant', content: 'two' }] }, smollm),
    renderRow(row, smollm),
  )
})

test('template none: raw text, the end token appended', () => {
  const row = { prompt: 'one', completion: ' two' }
  const rendered = renderRow(row, smollm, { template: 'none' })
  assert.equal(smollm.decode([...rendered.ids], { control: true }), 'one two<|im_end|>')
  assert.equal(lossText(rendered), ' two<|im_end|>')
})

test('template none: the beginning-of-sequence token comes once, and is never a target', async () => {
  const llama3 = await tokenizerFromDirectory(join(fixtures, 'llama3'))
  const { ids, mask } = renderRow({ prompt: '', completion: '<|begin_of_text|>x' }, llama3, { template: 'none' })
  assert.deepEqual([...ids].flatMap((id, i) => (id === llama3.bosTokenId ? [i] : [])), [0])
  assert.deepEqual([mask[0], mask[1]], [0, 1])
})

test('template none takes plain strings only', () => {
  assert.throws(() => renderRow(chat, smollm, { template: 'none' }), /needs a chat template/)
  const row = { prompt: [{ role: 'user' as const, content: 'a' }], completion: 'b' }
  assert.throws(() => renderRow(row, smollm, { template: 'none' }), /plain strings/)
})

test("a user's end-of-turn token ends nothing", () => {
  const rendered = renderRow({ prompt: 'a<|im_end|>', completion: 'b<|im_end|>c' }, smollm)
  assert.equal(lossText(rendered), 'b<|im_end|>c<|im_end|>\n')
  assert.equal([...rendered.ids].filter(id => id === smollm.eosTokenId).length, 2)
})

test('a prompt whose tokens are not the first of the row is refused', () => {
  const split = { prompt: 'say th', completion: 'e' }
  assert.throws(() => renderRow(split, smollm, { template: 'none' }), /a token spans the end of the prompt/)
  const shifting = smollm.withTemplate('{{ messages | length }}: {% for m in messages %}{{ m.content }}{% endfor %}<|im_end|>')
  assert.throws(() => renderRow({ prompt: 'a', completion: 'b' }, shifting), /renders the prompt differently/)
})

test('a template that renders earlier turns differently is refused, with the turn', () => {
  const forgetful = smollm.withTemplate(
    "{% for m in messages %}{{ '<|im_start|>' + m.role + (m.content if loop.last or m.role == 'user' else '…') + '<|im_end|>' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant' }}{% endif %}",
  )
  assert.throws(() => renderRow({ messages: [...chat.messages, { role: 'assistant', content: 'x' }] }, smollm.withTemplate(
    '{{ messages | length }}' + chatml)), /messages\[1\]: the chat template renders the turns before/)
  assert.equal(lossText(renderRow({ messages: chat.messages.slice(0, 2) }, forgetful)), 'two<|im_end|>')
})

test('a template that does not end the turn is refused, also where a later turn has an end token', () => {
  const endless = smollm.withTemplate(chatml.replaceAll("+ '<|im_end|>'", ''))
  assert.throws(() => renderRow({ messages: chat.messages.slice(0, 2) }, endless), /messages\[1\].*never learn to stop/)
  const lastOnly = smollm.withTemplate(chatml.replaceAll("+ '<|im_end|>'", "+ ('<|im_end|>' if loop.last or message['role'] == 'user' else '')"))
  assert.throws(() => renderRow(chat, lastOnly), /messages\[1\].*never learn to stop/)
})

test('further end tokens end a turn too', () => {
  const other = smollm.withTemplate(chatml.replaceAll('<|im_end|>', '<|endoftext|>'))
  assert.throws(() => renderRow(chat, other), /end tokens \(<\|im_end\|>\)/)
  assert.equal(lossText(renderRow(chat, other, { endTokenIds: [0] })), 'two<|endoftext|>|four<|endoftext|>')
})

test('rows are cut to max_length from the end; rows that lose all their loss are left out and reported', () => {
  const short: SftRow = { prompt: 'hi', completion: 'yes' }
  const long: SftRow = { prompt: 'hi', completion: 'yes '.repeat(200) }
  const lost: SftRow = { prompt: 'hi '.repeat(200), completion: 'yes' }
  const rows = [short, long, lost].map((row, i) => ({ where: `rows.jsonl:${i + 1}`, row }))
  const result = renderTrees(rows, renderSft, smollm, { maxLength: 64 })
  assert.deepEqual(result.sources.map(({ where }) => where), ['rows.jsonl:1', 'rows.jsonl:2'])
  assert.deepEqual(result.truncated, ['rows.jsonl:2', 'rows.jsonl:3'])
  assert.deepEqual(result.dropped, ['rows.jsonl:3'])
  assert.deepEqual(result.trees[1]?.branches[0]?.ids, renderRow(long, smollm).ids.slice(0, 64))
  assert.throws(() => renderTrees(rows.slice(2), renderSft, smollm, { maxLength: 64 }), /max_length 64 cuts .* every row \(1 in all, .*rows\.jsonl:3/)
  const whole = renderRow(short, smollm)
  assert.equal(truncateRow(whole, whole.ids.length), whole)
})

test('what cannot be rendered is reported with its place', () => {
  const rows = [{ where: 'rows.jsonl:9', row: { prompt: 'say th', completion: 'e' } }]
  assert.throws(() => renderTrees(rows, renderSft, smollm, { template: 'none', maxLength: 64 }), { message: /^rows\.jsonl:9: /, exitCode: 2 })
})

test('a model whose end token also pads learns to end', () => {
  const { ids, mask } = renderRow(chat, smollm)
  const ends = [...ids].flatMap((id, i) => (id === smollm.eosTokenId ? [mask[i]] : []))
  assert.deepEqual(ends, [0, 1, 0, 1])
})

const chatml =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
