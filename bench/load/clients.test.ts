import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { tinyModel } from '../../src/server/fixtures/server.ts'
import { loadByClients } from './clients.ts'

test('many clients, some of whom go away: each answer is the one that is given alone, to the bit, and no row is left', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'load-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  // The long form, on SmolLM2, is `npm run load -- clients`.
  const report = await loadByClients({
    directory, model: tinyModel, adapters: 2, threads: '1', clients: 24, seconds: 4, requests: 18, filler: 150, cancels: 0.2, patience: 300, seed: 1,
  }, () => undefined)
  const { answered, cancelled, lost, identical, near, wrong, mixed, runningAfter } = report
  assert.ok(answered > 20 && cancelled > 0, `${answered} answered, ${cancelled} cancelled`)
  assert.deepEqual({ lost, identical, near, wrong, mixed, runningAfter }, { lost: 0, identical: answered, near: 0, wrong: 0, mixed: 0, runningAfter: 0 })
})
