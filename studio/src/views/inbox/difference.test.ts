import assert from 'node:assert/strict'
import { test } from 'node:test'
import { overlaid, type Stretch } from './difference.ts'

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

test('long texts do not take the memory', () => {
  const [answer, correction] = ['same start ' + 'a '.repeat(5000), 'same start ' + 'b '.repeat(5000)]
  assert.deepEqual(overlaid(answer, correction).map(({ kind }) => kind), ['same', 'removed', 'added', 'same'])
})
