import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headlines } from './headlines.ts'
import { othersIn, rangeIn, rangeQuery, runQuery, smoothingIn } from './run-place.ts'
import { promptTurns } from './samples.ts'
import { namesOf, pauseFor, stepWords, timeWords } from './words.ts'

test('headlines tell what was measured from start to now, and the best on the way', () => {
  const evaluations = [
    { step: 0, metrics: { loss: 4, general_loss: 2, 'rewards/accuracies': 0.5 } }, { step: 20, metrics: { loss: 1 } },
    { step: 40, metrics: { loss: 1.5, general_loss: 2.1, 'rewards/accuracies': 0.75 } },
  ]
  assert.deepEqual(headlines({ evaluations, loss: 0.25, reward: null }), [
    { name: 'Held-out loss', value: '1.5', note: 'from 4; lowest 1 at step 20' },
    { name: 'Training loss', value: '0.25', note: 'of the last step' },
    { name: 'Held-out pairs right', value: '75%', note: 'from 50%' },
    { name: 'General loss', value: '2.1', note: '+5.0%: it forgets' },
  ])
  assert.deepEqual(headlines({ evaluations: [{ step: 0, metrics: { reward: 0.1 } }, { step: 9, metrics: { reward: 0.4 } }], loss: null, reward: 0.3 }), [
    { name: 'Held-out reward', value: '0.4', note: 'from 0.1' }, { name: 'Reward', value: '0.3', note: 'of the answers sampled last' },
  ])
})

test('of pairs that were all tied before the first step, no share is told', () => {
  const evaluations = [{ step: 0, metrics: { 'rewards/accuracies': 0.03, 'rewards/margins': 1e-6 } }, { step: 9, metrics: { 'rewards/accuracies': 0.8, 'rewards/margins': 0.2 } }]
  assert.deepEqual(headlines({ evaluations, loss: null, reward: null }), [{ name: 'Held-out pairs right', value: '80%', note: 'moved towards the chosen answer' }])
})

test('a page asks often while its run goes, seldom while it rests, and not when it is over', () => {
  const pauses = (['running', 'queued', 'paused', 'succeeded', 'interrupted'] as const).map((status) => pauseFor({ status }))
  assert.ok(pauses[0]! < pauses[1]! && pauses[1]! < pauses[2]!)
  assert.deepEqual(pauses.slice(3), [undefined, undefined])
})

test('steps and times in words', () => {
  assert.equal(stepWords({ step: 12, steps: 300 }), 'step 12 of 300')
  assert.equal(stepWords({ step: 1, steps: 1 }), '1 step')
  assert.equal(stepWords({ step: 12, steps: null }), '12 steps')
  const times = { eta_seconds: null, started_at: 100, finished_at: null }
  assert.equal(timeWords({ ...times, status: 'running', eta_seconds: 125 }), '2 min 5 s left')
  assert.equal(timeWords({ ...times, status: 'running' }, 160), '1 min so far')
  assert.equal(timeWords({ ...times, status: 'succeeded', finished_at: 130 }), '30 s')
  assert.equal(timeWords({ ...times, status: 'queued', started_at: null }), '–')
})

test('the address holds range, smoothing and runs beside; what is nonsense there is passed over', () => {
  const query = new URLSearchParams('with=b&with=a&with=b&with=c&from=10&to=20&smooth=0.5&part=log')
  assert.deepEqual(othersIn(query, 'a'), ['b', 'c'])
  assert.deepEqual([rangeIn(query), smoothingIn(query)], [{ from: 10, to: 20 }, 0.5])
  assert.deepEqual(runQuery(query, { part: undefined, smooth: '0.6' }), { with: ['b', 'a', 'b', 'c'], from: ['10'], to: ['20'], smooth: '0.6', part: undefined })
  const nonsense = new URLSearchParams('from=20&to=10&smooth=7')
  assert.deepEqual([rangeIn(nonsense), smoothingIn(nonsense)], [undefined, 0])
  assert.deepEqual([rangeQuery({ from: 1.4, to: 1.6 }), rangeQuery(undefined)], [{ from: '1', to: '2' }, { from: undefined, to: undefined }])
})

test('a prompt is one turn, or messages as they were written', () => {
  assert.deepEqual(promptTurns('hi'), [{ role: 'user', text: 'hi' }])
  assert.deepEqual(promptTurns([{ role: 'system', content: 'be kind' }, { role: 'user', content: 'hi' }]), [{ role: 'system', text: 'be kind' }, { role: 'user', text: 'hi' }])
  assert.deepEqual(promptTurns(7), [{ role: 'prompt', text: '7' }])
})

test('runs of one name are told apart by the end of their ids', () => {
  const runs = [{ id: 'ftjob-aaaa1111', name: 'v1' }, { id: 'ftjob-bbbb2222', name: 'v2' }, { id: 'ftjob-cccc3333', name: 'v2' }]
  assert.deepEqual([...namesOf(runs).values()], ['v1', 'v2 bbbb2222', 'v2 cccc3333'])
})
