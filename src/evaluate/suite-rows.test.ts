import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DataKindName } from '../data/kinds.ts'
import { itemOf, selectItems, type SuiteItem } from './suite-rows.ts'

const user = { role: 'user', content: 'say one' }
const assistant = { role: 'assistant', content: 'one' }

function itemOfRow(kind: DataKindName, row: object): SuiteItem | undefined {
  return itemOf(kind, { where: 'rows.jsonl:1', row }, 0)
}

test('each kind of row becomes a prompt, and what the answer should have been', () => {
  const shown = (kind: DataKindName, row: object) => {
    const item = itemOfRow(kind, row)
    return item && { ...item.row, shown: item.reference }
  }
  const further = { role: 'user', content: 'go on' }
  assert.deepEqual(
    shown('sft', { messages: [user, { ...assistant, content: 'no' }, further, assistant, further] }),
    { prompt: [user, { ...assistant, content: 'no' }, further], reference: 'one', shown: 'one' },
  )
  assert.deepEqual(
    shown('sft', { messages: [user, assistant, further, { ...assistant, weight: 0 }] }), { prompt: [user], reference: 'one', shown: 'one' },
    'a turn that carries no loss is no reference',
  )
  assert.equal(shown('sft', { messages: [assistant] }), undefined)
  assert.deepEqual(shown('sft', { prompt: 'say one', completion: [assistant] }), { prompt: 'say one', reference: 'one', shown: 'one' })
  assert.deepEqual(shown('pairs', { prompt: 'say one', chosen: 'one', rejected: 'two' }), { prompt: 'say one', reference: 'one', shown: 'one' })
  assert.deepEqual(shown('labelled', { prompt: 'say one', completion: 'one', label: true }), { prompt: 'say one', reference: 'one', shown: 'one' })
  assert.deepEqual(shown('labelled', { prompt: 'say one', completion: 'two', label: false }), { prompt: 'say one', shown: null })
  assert.deepEqual(shown('prompts', { prompt: 'say one', word: 'one' }), { prompt: 'say one', word: 'one', shown: null })
  assert.deepEqual(shown('prompts', { prompt: 'say one', reference: 'one' }), { prompt: 'say one', reference: 'one', shown: 'one' })
  assert.notEqual(itemOfRow('pairs', { prompt: 'say one', chosen: 'one', rejected: 'two' })!.pair, null)
})

test('a limit draws by the seed and by each position alone; of equal prompts the first counts', () => {
  const items = Array.from({ length: 60 }, (_, i) => itemOf('prompts', { where: '', row: { prompt: `prompt ${i % 50}` } }, i)!)
  const positions = (of: readonly SuiteItem[], limit: number, seed = 0, fits: (item: SuiteItem) => boolean = () => true) =>
    selectItems(of, { limit, seed, fits }).map(({ position }) => position)
  assert.deepEqual(positions(items, 100), Array.from({ length: 50 }, (_, i) => i))
  const ten = positions(items, 10)
  assert.equal(ten.length, 10)
  assert.deepEqual(ten, ten.toSorted((a, b) => a - b))
  assert.notDeepEqual(positions(items, 10, 1), ten)
  const [gone] = ten
  const without = positions(items.filter(({ position }) => position % 50 !== gone), 10)
  assert.deepEqual(without.filter((position) => ten.includes(position)), ten.slice(1), 'a row that is deleted leaves the others')
  assert.deepEqual(positions(items, 10, 0, ({ position }) => position !== gone).length, 10, 'what does not fit makes room for another')
})
