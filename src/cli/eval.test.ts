import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'

import { posttrain } from './fixtures/command-line.ts'

const fixtures = join(import.meta.dirname, '..', 'models', 'fixtures')
const tiny = join(fixtures, 'tiny-llama')
const folder = mkdtempSync(join(tmpdir(), 'posttrain-eval-'))
after(() => { rmSync(folder, { recursive: true }) })

/** Runs `posttrain eval` in the test's folder. */
function evaluate(...args: string[]): ReturnType<typeof posttrain> {
  return posttrain(['eval', '--threads', '1', '--max-tokens', '8', ...args], { cwd: folder, env: { POSTTRAIN_CACHE: join(folder, 'cache') } })
}

function write(name: string, ...values: object[]): string {
  writeFileSync(join(folder, name), values.map(value => `${JSON.stringify(value)}\n`).join(''))
  return name
}

const data = write('rows.jsonl', ...['one', 'two', 'three', 'four'].map(word => ({ prompt: `say ${word}`, word })))
writeFileSync(join(folder, 'reward.ts'), `
export default ({ output_text: text }: { output_text: string }, { word }: { word: string }) => {
  console.log('printed by the function')
  if (word === 'two') throw new Error('no two')
  return text.length
}
`)
const grader = write('grader.json', [
  { grader: { type: 'function', name: 'characters', file: 'reward.ts' }, weight: 0.01 },
  { grader: { type: 'string_check', name: 'says', input: '{{sample.output_text}}', reference: '{{item.word}}', operation: 'ilike' }, weight: 1 },
])

describe('posttrain eval', { concurrency: 2 }, () => {
  test('pairs need no grader: how often the chosen answer is preferred', async () => {
    const pairs = write('pairs.jsonl', ...['one', 'two'].map(word => ({ prompt: `say ${word}`, chosen: word, rejected: 'no' })))
    const { code, out, log } = await evaluate('--model', tiny, '--data', pairs)
    assert.equal(code, 0, log)
    assert.match(out, /^2 pairs; .*\n {2}by log-probability +\d+\.\d% \(/)
  })

  test('the mean reward, its components, what could not be graded, and every completion in a file', async () => {
    const { code, out } = await evaluate('--model', tiny, '--data', data, '--grader', grader, '--output', 'out.jsonl')
    assert.equal(code, 0)
    assert.match(out, /^reward {2}\d+\.\d{4} {2}95% \[\d+\.\d{4}, \d+\.\d{4}\] {2}\(4 rows\)\n {2}characters {2}\d/)
    assert.match(out, /without a reward: 1 of 4 \(25\.0%\)\n {2}1 x characters: the function threw: no two\n/)
    assert.ok(!out.includes('printed'))
    const lines = readFileSync(join(folder, 'out.jsonl'), 'utf8').trimEnd().split('\n').map(line => JSON.parse(line) as Record<string, unknown>)
    assert.deepEqual(lines.map(({ where, prompt }) => [where, prompt]), [1, 2, 3, 4].map((line, i) =>
      [`rows.jsonl:${line}`, `say ${['one', 'two', 'three', 'four'][i]!}`]))
    assert.deepEqual(lines[1]!['reward'], null)
    assert.equal(lines[1]!['error'], 'characters: the function threw: no two')
    const { completion, reward, components } = lines[0] as { completion: string; reward: number; components: Record<string, number> }
    assert.deepEqual(components, { characters: completion.length, says: 0 })
    assert.ok(Math.abs(reward - 0.01 * completion.length) < 1e-12)
  })

  test('--json: one object; samples of a row count once', async () => {
    const { code, out } = await evaluate('--model', tiny, '--data', data, '--grader', grader, '--samples', '3', '--temperature', '1', '--json')
    assert.equal(code, 0)
    const summary = JSON.parse(out) as Record<string, unknown>
    assert.deepEqual(Object.keys(summary), ['rows', 'completions', 'reward', 'components', 'reasons', 'without_reward'])
    assert.deepEqual([summary['rows'], summary['completions'], summary['without_reward']], [4, 12, 3])
  })

  test('two models: both means, the difference, the win rate and what changed', async () => {
    const { code, out } = await evaluate(
      '--model', tiny, '--data', data, '--grader', grader, '--compare-adapter', join(tiny, 'adapter'), '--output', 'both.jsonl',
    )
    assert.equal(code, 0)
    assert.match(out, /^A {2}reward .*\n/)
    assert.match(out, /\nB {2}reward .*\n/)
    assert.match(out, /\nB - A {2}-?\d\.\d{4} {2}95% \[/)
    assert.match(out, /\nB wins \d, loses \d, ties \d: win rate \d+\.\d% \[.*\], sign test p = \d/)
    assert.equal(readFileSync(join(folder, 'both.jsonl'), 'utf8').trimEnd().split('\n').length, 8)
  })

  test('a model beside itself: no difference, every row a tie', async () => {
    const { out } = await evaluate('--model', tiny, '--data', data, '--grader', grader, '--compare-model', tiny, '--json')
    const { difference, win_rate: wins, better, worse } = JSON.parse(out) as Record<string, unknown>
    assert.deepEqual(difference, { value: 0, low: 0, high: 0 })
    const { wins: won, losses, ties, rate, p_value: p } = wins as Record<string, unknown>
    assert.deepEqual([won, losses, ties, rate, p, better, worse], [0, 0, 3, 0.5, 1, [], []])
  })

  test('nothing could be graded: exit code 1 with the reason', async () => {
    write('fails.json', { type: 'string_check', input: 'x', reference: '{{item.word.length}}', operation: 'eq' })
    const { code, log } = await evaluate('--model', tiny, '--data', data, '--grader', 'fails.json')
    assert.equal(code, 1)
    assert.match(log, /No answer could be graded: \{\{item\.word\.length\}\}: there is no "length"/)
  })
})

describe('asked wrongly: exit code 2, and nothing is written', { concurrency: 2 }, () => {
  write('unknown.json', { type: 'string_check', input: 'x', reference: 'x', operation: 'eq', wieght: 1 })
  write('field.json', { type: 'string_check', input: 'x', reference: '{{item.wrod}}', operation: 'eq' })
  write('formula.json', { type: 'multi', graders: { a: { type: 'length', unit: 'words', max: 3 } }, calculate_output: 'b' })
  write('answered.jsonl', { messages: [{ role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }] })
  const cases: Readonly<Record<string, readonly [args: string[], log: RegExp]>> = {
    'no grader': [['--model', tiny, '--data', data], /--grader is missing/],
    'no model': [['--data', data, '--grader', grader], /--model is missing/],
    'a grader that is not there': [['--model', tiny, '--data', data, '--grader', 'none.json'], /none\.json: there is no such file/],
    'an unknown field': [['--model', tiny, '--data', data, '--grader', 'unknown.json'], /unknown\.json: unknown field "wieght"; known are/],
    'a field that no row has': [
      ['--model', tiny, '--data', data, '--grader', 'field.json'], /rows\.jsonl:1: the row has no field "wrod".*did you mean "word"\?/,
    ],
    'a formula with an unknown name': [
      ['--model', tiny, '--data', data, '--grader', 'formula.json'], /formula\.json\.calculate_output: there is no grader "b"/,
    ],
    'rows that are answered': [['--model', tiny, '--data', 'answered.jsonl', '--grader', grader], /answered\.jsonl:1: .*must end with a user turn/],
    'samples without chance': [['--model', tiny, '--data', data, '--grader', grader, '--samples', '2'], /--samples needs --temperature above 0/],
    'an output in no folder': [['--model', tiny, '--data', data, '--grader', grader, '--output', 'none/x.jsonl'], /there is no directory none/],
  }
  for (const [name, [args, log]] of Object.entries(cases)) {
    test(name, async () => {
      const ended = await evaluate('--output', 'wrong.jsonl', ...args)
      assert.match(ended.log, log)
      assert.deepEqual([ended.code, ended.out], [2, ''])
      assert.ok(!existsSync(join(folder, 'wrong.jsonl')))
    })
  }
})
