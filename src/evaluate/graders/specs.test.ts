import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { UserError } from '../../errors.ts'
import { Random } from '../../random.ts'
import { checkGrader } from './index.ts'

const documentation = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'graders.md'), 'utf8')

/** The JSON of the page: indented blocks that begin with a brace or a bracket. */
const documented = [...documentation.matchAll(/^ {4}[[{](?:.*\n)(?: {4,}.*\n)*/gm)].map(([block]) => JSON.parse(block) as unknown)

/** What can be known of it here: there are no files beside the page. */
function check(spec: unknown): void {
  const embed = () => Promise.resolve([])
  checkGrader(spec, { baseDirectory: tmpdir(), allowFunctions: true, model: 'base', embed })
}

test('every grader on the page is one that is understood, and every type is on the page', () => {
  const types = new Set(documented.map(spec => (spec as { type?: string }).type))
  for (const spec of documented) {
    const namesPath = /reward\.ts|exact\.json|runs\//.test(JSON.stringify(spec))
    if (namesPath) assert.throws(() => { check(spec) }, /there is no file|there is no folder|cannot be read/)
    else check(spec)
  }
  const [, known = ''] = /known are (.*)\.$/.exec(messageOf(() => { check({}) }))!
  for (const type of known.split(', ')) assert.ok(types.has(type), `${type} is not on the page`)
})

/** Specs with one thing wrong, more or less: a value replaced, a field left out, a field added. */
function damaged(spec: unknown, random: Random): unknown {
  const junk = [null, 0, -1, 1e308, '', '{{', '{{item.__proto__}}', 'a'.repeat(3_000), [], {}, true, [[]], { type: 'multi' }, '(', '../x']
  const any = () => junk[random.below(junk.length)]
  if (Array.isArray(spec)) return random.below(3) === 0 ? any() : spec.map(entry => (random.below(2) === 0 ? damaged(entry, random) : entry as unknown))
  if (typeof spec !== 'object' || spec === null) return any()
  const entries = Object.entries(spec).filter(() => random.below(8) > 0)
  if (random.below(6) === 0) entries.push([['extra', '__proto__', 'constructor', 'type'][random.below(4)]!, any()])
  return JSON.parse(JSON.stringify(Object.fromEntries(entries.map(([key, value]) =>
    [key, random.below(3) === 0 ? damaged(value, random) : value as unknown])))) as unknown
}

test('whatever a spec holds, it is understood or refused with a UserError that says where', () => {
  const random = new Random(11)
  let refused = 0
  for (let trial = 0; trial < 3_000; trial++) {
    const spec = damaged(documented[random.below(documented.length)], random)
    try {
      check(spec)
    } catch (error) {
      assert.ok(error instanceof UserError, `${JSON.stringify(spec).slice(0, 300)}: ${String(error).slice(0, 300)}`)
      assert.equal(error.exitCode, 2)
      assert.match(error.message, /^grader/)
      refused++
    }
  }
  assert.ok(refused > 1_000 && refused < 3_000, String(refused))
})

function messageOf(work: () => void): string {
  try {
    work()
  } catch (error) {
    return (error as Error).message
  }
  return assert.fail('it was understood')
}
