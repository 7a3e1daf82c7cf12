import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { startServer } from '../src/server/serve.ts'

const script = join(import.meta.dirname, 'openai-client.ts')

test('the worked client does all of it against a server', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'posttrain-client-'))
  const server = await startServer({ model: join(import.meta.dirname, '../src/models/fixtures/tiny-llama'), name: 'tiny', directory, port: 0, precision: 'f32' })
  t.after(async () => {
    await server.close()
    await rm(directory, { recursive: true })
  })
  const child = spawn(process.execPath, [script, `${server.url}/v1`], { stdio: ['ignore', 'pipe', 'pipe'] })
  const code = new Promise<number | null>((resolve) => { child.once('close', resolve) })
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  assert.equal(await code, 0, errors)
  assert.match(out, /all of it\n$/)
  const classes = [...out.matchAll(/^ {2}(\w+Error)/gm)].map(([, name]) => name)
  assert.deepEqual(classes, [
    'BadRequestError', 'AuthenticationError', 'PermissionDeniedError', 'NotFoundError', 'ConflictError', 'UnprocessableEntityError', 'APIUserAbortError',
    'APIConnectionError', 'RateLimitError',
  ])
})

test('it imports OpenAI\'s client and nothing of ours', async () => {
  const imports = [...(await readFile(script, 'utf8')).matchAll(/^import .* from '([^']+)'/gm)].map(([, from]) => from!)
  assert.deepEqual(imports.filter((from) => !from.startsWith('node:')), ['openai'])
})
