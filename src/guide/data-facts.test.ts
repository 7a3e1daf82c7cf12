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

async function promptFacts(name: string, more: (i: number) => object): Promise<FileFacts['facts']> {
  return (await factsOf(name, twelve((i) => ({ prompt: `p${i}`, ...more(i) })))).facts
}

test('how an answer can be checked', async () => {
  const check = async (name: string, more: (i: number) => object) => (await promptFacts(name, more)).check
  assert.deepEqual(await check('number.jsonl', (i) => ({ answer: `${i},000` })), { fields: ['answer'], compare: 'number', longest: 6 })
  assert.deepEqual(await check('gsm.jsonl', (i) => ({ answer: `It is so. #### ${i}` })), { fields: ['answer'], compare: 'number', longest: 17 })
  assert.deepEqual(await check('text.jsonl', (i) => ({ target: `word ${i}` })), { fields: ['target'], compare: 'text', longest: 7 })
  assert.equal(await check('none.jsonl', (i) => ({ id: i })), undefined)
  assert.equal(await check('some.jsonl', (i) => (i === 3 ? {} : { answer: '1' })), undefined)
})

test('of an object the keys that its prompt names are checked, and such as a grader can name', async () => {
  const fieldsOf = async (name: string, more: (i: number) => object) => (await promptFacts(name, more)).check?.fields
  const asked = 'Reply with JSON:'
  assert.deepEqual(await fieldsOf('all.jsonl', (i) => ({ prompt: `${asked} ${i}`, party: 'buyer', days: i })), ['party', 'days'])
  assert.deepEqual(await fieldsOf('ids.jsonl', (i) => ({ prompt: `${asked} party and days. ${i}`, id: i, party: 'buyer', days: i, source: 'crm' })), ['party', 'days'])
  assert.deepEqual(await fieldsOf('dots.jsonl', (i) => ({ prompt: `${asked} ${i}`, 'party.name': 'buyer', '{days}': i, days: i })), ['days'])
})

test('whole answers beside prompts are none that a program compares', async () => {
  const { check, answers } = await promptFacts('long.jsonl', (i) => ({ reference: `The ${i}th customer asks, for the second time, where the parcel is, and for the money back.` }))
  assert.deepEqual({ check, answers }, { check: undefined, answers: 'reference' })
})

test('held-out rows whose prompt is trained on', async () => {
  const pair = (prompt: string) => ({ prompt, chosen: 'a', rejected: 'b' })
  const training = await factsOf('train.jsonl', twelve((i) => pair(`Question ${i}`)))
  const held = await factsOf('eval.jsonl', [pair('question  3'), pair('Question 99')])
  assert.deepEqual(heldOutFacts(held, [training]), { name: held.facts.name, kind: 'pairs', rows: 2, broken: 0, leaked: 1 })
})

test('files that answer the same in different ways are models of their own', async () => {
  const tone = (name: string) => factsOf(`${name}.jsonl`, twelve((i) => ({ prompt: `q${i}`, completion: `${name} ${i}` })))
  const other = await factsOf('other.jsonl', twelve((i) => ({ prompt: `r${i}`, completion: `${i}` })))
  const [warm, cold] = [await tone('warm'), await tone('cold')]
  assert.equal(variantsOf([warm, cold]), 2)
  assert.equal(variantsOf([warm, other]), 1)
  assert.equal(variantsOf([warm]), 1)
})
