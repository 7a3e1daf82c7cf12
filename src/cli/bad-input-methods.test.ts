/** Bad input of preference and reinforcement learning through the real command line. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { readLines } from '../train/lines.ts'
import type { Sample, StepMetrics, StoredEvent } from '../train/records.ts'
import { checkCases, started } from './fixtures/bad-input.ts'
import { type Files, fixtures } from './fixtures/broken-models.ts'

const tiny = join(fixtures, 'tiny-llama')
const train = ['train', 'recipe.yaml']
const set = (...assignments: string[]): string[] => [...train, ...assignments.flatMap(text => ['--set', text])]

const lines = (...rows: readonly object[]): string => rows.map(row => `${JSON.stringify(row)}\n`).join('')
const pair = { prompt: 'say one', chosen: 'one', rejected: 'two' }
const thumb = (label: unknown, word = 'one'): object => ({ prompt: `say ${word}`, completion: word, label })
const prompts = lines({ prompt: 'say one', answer: 'one' }, { prompt: 'say two', answer: 'two' })

/** A folder with a recipe and rows for the method. */
function folderOf(method: string, rows: string, block: object = {}, others: Files = {}): Files {
  const recipe = {
    model: tiny, method, data: 'rows.jsonl', steps: 2, batch: 2, base: { precision: 'f32' }, output: 'run', [method]: block,
  }
  return { 'rows.jsonl': rows, 'recipe.yaml': JSON.stringify(recipe, null, 1), ...others }
}

const length = { type: 'length', unit: 'words', max: 3 }
const grpo = (block: object = {}, rows = prompts): Files =>
  folderOf('grpo', rows, { reward: length, group_size: 2, max_new_tokens: 4, ...block })
const exact = (reference: string): object => ({ type: 'string_check', input: '{{sample.output_text}}', reference, operation: 'eq' })

checkCases('pairs and thumbs', {
  'equal sides': {
    args: train, files: folderOf('dpo', lines(pair, { ...pair, rejected: 'one' })),
    says: ['rows.jsonl:2: rejected: chosen and rejected are the same', 'remove the row'], code: 2,
  },
  'prompt that is not a prefix': {
    args: set('template=none'), files: folderOf('dpo', lines({ prompt: 'say t', chosen: 'he other', rejected: 'hat' })),
    says: ['rows.jsonl:1: the prompt\'s tokens are not the first of the row\'s', 'let the prompt end before a space'], code: 2,
  },
  'a label that is no boolean': {
    args: train, files: folderOf('kto', lines(thumb(true), thumb('true'))),
    says: ['rows.jsonl:2: label: must be true (thumb up) or false (thumb down), not "true"'], code: 2,
  },
  'thumbs to DPO': {
    args: train, files: folderOf('dpo', lines(thumb(true), thumb(false))),
    says: ['rows.jsonl:1: the row has the fields prompt, completion, label', 'Rows like these are for method kto'], code: 2,
  },
  'pairs to KTO': {
    args: train, files: folderOf('kto', lines(pair)),
    says: ['rows.jsonl:1: the row has the fields prompt, chosen, rejected', 'Rows like these are for method dpo or reward'], code: 2,
  },
  'pairs to SFT': { args: train, files: folderOf('sft', lines(pair)), says: ['are for method dpo or reward'], code: 2 },
  'a thumb down to SFT': {
    args: train, files: folderOf('sft', lines(thumb(true), thumb(false))),
    says: ['rows.jsonl:2: label: is false: a rejected answer is not to be learned; remove the row'], code: 2,
  },
  'held-out rows of another kind': {
    args: set('eval=eval.jsonl'), files: folderOf('dpo', lines(pair), {}, { 'eval.jsonl': lines(thumb(true)) }),
    says: ['eval.jsonl:1: the row has', 'Rows like these are for method kto'], code: 2,
  },
  'KTO with a batch of one': {
    args: set('batch=1'), files: folderOf('kto', lines(thumb(true), thumb(false))),
    says: ['batch method kto needs at least 2 rows in a step'], code: 2,
  },
}, {})

checkCases('prompts and rewards', {
  'a group of one': {
    args: train, files: grpo({ group_size: 1 }),
    says: [/recipe\.yaml:\d+: grpo\.group_size must be at least 2: an answer is judged by the others of its group/], code: 2,
  },
  'no reward': { args: set('grpo.reward='), files: grpo(), says: ['grpo.reward is missing: give a grader'], code: 2 },
  'unknown field of a grader': {
    args: train, files: grpo({ reward: { ...length, maxx: 3 } }), says: ['grpo.reward: unknown field "maxx"; did you mean "max"?'], code: 2,
  },
  'unknown field of a grader in a file': {
    args: train, files: { ...grpo({ reward: 'reward.json' }), 'reward.json': JSON.stringify({ ...length, unti: 1 }) },
    says: ['reward.json: unknown field "unti"; did you mean "unit"?'], code: 2,
  },
  'formula with an unknown name': {
    args: train,
    files: grpo({ reward: { type: 'multi', name: 'both', calculate_output: 'short + lnog', graders: { short: length, long: length } } }),
    says: ['grpo.reward.calculate_output: there is no grader "lnog"; did you mean "long"?'], code: 2,
  },
  'a field that a row does not have': {
    args: train, files: grpo({ reward: exact('{{item.answer}}') }, prompts + lines({ prompt: 'say three', anwser: 'three' })),
    says: ['rows.jsonl:3: the row has no field "answer"', 'did you mean "anwser"?'], code: 2,
  },
  'a field that a held-out row does not have': {
    args: set('eval=eval.jsonl'), files: { ...grpo({ reward: exact('{{item.answer}}') }), 'eval.jsonl': lines({ prompt: 'say three' }) },
    says: ['eval.jsonl:1: the row has no field "answer"'], code: 2,
  },
  'a function that is not there': {
    args: train, files: grpo({ reward: { type: 'function', file: 'reward.ts' } }), says: ['grpo.reward', 'reward.ts'], code: 2,
  },
  'prompts longer than max_length': {
    args: set('max_length=8'), files: grpo(), says: ['max_length 8 cuts into the prompt of every row', 'rows.jsonl:1'], code: 2,
  },
  'no room for an answer in the context': {
    args: set('ppo.max_new_tokens=500'), files: folderOf('ppo', prompts, { reward: length }),
    says: [/rows\.jsonl:1: the prompt has \d+ tokens, which leaves no room for max_new_tokens \(500\) in the model's context of 512/], code: 2,
  },
  'a conversation that is answered already': {
    args: train, files: grpo({}, lines({ messages: [{ role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }] })),
    says: ['rows.jsonl:1: messages: must end with a user turn'], code: 2,
  },
  'TRL\'s names': {
    args: train, files: grpo({ num_generations: 4, max_completion_length: 3 }),
    says: ['unknown key grpo.num_generations; did you mean group_size?', 'unknown key grpo.max_completion_length; did you mean max_new_tokens?'],
    code: 2,
  },
  'TRL\'s name outside of the block': {
    args: set('num_generations=4'), files: grpo(), says: ['unknown key num_generations; did you mean grpo.group_size?'], code: 2,
  },
}, {})

describe('rows that are learned otherwise than meant', { concurrency: 2 }, () => {
  const warned = async (name: string, files: Files): Promise<string> => {
    const { ended, folder } = await started(name, train, { files })
    assert.equal(ended.code, 0, ended.log)
    const events = readLines<StoredEvent>(join(folder, 'run/events.jsonl')).filter(({ type }) => type === 'warning')
    for (const event of events) assert.ok('message' in event && ended.log.includes(`warning: ${String(event.message)}`))
    return ended.log
  }

  test('thumbs of one class: what is missing, and what to do', async () => {
    const up = await warned('thumbs-up', folderOf('kto', lines(thumb(true), thumb(true, 'two'))))
    assert.match(up, /warning: all 2 rows have label true: nothing says what to avoid\. Add rows with label false, or .*method: sft/)
    const down = await warned('thumbs-down', folderOf('kto', lines(thumb(false), thumb(false, 'two'))))
    assert.match(down, /warning: all 2 rows have label false: nothing says what is wanted\. Add rows with label true/)
  })

  test('thumbs out of balance: the weight that balances them, with which nothing is said', async () => {
    const rows = lines(thumb(true), thumb(true, 'two'), thumb(true, 'three'), thumb(false, 'four'))
    assert.match(await warned('unbalanced', folderOf('kto', rows)), /warning: 3 rows have label true and 1 false: .*undesirable_weight: 3 would balance/)
    assert.doesNotMatch(await warned('balanced', folderOf('kto', rows, { undesirable_weight: 3 })), /warning/)
  })

  test('prompts that are longer than max_length are left out, and counted', async () => {
    const files = grpo({}, prompts + lines({ prompt: 'say a great many words indeed '.repeat(8) }))
    const { ended } = await started('long-prompts', set('max_length=100'), { files })
    assert.match(ended.log, /warning: rows\.jsonl: 1 rows are left out, their prompts are longer than max_length \(the first is rows\.jsonl:3\)/)
    assert.equal(ended.code, 0, ended.log)
  })
})

describe('a reward function that fails: the run goes on, and says so once', { concurrency: 2 }, () => {
  const functions: Readonly<Record<string, readonly [body: string, reason: RegExp]>> = {
    throws: ['throw new Error(`no ${item.answer}`)', /no one|no two/],
    hangs: ['while (true) {}', /longer than 300 ms|300 ms/],
    'returns NaN': ['return NaN', /NaN/],
  }
  for (const [name, [body, reason]] of Object.entries(functions)) {
    test(name, async () => {
      // It fails for one of the two prompts.
      const source = `export default (sample, item) => {\n  if (item.answer === 'one') { ${body} }\n  return sample.output_text.length\n}\n`
      const reward = { type: 'function', file: 'reward.ts', timeout_ms: 300 }
      const { folder, ended } = await started(`function ${name}`, set('eval=rows.jsonl'), { files: { ...grpo({ reward }), 'reward.ts': source } })
      assert.equal(ended.code, 0, ended.log)
      assert.equal(ended.log.match(/warning: .* got no reward and are left out/g)?.length, 1, ended.log)
      assert.match(ended.log, /warning: 1 of 2 answers of step 0 got no reward and are left out \(.*\); frac_reward_null counts them/)
      assert.match(ended.log, reason)
      const metrics = readLines<StepMetrics>(join(folder, 'run/metrics.jsonl'))
      assert.deepEqual(metrics.map(({ frac_reward_null }) => frac_reward_null), [0.5, 0.5])
      const failed = readLines<Sample>(join(folder, 'run/samples.jsonl')).filter(sample => sample.reward === null)
      assert.ok(failed.length > 0 && failed.every(({ error }) => reason.test(error ?? '')))
      assert.match(readFileSync(join(folder, 'run/report.md'), 'utf8'), /got no reward/)
    })
  }

  test('for every answer: no reward is logged, and nothing is learned', async () => {
    const files = { ...grpo({ reward: { type: 'function', file: 'reward.ts' } }), 'reward.ts': 'export default () => { throw new Error("never") }\n' }
    const { folder, ended } = await started('function always throws', set('eval=rows.jsonl'), { files })
    assert.equal(ended.code, 0, ended.log)
    for (const step of readLines<StepMetrics>(join(folder, 'run/metrics.jsonl'))) {
      assert.deepEqual([step['reward'], step.loss, step.grad_norm, step['frac_reward_null']], [undefined, 0, 0, 1])
    }
  })
})
