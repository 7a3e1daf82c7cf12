import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wordDifference, type Piece } from './words.ts'

/** "kept [changed] kept" */
function marked(pieces: readonly Piece[]): string {
  return pieces.map(({ text, changed }) => (changed ? `[${text}]` : text)).join('')
}

function difference(before: string, after: string): readonly [string, string] {
  const found = wordDifference(before, after)
  return [marked(found.before), marked(found.after)]
}

test('equal texts have no differences', () => {
  assert.deepEqual(wordDifference('The pump bent.', 'The pump bent.'), {
    before: [{ text: 'The pump bent.', changed: false }], after: [{ text: 'The pump bent.', changed: false }], likeness: 1,
  })
})

test('a word that was replaced, added, taken away', () => {
  assert.deepEqual(difference('asks for a refund.', 'asks for a repair.'), ['asks for a [refund].', 'asks for a [repair].'])
  assert.deepEqual(difference('a good answer', 'a very good answer'), ['a good answer', 'a [very ]good answer'])
  assert.deepEqual(difference('well, I think so', 'I think so'), ['[well, ]I think so', 'I think so'])
})

test('neighbouring changes are one piece, also over the space between them', () => {
  assert.deepEqual(difference('the red big house stands', 'the blue small house stands'), [
    'the [red big] house stands', 'the [blue small] house stands',
  ])
})

test('empty answers', () => {
  assert.deepEqual(wordDifference('', ''), { before: [], after: [], likeness: 1 })
  assert.deepEqual(difference('', 'all new'), ['', '[all new]'])
  assert.equal(wordDifference('', 'all new').likeness, 0)
})

test('texts without spaces are compared by words too', () => {
  const { likeness } = wordDifference('我喜欢红色的车', '我喜欢蓝色的车')
  assert.ok(likeness > 0.5 && likeness < 1)
})

test('whatever the texts, the pieces make them up, and what is not changed is common', () => {
  const words = ['a', 'b', ' ', 'c', '.', '\n', 'd']
  let state = 1
  const next = (below: number): number => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
  const text = (): string => Array.from({ length: next(30) }, () => words[next(words.length)]!).join('')
  for (let round = 0; round < 300; round++) {
    const [a, b] = [text(), text()]
    const { before, after, likeness } = wordDifference(a, b)
    assert.equal(before.map((piece) => piece.text).join(''), a)
    assert.equal(after.map((piece) => piece.text).join(''), b)
    const kept = (pieces: readonly Piece[]): string => pieces.filter(({ changed }) => !changed).map((piece) => piece.text).join('').replaceAll(/\s/g, '')
    assert.equal(kept(before), kept(after))
    assert.ok(likeness >= 0 && likeness <= 1)
  }
})

test('very long answers are not compared word by word, only where they begin and end alike', () => {
  const long = (word: string): string => Array.from({ length: 3000 }, () => word).join(' ')
  const { before, likeness } = wordDifference(`begin ${long('x')} end`, `begin ${long('y')} end`)
  assert.deepEqual(before.map(({ changed }) => changed), [false, true, false])
  assert.ok(likeness < 0.01)
})
