import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from '../random.ts'
import { Groups, nearDuplicates } from './near-duplicates.ts'

const words = 'the of and to in is it you that he was for on are with as his they at be this from have or by one had not but what all'.split(' ')

function sentence(random: Random, length: number): string {
  return Array.from({ length }, () => words[random.below(words.length)]! + (random.below(3) === 0 ? String(random.below(10_000)) : '')).join(' ')
}

function groupsOf(groups: Groups, texts: readonly string[]): string[][] {
  return [...Map.groupBy(texts, (text) => groups.of(texts.indexOf(text))).values()].filter(({ length }) => length > 1)
}

test('texts that differ in little are one group, others stay alone', async () => {
  const random = new Random(1)
  const apart = Array.from({ length: 200 }, () => sentence(random, 12 + random.below(30)))
  const changed = apart.slice(0, 40).map((text, i) => [`${text}!`, `${text}  please`, text.toUpperCase().replace(' ', '  ') + '.'][i % 3]!)
  const texts = [...apart, ...changed]
  const groups = await nearDuplicates(texts)
  for (let i = 0; i < 40; i++) assert.equal(groups.of(200 + i), i, `${apart[i]!} and ${changed[i]!}`)
  assert.equal(groupsOf(groups, texts).length, 40)
})

test('a form that is filled in differently is not a duplicate', async () => {
  const random = new Random(2)
  const form = 'You are given a complaint of a customer. Summarize it in one sentence, name the product and the month, and be polite: '
  const texts = Array.from({ length: 60 }, () => form + sentence(random, 6))
  assert.deepEqual(groupsOf(await nearDuplicates(texts), texts), [])
  const [first] = texts
  const twice = [...texts, `${first!} .`]
  assert.deepEqual(groupsOf(await nearDuplicates(twice), twice), [[first, `${first!} .`]])
})

test('short, empty and foreign texts', async () => {
  const texts = ['hi', 'Hi', 'no', '', ' ', '你好吗今天天气怎么样', '你好吗今天天气怎么样?', 'ok ok', '\u{1F600}']
  const groups = await nearDuplicates(texts)
  assert.deepEqual(texts.map((_, i) => groups.of(i)), [0, 0, 2, 3, 3, 5, 5, 7, 8])
})

test('groups grow together, and are called by their least member', () => {
  const groups = new Groups(6)
  assert.equal(groups.join(4, 5), true)
  assert.equal(groups.join(1, 4), true)
  assert.equal(groups.join(5, 1), false)
  assert.deepEqual([0, 1, 2, 3, 4, 5].map((i) => groups.of(i)), [0, 1, 2, 3, 1, 1])
})

test('the event loop runs while many texts are compared', async () => {
  const random = new Random(3)
  const texts = Array.from({ length: 3_000 }, () => sentence(random, 40))
  let turns = 0
  const timer = setInterval(() => { turns++ }, 1)
  await nearDuplicates(texts)
  clearInterval(timer)
  assert.ok(turns > 3, `${turns} turns`)
})
