import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseRows, readRows } from './read.ts'
import type { Located } from './read.ts'
import { sftRowKinds } from './rows.ts'
import type { SftRow } from './rows.ts'

const directory = mkdtempSync(join(tmpdir(), 'rows-'))
let files = 0

function write(content: string | Uint8Array, extension = 'jsonl'): string {
  const path = join(directory, `${++files}.${extension}`)
  writeFileSync(path, content)
  return path
}

function read(content: string | Uint8Array, extension?: string): Promise<Located<SftRow>[]> {
  return readRows(write(content, extension), sftRowKinds)
}

async function refused(content: string | Uint8Array, message: RegExp, extension?: string): Promise<void> {
  await assert.rejects(read(content, extension), { name: 'UserError', exitCode: 2, message })
}

const chat = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}'
const pair = '{"prompt": "a", "completion": "b"}'

test('JSON lines: rows with their places; empty lines, Windows line ends and a byte order mark do no harm', async () => {
  const rows = await read(`\uFEFF${pair}\r\n\r\n${pair}\n  \n${pair}`)
  assert.deepEqual(rows.map(({ where }) => where.replace(/^.*\.jsonl/, '')), [':1', ':3', ':5'])
  assert.deepEqual(rows[0]?.row, { prompt: 'a', completion: 'b' })
})

test('fields beside those of the row are left out', async () => {
  const [located] = await read('{"id": 7, "prompt": "a", "completion": "b"}')
  assert.deepEqual(located?.row, { prompt: 'a', completion: 'b' })
})

test('a JSON array, and JSON lines in a .json file', async () => {
  const rows = await read(`[${chat},\n ${chat}]`, 'json')
  assert.deepEqual(rows.map(({ where }) => where.replace(/^.*\.json/, '')), ['[0]', '[1]'])
  assert.equal((await read(`${chat}\n${chat}`, 'json')).length, 2)
  await refused(`[${chat}`, /not valid JSON/, 'json')
})

test('CSV: a column for each field, quotes, line breaks in fields', async () => {
  const rows = await read('prompt,completion\r\n"a ""quoted"", word","two\nlines"\r\n\r\nc,\n', 'csv')
  assert.deepEqual(rows.map(({ row }) => row), [
    { prompt: 'a "quoted", word', completion: 'two\nlines' },
    { prompt: 'c', completion: '' },
  ])
  assert.deepEqual(rows.map(({ where }) => where.replace(/^.*\.csv/, '')), [':2', ':5'])
  const quoted = chat.replaceAll('"', '""')
  assert.deepEqual((await read(`messages\n"${quoted}"`, 'csv').catch((error: Error) => error.message.replace(/^.*\.csv/, ''))),
    ':2: messages: must be a list of messages')
  const list = JSON.stringify((JSON.parse(chat) as { messages: unknown }).messages).replaceAll('"', '""')
  assert.equal((await read(`messages\n"${list}"`, 'csv')).length, 1)
})

test('CSV that is not well formed names the line', async () => {
  await refused('prompt,completion\n"a,b\n', /:2: a quoted field is not closed/, 'csv')
  await refused('prompt,completion\n"a"x,b\n', /:2: text follows a closing quote/, 'csv')
  await refused('prompt,completion\na,b\na\n', /:3: 1 fields, but the header has 2/, 'csv')
  await refused('prompt,prompt\na,b\n', /:1: two columns are called "prompt"/, 'csv')
})

for (const compression of ['snappy', 'zstd', 'gzip', 'brotli']) {
  test(`Parquet, ${compression}: rows without the fields that are null in them`, async () => {
    const file = join(import.meta.dirname, 'fixtures', `messages-${compression}.parquet`)
    const rows = await readRows(file, sftRowKinds)
    assert.deepEqual(rows.map(({ where }) => where.replace(/^.*\.parquet/, '')), ['[0]', '[1]', '[2]'])
    assert.deepEqual(rows[2]?.row, {
      messages: [{ role: 'user', content: 'What is 2 + 1?' }, { role: 'assistant', content: '3 ✓', weight: 1 }],
    })
  })
}

test('a damaged Parquet file is named', async () => {
  const whole = readFileSync(join(import.meta.dirname, 'fixtures', 'messages-snappy.parquet'))
  await refused(whole.subarray(0, 200), /\.parquet: not a Parquet file/, 'parquet')
  await refused('PAR1', /\.parquet: not a Parquet file/, 'parquet')
})

test('malformed JSON names the line', async () => {
  await refused(`${pair}\n{"prompt": "a", \n`, /:2: not valid JSON/)
  await refused(`${pair}\n[1]`, /:2: a row must be a JSON object/)
})

test('bytes that are not UTF-8 name the line', async () => {
  await refused(Buffer.concat([Buffer.from(`${pair}\n`), Buffer.from([0xff, 0xfe, 10])]), /:2: this line is not UTF-8/)
})

test('empty, missing and foreign files', async () => {
  await refused('', /no rows/)
  await refused('\n\n', /no rows/)
  await refused('prompt,completion\n', /no rows/, 'csv')
  await refused('x', /not from "\.txt"/, 'txt')
  await assert.rejects(readRows(join(directory, 'absent.jsonl'), sftRowKinds), /no such file/)
  await assert.rejects(readRows(directory, sftRowKinds), /is a directory/)
})

test('roles: unknown ones are named, with what was probably meant', async () => {
  const row = (role: string): string => JSON.stringify({ messages: [{ role, content: 'a' }, { role: 'assistant', content: 'b' }] })
  await refused(row('assistnat'), /:1: messages\[0\]\.role: unknown role "assistnat"; did you mean "assistant"\?/)
  await refused(row('human'), /did you mean "user"/)
  await refused(row('narrator-of-it'), /known are system, developer, user, assistant, tool/)
})

test('a conversation must have something to learn', async () => {
  await refused('{"messages": [{"role": "user", "content": "a"}]}', /messages: has no assistant turn/)
  await refused('{"messages": []}', /messages: is empty/)
  await refused('{"prompt": "a", "completion": [{"role": "user", "content": "b"}]}', /completion: has no assistant turn/)
  await refused('{"messages": [{"role": "assistant", "content": "a", "weight": 0}]}', /no assistant turn with weight 1/)
})

test('what would change the rendering silently is refused', async () => {
  await refused(chat.replace('{', '{"tools": [], '), /tools: is not supported/)
  await refused(chat.replace('"content": "b"', '"content": "b", "tool_calls": []'), /messages\[1\]: .*tool_calls/)
  await refused(chat.replace('"content": "b"', '"content": null'), /messages\[1\]\.content: must be a string/)
})

test("OpenAI's list of text parts is one text", async () => {
  const [located] = await read(chat.replace('"content": "a"', '"content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]'))
  assert.deepEqual(located?.row, { messages: [{ role: 'user', content: 'xy' }, { role: 'assistant', content: 'b' }] })
  await refused(chat.replace('"content": "a"', '"content": [{"type": "image_url", "image_url": {}}]'), /content\[0\]\.type: only text can be read/)
})

test('fields that are missing or misspelt', async () => {
  await refused('{"promt": "a", "completion": "b"}', /is "promt" meant to be "prompt"\?/)
  await refused('{}', /the row has no fields.*a row looks like \{"messages"/)
})

test('rows of two kinds in one file name both places', async () => {
  await refused(`${pair}\n${pair}\n${chat}`, /:3: this row is messages, but .*:1 is prompt\/completion; use a file for each/)
})

test('parsing goes on past what is wrong', async () => {
  const file = await parseRows(write(`${pair}\n{\n${pair}\n${chat}`), sftRowKinds)
  assert.equal(file.kind?.name, 'prompt/completion')
  assert.deepEqual(file.entries.map(entry => 'row' in entry), [true, false, true, false])
})
