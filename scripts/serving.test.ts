/** What docs/serving.md shows is true: its block is run against a server. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { serveFake } from '../src/server/fixtures/server.ts'

const root = join(import.meta.dirname, '..')

test('the loop of docs/serving.md runs against a server', async (t) => {
  const [, block] = /<!-- npm test runs this block -->\n```js\n([\s\S]*?)```/.exec(readFileSync(join(root, 'docs/serving.md'), 'utf8')) ?? []
  const { client, directory, server } = await serveFake(t)
  await client.put('/aliases/support', { body: { adapter: null } })
  const script = join(directory, 'loop.mjs')
  writeFileSync(script, block!.replace('http://127.0.0.1:8000', server.url))
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'), 'junction')
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [, shown] = /console\.log\(.*\) \/\/ (.*)/.exec(block!) ?? []
  assert.equal(out, `${shown!}\n`, errors)
  // One row is too few for a job: that is said by the job, not by the call.
  const [job] = (await client.fineTuning.jobs.list()).data
  assert.equal(job!.training_file, 'dataset:corrections@1')
})
