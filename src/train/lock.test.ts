import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { acquireLock } from './lock.ts'

const root = await mkdtemp(join(tmpdir(), 'posttrain-lock-'))
after(() => rm(root, { recursive: true, force: true }))

/** A process that takes the lock, says so, and lives until it is killed. */
async function holder(path: string): Promise<ReturnType<typeof spawn>> {
  const script = `
    const { acquireLock } = await import(${JSON.stringify(new URL('./lock.ts', import.meta.url).href)})
    acquireLock(${JSON.stringify(path)})
    process.stdout.write('held')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

test('a lock is held once, also within a process, and can be taken again when it is given back', async () => {
  const path = join(root, 'once')
  const first = acquireLock(path)
  assert.throws(() => acquireLock(path), { name: 'UserError', message: new RegExp(`Process ${process.pid} on .* is using`) })
  first.release()
  const second = acquireLock(path)
  first.release()
  assert.throws(() => acquireLock(path), { name: 'UserError' })
  second.release()
  assert.deepEqual(await readdir(root), [])
})

test('a living process keeps its lock, a killed one loses it', async () => {
  const path = join(root, 'killed')
  const child = await holder(path)
  try {
    assert.throws(() => acquireLock(path), { message: new RegExp(`Process ${child.pid} on`) })
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  const lock = acquireLock(path)
  assert.equal((JSON.parse(await readFile(path, 'utf8')) as { pid: number }).pid, process.pid)
  lock.release()
  assert.deepEqual(await readdir(root), [])
})

test('a process that was given a dead one\'s id does not count as its holder, where the system tells', async () => {
  const path = join(root, 'reused')
  const first = acquireLock(path)
  const stored = JSON.parse(await readFile(path, 'utf8')) as { started?: string }
  if (stored.started !== undefined) {
    await writeFile(path, JSON.stringify({ ...stored, started: 'another boot:1' }))
    acquireLock(path).release()
  }
  first.release()
})

test('a holder on another machine counts as living; a lock that cannot be read does not', async () => {
  const path = join(root, 'other')
  await writeFile(path, JSON.stringify({ host: 'elsewhere.example', pid: 1 }))
  assert.throws(() => acquireLock(path), { message: /Process 1 on elsewhere\.example/ })
  await writeFile(path, '')
  acquireLock(path).release()
})

test('a folder that cannot be written to is named', () => {
  assert.throws(() => acquireLock(join(root, 'absent/lock')), { name: 'UserError', message: /Cannot make the lock .*absent/ })
})
