import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileFacts, formOf, heldOutFacts, variantsOf, type FileFacts } from './data-facts.ts'

const root = mkdtempSync(join(tmpdir(), 'data-facts-'))
after(() => { rmSync(root, { recursive: true }) })

async function factsOf(name: string, rows: readonly object[]): Promise<FileFacts> {
  const path = join(root, name)
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return fileFacts(path)
}

const twelve = <Row>(row: (i: number) => Row): Row[] => Array.from({ length: 12 }, (_, i) => row(i))

test('what answers have in common', () => {
  assert.equal(formOf(twelve((i) => `{"n": ${i}}`)), 'json')
  assert.equal(formOf(twelve((i) => `Name: ${i}\nPrice: ${i}`)), 'fields')
  assert.equal(formOf(twelve((i) => (i % 2 === 0 ? 'spam' : 'fine'))), 'labels')
  assert.equal(formOf(twelve((i) => `The ${i}th is another story.`)), undefined)
  assert.equal(formOf(['{}', '{}']), undefined, 'two are no form')
})

test('what is wrong with rows is counted', async () => {
  const { facts } = await factsOf('thumbs.jsonl', [
    ...twelve((i) => ({ prompt: `p${i}`, completion: 'a', label: i % 2 === 0 })),
    { prompt: 'p0', completion: 'a', label: true },
    { prompt: 'p2', completion: 'a', label: false },
    { prompt: 'p3', completion: 'a', label: 'maybe' },
  ])
  const { kind, rows, broken, duplicates, conflicts, labels, fault } = facts
  assert.deepEqual({ kind, rows, broken, duplicates, conflicts, labels }, { kind: 'labelled', rows: 14, broken: 1, duplicates: 1, conflicts: 1, labels: { up: 7, down: 7 } })
  assert.match(fault!, /thumbs\.jsonl:15: label/)
})

test('how an answer can be checked', async () => {
  const check = async (name: string, more: (i: number) => object) => (await factsOf(name, twelve((i) => ({ prompt: `p${i}`, ...more(i) })))).facts.check
  assert.deepEqual(await check('number.jsonl', (i) => ({ answer: `${i},000` })), { fields: ['answer'], compare: 'number' })
  assert.deepEqual(await check('gsm.jsonl', (i) => ({ answer: `It is so. #### ${i}` })), { fields: ['answer'], compare: 'number' })
  assert.deepEqual(await check('text.jsonl', (i) => ({ target: `word ${i}` })), { fields: ['target'], compare: 'text' })
  assert.deepEqual(await check('json.jsonl', (i) => ({ prompt: `Reply with JSON: ${i}`, party: 'buyer', days: i })), { fields: ['party', 'days'], compare: 'json' })
  assert.equal(await check('none.jsonl', (i) => ({ id: i })), undefined)
  assert.equal(await check('some.jsonl', (i) => (i === 3 ? {} : { answer: '1' })), undefined)
})

test('held-out rows whose prompt is trained on', async () => {
  const pair = (prompt: string) => ({ prompt, chosen: 'a', rejected: 'b' })
  const training = await factsOf('train.jsonl', twelve((i) => pair(`Question ${i}`)))
  const held = await factsOf('eval.jsonl', [pair('question  3'), pair('Question 99')])
  assert.deepEqual(heldOutFacts(held, [training]), { name: held.facts.name, kind: 'pairs', rows: 2, leaked: 1 })
})

test('files that answer the same in different ways are models of their own', async () => {
  const tone = (name: string) => factsOf(`${name}.jsonl`, twelve((i) => ({ prompt: `q${i}`, completion: `${name} ${i}` })))
  const other = await factsOf('other.jsonl', twelve((i) => ({ prompt: `r${i}`, completion: `${i}` })))
  const [warm, cold] = [await tone('warm'), await tone('cold')]
  assert.equal(variantsOf([warm, cold]), 2)
  assert.equal(variantsOf([warm, other]), 1)
  assert.equal(variantsOf([warm]), 1)
})
