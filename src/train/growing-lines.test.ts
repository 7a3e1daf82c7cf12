import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { GrowingLines } from './growing-lines.ts'

const root = mkdtempSync(join(tmpdir(), 'posttrain-growing-'))
after(() => { rmSync(root, { recursive: true }) })

/** A log, what its reader has been given, and from which places of the file. */
function follow(name: string) {
  const path = join(root, name)
  const given = { lines: [] as string[], places: [] as number[], cleared: 0 }
  const reader = new GrowingLines(path, {
    line(bytes, at) {
      given.lines.push(bytes.toString())
      given.places.push(at)
    },
    clear() {
      given.lines = []
      given.places = []
      given.cleared += 1
    },
  })
  return { path, given, refresh: () => reader.refresh() }
}

test('each line is read once, where it begins; a line without its end waits for it', async () => {
  const { path, given, refresh } = follow('grows')
  await refresh()
  assert.deepEqual(given.lines, [])
  writeFileSync(path, 'one\ntwö\nthr')
  await refresh()
  assert.deepEqual([given.lines, given.places], [['one', 'twö'], [0, 4]])
  appendFileSync(path, 'ee\n\nfive\n')
  await refresh()
  await refresh()
  assert.deepEqual([given.lines, given.places, given.cleared], [['one', 'twö', 'three', '', 'five'], [0, 4, 9, 15, 16], 0])
})

test('a log that was cut back is read anew, also where it has grown again beyond its old size', async () => {
  const { path, given, refresh } = follow('cut')
  writeFileSync(path, 'one\ntwo\nthree\n')
  await refresh()
  truncateSync(path, 8)
  await refresh()
  assert.deepEqual([given.lines, given.cleared], [['one', 'two'], 1])
  appendFileSync(path, 'three again\n')
  await refresh()
  assert.deepEqual([given.lines, given.cleared], [['one', 'two', 'three again'], 1])
  truncateSync(path, 4)
  appendFileSync(path, 'another two\nand more\nthan before\n')
  await refresh()
  assert.deepEqual([given.lines, given.cleared], [['one', 'another two', 'and more', 'than before'], 2])
})

test('a torn last line that a resumed run cuts off is never given', async () => {
  const { path, given, refresh } = follow('torn')
  writeFileSync(path, 'one\n{"st')
  await refresh()
  truncateSync(path, 4)
  appendFileSync(path, 'two\n')
  await refresh()
  assert.deepEqual([given.lines, given.cleared], [['one', 'two'], 0])
})

test('a log that is replaced or removed has other lines, or none', async () => {
  const { path, given, refresh } = follow('replaced')
  writeFileSync(path, 'one\ntwo\n')
  await refresh()
  rmSync(path)
  writeFileSync(path, 'uno\ndue\ntre\n')
  await refresh()
  assert.deepEqual(given.lines, ['uno', 'due', 'tre'])
  rmSync(path)
  await refresh()
  assert.deepEqual([given.lines, given.cleared], [[], 2])
})

test('lines longer than what is read at once come whole; calls at the same time share one reading', async () => {
  const { path, given, refresh } = follow('long')
  const lines = Array.from({ length: 40 }, (_, i) => `${i} ${'x'.repeat(i === 7 ? 700_000 : 20_000)}`)
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''))
  await Promise.all([refresh(), refresh(), refresh()])
  assert.equal(given.lines.length, 40)
  assert.ok(given.lines.every((line, i) => line === lines[i]))
})

test('others have their turn while a long log is read', async () => {
  const { path, given, refresh } = follow('turns')
  writeFileSync(path, `${'x'.repeat(99)}\n`.repeat(50_000))
  let turns = 0
  const beside = setInterval(() => { turns += 1 }, 0)
  await refresh()
  clearInterval(beside)
  assert.equal(given.lines.length, 50_000)
  assert.ok(turns > 0)
})

test('a link to another file is not followed, and a folder is no log', async () => {
  const { path, given, refresh } = follow('link')
  writeFileSync(join(root, 'secret'), 'secret\n')
  symlinkSync(join(root, 'secret'), path)
  await refresh()
  assert.deepEqual(given.lines, [])
  const folder = follow('.')
  await folder.refresh()
  assert.deepEqual(folder.given.lines, [])
})
