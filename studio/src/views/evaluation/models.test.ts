import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measurable } from './models.ts'

test('the base, then the newest adapters, checkpoints last, aliases not at all', () => {
  const adapter = (id: string, source = 'job') => ({ id, parent: 'base', posttrain: { kind: 'adapter' as const, source } })
  const models = [
    { id: 'base', parent: null }, adapter('v1'), adapter('v1:step-5', 'checkpoint'), adapter('v2'),
    { id: 'support', parent: 'base', posttrain: { kind: 'alias' as const } },
  ]
  assert.deepEqual(measurable(models).map(({ id }) => id), ['base', 'v2', 'v1', 'v1:step-5'])
})
