import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { UserError } from './errors.ts'
import { replaceDirectory, writeFileDurably } from './files.ts'

const root = await mkdtemp(join(tmpdir(), 'posttrain-files-'))
after(() => rm(root, { recursive: true, force: true }))

async function folder(name: string): Promise<string> {
  const path = join(root, name)
  await mkdir(path)
  return path
}

function diskFull(): Error {
  return Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
}

test('writes text, bytes and streams, makes folders, leaves nothing beside the file', async () => {
  const path = join(await folder('write'), 'a/b/file.txt')
  await writeFileDurably(path, 'one')
  await writeFileDurably(path, new Uint8Array([116, 119, 111]))
  assert.equal(await readFile(path, 'utf8'), 'two')
  await writeFileDurably(path, async (file) => {
    await file.write('thr')
    await file.write('ee')
  })
  assert.equal(await readFile(path, 'utf8'), 'three')
  assert.deepEqual(await readdir(join(path, '..')), ['file.txt'])
})

test('a write that runs out of disk leaves the old file and no half one', async () => {
  const directory = await folder('full')
  const path = join(directory, 'file.txt')
  await writeFileDurably(path, 'old')
  const write = writeFileDurably(path, async (file) => {
    await file.write('half')
    throw diskFull()
  })
  await assert.rejects(write, (error) => {
    assert.ok(error instanceof UserError)
    assert.match(error.message, /file\.txt: the disk is full.*unchanged/)
    return true
  })
  assert.equal(await readFile(path, 'utf8'), 'old')
  assert.deepEqual(await readdir(directory), ['file.txt'])
})

test('the system\'s own refusal in the middle of a write is explained', async () => {
  const directory = await folder('limit')
  await writeFile(join(directory, 'weights.bin'), 'old')
  const script = `
    const { writeFileDurably } = await import(${JSON.stringify(new URL('./files.ts', import.meta.url).href)})
    await writeFileDurably(${JSON.stringify(join(directory, 'weights.bin'))}, new Uint8Array(1 << 20))
      .catch((error) => process.stdout.write(error.name + ': ' + error.message))`
  const limited = 'ulimit -f 64; exec "$0" --input-type=module -e "$1"'
  const child = spawnSync('sh', ['-c', limited, process.execPath, script], { encoding: 'utf8' })
  const refusal = /^UserError: Cannot write .*weights\.bin: the file is larger than the system allows/
  assert.match(child.stdout, refusal, child.stderr)
  assert.deepEqual(await readdir(directory), ['weights.bin'])
  assert.equal(await readFile(join(directory, 'weights.bin'), 'utf8'), 'old')
})

test('a file in the way of a folder is named', async () => {
  const path = join(await folder('way'), 'file')
  await writeFile(path, '')
  const write = writeFileDurably(join(path, 'below'), '')
  await assert.rejects(write, { name: 'UserError', message: /is a file, not a folder/ })
})

test('a bug in the writer comes out as it is', async () => {
  const path = join(await folder('bug'), 'file')
  const write = writeFileDurably(path, () => Promise.reject(new TypeError('a bug')))
  await assert.rejects(write, { name: 'TypeError', message: 'a bug' })
})

test('a directory is replaced as a whole', async () => {
  const parent = await folder('directory')
  const path = join(parent, 'model')
  await replaceDirectory(path, async (directory) => {
    await writeFile(join(directory, 'old'), '1')
  })
  await replaceDirectory(path, async (directory) => {
    await mkdir(join(directory, 'inner'))
    await writeFile(join(directory, 'inner/new'), '2')
  })
  assert.deepEqual(await readdir(path, { recursive: true }), ['inner', join('inner', 'new')])
  assert.deepEqual(await readdir(parent), ['model'])
})

test('a directory whose writing fails stays as it was', async () => {
  const parent = await folder('directory-full')
  const path = join(parent, 'model')
  await mkdir(path)
  await writeFile(join(path, 'weights'), 'old')
  const replace = replaceDirectory(path, async (directory) => {
    await writeFile(join(directory, 'weights'), 'half')
    throw diskFull()
  })
  await assert.rejects(replace, { name: 'UserError', message: /the disk is full/ })
  assert.equal(await readFile(join(path, 'weights'), 'utf8'), 'old')
  assert.deepEqual(await readdir(parent), ['model'])
})

test('what a killed process left beside a directory is removed; what a living one writes is not', async () => {
  const parent = await folder('abandoned')
  const path = join(parent, 'model')
  const module = JSON.stringify(new URL('./files.ts', import.meta.url).href)
  const script = `
    const { replaceDirectory } = await import(${module})
    await replaceDirectory(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['--input-type=module', '-e', script])
  assert.deepEqual((await readdir(parent)).map(name => /^\.model\..*\.partial$/.test(name)), [true])
  await replaceDirectory(path, async () => {
    await replaceDirectory(path, directory => writeFile(join(directory, 'inner'), ''))
    assert.equal((await readdir(parent)).length, 2, 'the inner one leaves the outer one, which is still at work')
  })
  assert.deepEqual(await readdir(parent), ['model'])
  assert.deepEqual(await readdir(path), [])
})
