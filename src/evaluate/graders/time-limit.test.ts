import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'

import { openGrader } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'posttrain-time-limit-'))
after(() => { rmSync(folder, { recursive: true }) })
writeFileSync(join(folder, 'reward.ts'), 'export default () => 1\n')

const LIMIT = 1_000

for (const spec of [
  { type: 'function', file: 'reward.ts', timeout_ms: LIMIT },
  { type: 'regex', pattern: 'a', timeout_ms: LIMIT },
]) {
  test(`${spec.type}: an answer that came in time counts, however long this thread was busy meanwhile`, async () => {
    const grader = await openGrader(spec, { allowFunctions: true, baseDirectory: folder })
    try {
      const sample = { item: {}, output: 'a' }
      await grader.grade([sample])
      const grades = grader.grade([sample])
      await turn()
      // As a reward model does that runs in this thread.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * LIMIT)
      assert.deepEqual((await grades).map(({ reward, error }) => [reward, error]), [[1, undefined]])
    } finally {
      await grader.close()
    }
  })
}
