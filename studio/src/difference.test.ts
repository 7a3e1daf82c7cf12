import assert from 'node:assert/strict'
import { test } from 'node:test'
import { overlaid, sideBySide, type Piece, type Stretch } from './difference.ts'

const marks = { same: ['', ''], removed: ['[-', '-]'], added: ['{+', '+}'] } as const
const written = (stretches: readonly Stretch[]): string => stretches.map(({ text, kind }) => marks[kind][0] + text + marks[kind][1]).join('')

test('a correction stands over the answer', () => {
  const cases: readonly [answer: string, correction: string, shown: string][] = [
    ['It is late.', 'It is late.', 'It is late.'],
    ['It is late.', 'It comes tomorrow.', 'It [-is late-]{+comes tomorrow+}.'],
    ['', 'New', '{+New+}'],
    ['Old', '', '[-Old-]'],
    ['We are sorry.', 'We are very sorry.', 'We are {+very +}sorry.'],
    ['a b c d', 'a x c y', 'a [-b-]{+x+} c [-d-]{+y+}'],
    ['明日届きます', '明日は届きません', '明日{+は+}届き[-ます-]{+ません+}'],
  ]
  for (const [answer, correction, shown] of cases) assert.equal(written(overlaid(answer, correction)), shown)
})

test('both texts can be read out of it, whatever they are', () => {
  const words = ['a', 'b', ' ', '  ', '.', '\n', 'é', '🙂', 'the']
  let seed = 7
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below
  for (let round = 0; round < 300; round++) {
    const text = (): string => Array.from({ length: random(12) }, () => words[random(words.length)]!).join('')
    const [answer, correction] = [text(), text()]
    const stretches = overlaid(answer, correction)
    const without = (kind: Stretch['kind']): string => stretches.filter((stretch) => stretch.kind !== kind).map((stretch) => stretch.text).join('')
    assert.equal(without('added'), answer)
    assert.equal(without('removed'), correction)
  }
})

/** "kept [changed] kept" */
function marked(pieces: readonly Piece[]): string {
  return pieces.map(({ text, changed }) => (changed ? `[${text}]` : text)).join('')
}

function difference(before: string, after: string): readonly [string, string] {
  const found = sideBySide(before, after)
  return [marked(found.before), marked(found.after)]
}

test('equal texts have no differences', () => {
  assert.deepEqual(sideBySide('The pump bent.', 'The pump bent.'), {
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
  assert.deepEqual(sideBySide('', ''), { before: [], after: [], likeness: 1 })
  assert.deepEqual(difference('', 'all new'), ['', '[all new]'])
  assert.equal(sideBySide('', 'all new').likeness, 0)
})

test('texts without spaces are compared by words too', () => {
  const { likeness } = sideBySide('我喜欢红色的车', '我喜欢蓝色的车')
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
    const { before, after, likeness } = sideBySide(a, b)
    assert.equal(before.map((piece) => piece.text).join(''), a)
    assert.equal(after.map((piece) => piece.text).join(''), b)
    const kept = (pieces: readonly Piece[]): string => pieces.filter(({ changed }) => !changed).map((piece) => piece.text).join('').replaceAll(/\s/g, '')
    assert.equal(kept(before), kept(after))
    assert.ok(likeness >= 0 && likeness <= 1)
  }
})

test('very long texts that differ everywhere are not compared word by word', () => {
  const long = (word: string): string => Array.from({ length: 3000 }, () => word).join(' ')
  const { before, likeness } = sideBySide(long('x'), long('y'))
  assert.deepEqual(before.map(({ changed }) => changed), [true])
  assert.ok(likeness < 0.01)
})
