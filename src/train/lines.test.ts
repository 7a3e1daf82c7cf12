import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { cutLines, openLineLog, readLines } from './lines.ts'

const root = await mkdtemp(join(tmpdir(), 'posttrain-lines-'))
after(() => rm(root, { recursive: true, force: true }))

test('records are appended one to a line and read back', () => {
  const path = join(root, 'append.jsonl')
  for (const step of [1, 2]) {
    const log = openLineLog(path)
    log.append({ step, text: 'a\nb' } as { step: number })
    log.close()
  }
  assert.deepEqual(readLines(path), [{ step: 1, text: 'a\nb' }, { step: 2, text: 'a\nb' }])
  assert.deepEqual(readLines(join(root, 'absent.jsonl')), [])
})

test('a torn last line is passed over; a damaged one before it is named', async () => {
  const path = join(root, 'torn.jsonl')
  await writeFile(path, '{"step":1}\n{"step":2}\n{"st')
  assert.deepEqual(readLines(path), [{ step: 1 }, { step: 2 }])
  for (const bad of ['{"st', '[1]', 'null', '{"step":"2"}', '']) {
    await writeFile(path, `{"step":1}\n${bad}\n{"step":3}\n`)
    assert.throws(() => readLines(path), { name: 'UserError', message: /torn\.jsonl:2 is not/ })
  }
})

test('a log is cut back to a step; what stays keeps its bytes', async () => {
  const path = join(root, 'cut.jsonl')
  await writeFile(path, '{"step":1,  "loss":0.10}\n{"step":2}\n{"step":2,"again":"é"}\n{"step":3}\n{"step":4,"lo')
  await cutLines(path, 2)
  const kept = '{"step":1,  "loss":0.10}\n{"step":2}\n{"step":2,"again":"é"}\n'
  assert.equal(await readFile(path, 'utf8'), kept)
  const { ino } = await stat(path)
  await cutLines(path, 7)
  assert.equal((await stat(path)).ino, ino, 'nothing to cut, nothing written')
  await cutLines(join(root, 'absent.jsonl'), 2)
  await assert.rejects(stat(join(root, 'absent.jsonl')), { code: 'ENOENT' })
})

test('a damaged line in between goes too', async () => {
  const path = join(root, 'between.jsonl')
  await writeFile(path, '{"step":1,"text":"ä"}\n{"st\n{"step":2}\n{"step":3}\n')
  await cutLines(path, 2)
  assert.equal(await readFile(path, 'utf8'), '{"step":1,"text":"ä"}\n{"step":2}\n')
})

test('a line that the disk has no room for leaves nothing of itself', async () => {
  const path = join(root, 'full.jsonl')
  const script = `
    const { openLineLog } = await import(${JSON.stringify(new URL('./lines.ts', import.meta.url).href)})
    const log = openLineLog(${JSON.stringify(path)})
    log.append({ step: 1 })
    try { log.append({ step: 2, text: 'x'.repeat(1 << 16) }) } catch (error) { process.stdout.write(error.name + ': ' + error.message) }
    log.append({ step: 3 })`
  const limited = 'ulimit -f 16; exec "$0" --input-type=module -e "$1"'
  const child = spawnSync('sh', ['-c', limited, process.execPath, script], { encoding: 'utf8' })
  assert.match(child.stdout, /^UserError: Cannot write to .*full\.jsonl: EFBIG/, child.stderr)
  assert.equal(await readFile(path, 'utf8'), '{"step":1}\n{"step":3}\n')
})
