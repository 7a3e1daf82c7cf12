import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mul } from '../tensor/operators.ts'
import { input } from '../tensor/tensor.ts'
import { Program } from './program.ts'

test('a run returns the outputs that are asked for, or all', async () => {
  const x = input('x', 'float32', ['N'])
  const program = await Program.compile(new Map([['double', mul(x, 2)], ['square', mul(x, x)]]), { device: 'cpu', threads: 1 })
  const feeds = { x: { data: Float32Array.of(3, 5), shape: [2] } }
  assert.deepEqual(program.outputs, ['double', 'square'])
  assert.deepEqual(Object.keys(await program.run(feeds)), ['double', 'square'])
  assert.deepEqual(await program.run(feeds, ['square']), { square: { data: Float32Array.of(9, 25), shape: [2] } })
  await program.release()
})
