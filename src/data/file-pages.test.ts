import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { test } from 'node:test'
import { openFilePages } from './file-pages.ts'
import { readValues, type NamedFile } from './read.ts'

const directory = mkdtempSync(join(tmpdir(), 'file-pages-'))
let files = 0

/** A file that lies, as uploads do, under a name that says nothing of it. */
function write(name: string, content: string | Uint8Array): NamedFile {
  const path = join(directory, `content-${++files}`)
  writeFileSync(path, content)
  return { path, name, extension: extname(name) }
}

const contents: Readonly<Record<string, string>> = {
  'plain.jsonl': '{"a":1}\n{"a":2}\n{"a":3}\n',
  'no-end.jsonl': '{"a":1}\n{"a":2}',
  'windows.jsonl': '{"a":1}\r\n\r\n{"a":2}\r\n',
  'blank.jsonl': '\n  \n{"a":1}\n\t\n\n{"a":"ü 🙂"}\n   ',
  'broken.jsonl': '{"a":1}\n{"a":\n{"a":3}\nnot json',
  'marked.jsonl': '\uFEFF{"a":1}\n{"a":2}\n',
  'long.jsonl': `{"a":"${'x'.repeat(3 << 20)}"}\n{"a":2}\n`,
  'empty.jsonl': '',
  'list.json': '[{"a":1}, {"a":2}, 3]',
  'lines.json': '{"a":1}\n{"a":2}\n',
  'table.csv': 'prompt,completion\na,b\n"c\nd",e\n',
}

for (const [name, content] of Object.entries(contents)) {
  test(`${name}: pages have the rows that reading it has, each with its place`, async () => {
    const file = write(name, content)
    const values = await readValues(file)
    const pages = await openFilePages(file)
    assert.equal(pages.rows, values.length)
    for (const size of [1, 2, 100]) {
      const rows = []
      for (let from = 0; from < pages.rows; from += size) rows.push(...await pages.read(from, size))
      assert.ok(JSON.stringify(rows) === JSON.stringify(values), `pages of ${size} differ`)
    }
    assert.deepEqual(values.map(({ where }) => pages.positionOf(where)), values.map((_, i) => i))
    assert.deepEqual(await pages.read(pages.rows, 10), [])
    for (const where of [`${name}:9999`, 'other.jsonl:1', name, '']) assert.equal(pages.positionOf(where), undefined)
  })
}

test('a row far inside a large file is found without the others', async () => {
  const rows = 200_000
  const file = write('large.jsonl', Array.from({ length: rows }, (_, i) => `{"i":${i}}\n`).join(''))
  const pages = await openFilePages(file)
  assert.equal(pages.rows, rows)
  assert.deepEqual(await pages.read(123_456, 2), [{ where: 'large.jsonl:123457', row: { i: 123_456 } }, { where: 'large.jsonl:123458', row: { i: 123_457 } }])
  assert.equal(pages.positionOf('large.jsonl:200000'), 199_999)
})

test('a line that is not UTF-8 is none, and the others are read', async () => {
  const pages = await openFilePages(write('latin.jsonl', Buffer.from('{"a":1}\n{"a":"caf\xe9"}\n{"a":"\xc3\xa9"}\n', 'latin1')))
  assert.deepEqual(await pages.read(0, 3), [
    { where: 'latin.jsonl:1', row: { a: 1 } },
    { where: 'latin.jsonl:2', problem: 'this line is not UTF-8; save the file as UTF-8' },
    { where: 'latin.jsonl:3', row: { a: 'é' } },
  ])
})
