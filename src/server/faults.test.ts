import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runFaults } from './fixtures/fault-session.ts'

test('kill -9 under load, of the server twice and of a job: nothing that was acknowledged is lost, doubled or half there', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'faults-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  // The long form, with ten kills of each, is `npm run faults`.
  const report = await runFaults({ directory, serverKills: 2, jobKills: 1, jobs: 1, steps: 15, pause: 1200, random: Math.random })
  assert.deepEqual(report.jobs, { succeeded: 1 })
  assert.ok(report.feedback > 0 && report.completions >= report.feedback && report.adapters > 0)
})
