import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { checkGrader } from '../evaluate/graders/index.ts'
import { methods } from '../methods/index.ts'
import { tinyConfig } from '../models/random-model.ts'
import { Random } from '../random.ts'
import { checkRecipe, methodSettings, parseRecipe } from '../train/recipe.ts'
import { advise, type Advice } from './advise.ts'
import { situationIds } from './decision-table.ts'
import type { DataFacts, Facts, RunFacts } from './facts.ts'
import { giveAdvice } from './gather.ts'
import { runsIn } from './run-facts.ts'

const small = tinyConfig({ hiddenSize: 576, intermediateSize: 1536, layers: 30, heads: 9, kvHeads: 3, headDim: 64, vocabSize: 49152, maxPositions: 8192 })

function data(kind: DataFacts['kind'], rows: number, more: Partial<DataFacts> = {}): DataFacts {
  return {
    name: `${kind}.jsonl`, kind, rows, broken: 0, duplicates: 0, conflicts: 0,
    lengths: { median: 100, percentile95: 200, longest: 250, basis: 'tokens' }, ...more,
  }
}

const thumbs = (up: number, down: number): DataFacts => data('labelled', up + down, { labels: { up, down } })
const sums = data('prompts', 200, { check: { fields: ['answer'], compare: 'number', longest: 3 } })

function facts(files: readonly DataFacts[], more: Partial<Facts> = {}): Facts {
  return { data: files, variants: 1, runs: [], machine: { memoryMb: 64_000, cores: 2, cpu: 'x' }, model: { name: 'm', config: small }, ...more }
}

const on = (files: readonly DataFacts[], more: Partial<Facts> = {}): Advice => advise(facts(files, more))
const ran = (method: string, more: Partial<RunFacts> = {}): RunFacts => ({ name: `runs/${method}`, method, adapter: 'lora', output: `runs/${method}/adapter`, plateau: false, forgets: false, ...more })
const idOf = ({ decision }: Advice): string | undefined => decision?.id
const recipeOf = ({ runs }: Advice) => checkRecipe(runs[0]!.recipe, methods)
const initOf = (advice: Advice): string | undefined => {
  const { adapter } = recipeOf(advice)
  return adapter.type === 'lora' ? adapter.init : undefined
}

describe('how much there is', () => {
  test('ten rows are the fewest that say anything', () => {
    assert.equal(idOf(on([data('pairs', 9)])), undefined)
    assert.equal(idOf(on([data('pairs', 10)])), 'pairs')
    assert.equal(idOf(on([data('sft', 9), thumbs(30, 30)])), 'cold-start', 'nine demonstrations are no reason to wait with thumbs')
    assert.equal(idOf(on([])), undefined)
  })

  test('thumbs of one side have no recipe, and what to do is said', () => {
    for (const [up, down, what] of [[40, 0, /demonstrations, for SFT/], [0, 40, /Corrections/]] as const) {
      const advice = on([thumbs(up, down)])
      assert.equal(idOf(advice), 'cold-start')
      assert.equal(advice.runs.length, 0)
      assert.match(advice.warnings.join(' '), what)
    }
  })

  test('the rarer thumb weighs more, up to a bound', () => {
    const weights = (up: number, down: number): readonly unknown[] => {
      const { desirable_weight: desirable, undesirable_weight: undesirable } = on([thumbs(up, down)]).runs[0]!.recipe['kto'] as Record<string, number>
      return [desirable, undesirable]
    }
    assert.deepEqual(weights(40, 30), [undefined, undefined], 'four to three is even enough')
    assert.deepEqual(weights(41, 30), [undefined, 1.4])
    assert.deepEqual(weights(30, 90), [3, undefined])
    assert.deepEqual(weights(999, 1), [undefined, 10])
    assert.match(on([thumbs(999, 1)]).warnings.join(' '), /by 10, which makes up for their number, not for what 1 answers cannot show/)
    assert.equal(recipeOf(on([thumbs(30, 90)])).shuffle, true, 'a sorted file would give steps of one side alone')
  })
})

describe('what was trained before', () => {
  test('demonstrations first; then preferences, from the adapter that came of them', () => {
    const files = [data('sft', 300, { form: 'json' }), data('pairs', 300)]
    assert.equal(idOf(on(files)), 'format')
    const after = on(files, { runs: [ran('sft')] })
    assert.equal(idOf(after), 'pairs')
    assert.equal(initOf(after), 'runs/sft/adapter')
    const { output: _, ...full } = ran('sft', { adapter: 'none' })
    assert.equal(initOf(on(files, { runs: [ran('sft'), full] })), undefined, 'what trained every weight has no adapter')
  })

  test('only the last preference run has plateaued or not', () => {
    const files = [data('pairs', 300), sums]
    const plateaued = on(files, { runs: [ran('sft'), ran('dpo', { plateau: true })] })
    assert.equal(idOf(plateaued), 'reasoning')
    assert.equal(initOf(plateaued), 'runs/dpo/adapter')
    assert.equal(idOf(on(files, { runs: [ran('dpo', { plateau: true }), ran('kto')] })), 'pairs')
    assert.match(on([thumbs(60, 60)], { runs: [ran('kto', { plateau: true })] }).reasons.join(' '), /new thumbs may bring more, the same ones will not/)
  })

  test('forgetting is of the last run: one that was done over with an adapter is over', () => {
    const full = ran('sft', { adapter: 'none', forgets: true, generalChange: 0.3 })
    assert.equal(idOf(on([data('sft', 300)], { runs: [full] })), 'forgetting')
    assert.equal(idOf(on([data('sft', 300)], { runs: [full, ran('sft')] })), 'domain')
  })
})

describe('what fits', () => {
  const longest = (tokens: number): DataFacts => data('sft', 300, { lengths: { median: 100, percentile95: 200, longest: tokens, basis: 'tokens' } })
  const machine = (memoryMb: number): Partial<Facts> => ({ machine: { memoryMb, cores: 2, cpu: 'x' } })

  test('a base in four bits where eight do not fit; int4 where the model comes so', () => {
    assert.equal(recipeOf(on([longest(250)], machine(8000))).base.precision, 'auto')
    const tight = on([longest(250)], machine(1500))
    assert.equal(idOf(tight), 'limited-compute')
    assert.equal(recipeOf(tight).base.precision, 'nf4')
    assert.equal(recipeOf(on([longest(250)], { ...machine(1500), model: { name: 'm', config: small, fourBit: true } })).base.precision, 'int4')
  })

  test('rows that take too much are cut, where fewer bits would not help', () => {
    const advice = on([longest(6000)], machine(8000))
    assert.equal(idOf(advice), 'domain')
    assert.equal(recipeOf(advice).max_length, 1024)
    assert.match(advice.warnings.join(' '), /longest row has 6000 tokens, and the recipe cuts rows after 1024: \d+ MB would be needed/)
    assert.equal(recipeOf(on([longest(6000)], machine(1e6))).max_length, 8192)
  })

  test('a model that was not opened takes what its rows ask for', () => {
    const { base, max_length: room } = recipeOf(on([longest(6000)], { model: { name: 'm' } }))
    assert.deepEqual([base.precision, room], ['auto', 8192])
  })
})

test('held-out rows count for the runs that can measure on them', () => {
  const held = (kind: DataFacts['kind'], more = {}): Partial<Facts> => ({ heldOut: { name: 'eval.jsonl', kind, rows: 30, broken: 0, leaked: 0, ...more } })
  assert.equal(recipeOf(on([data('pairs', 300)], held('pairs'))).eval, 'eval.jsonl')
  const strange = on([data('pairs', 300)], held('sft'))
  assert.equal(recipeOf(strange).eval, undefined)
  assert.match(strange.warnings.join(' '), /dpo takes pairs: they are not used/)
  assert.match(on([data('pairs', 300)], held('pairs', { broken: 2, leaked: 3 })).warnings.join(' '), /2 held-out rows cannot be used.*3 of the 30/)
  const [reward, ppo] = on([data('pairs', 300), data('prompts', 99)], { goal: 'safety', ...held('prompts') }).runs
  assert.deepEqual([reward!.recipe.eval, ppo!.recipe.eval], [undefined, 'eval.jsonl'])
})

test('a goal whose rows are not there has no recipe, and says what it takes', () => {
  for (const goal of situationIds) {
    const { runs, warnings, decision } = on([], { goal })
    assert.equal(decision?.id, goal)
    assert.equal(runs.length, 0)
    assert.match(warnings.join(' '), /no recipe yet: it takes/)
  }
  assert.match(on([data('prompts', 99)], { goal: 'reasoning' }).warnings.join(' '), /write a grader/)
})

test('whatever a team has, each recipe that is advised is one', () => {
  const random = new Random(3)
  const pick = <Value>(...values: readonly Value[]): Value => values[random.below(values.length)]!
  const count = (): number => pick(0, 1, 9, 10, 11, 17, 99, 100, 5000, 2_000_000)
  for (let i = 0; i < 2000; i++) {
    const files = Array.from({ length: random.below(4) }, (_, n) => {
      const kind = pick('sft', 'pairs', 'labelled', 'prompts')
      const [up, down] = [count(), count()]
      const longest = pick(3, 128, 129, 4000, 60_000)
      return data(kind, kind === 'labelled' ? up + down : count(), {
        name: `${kind}-${n}.jsonl`, lengths: { median: 3, percentile95: 3, longest, basis: pick('tokens', 'characters') },
        ...(kind === 'labelled' && { labels: { up, down } }),
        ...(kind === 'pairs' && { asPrompts: pick(true, false) }),
        ...(kind === 'prompts' && pick(true, false) && { check: { fields: pick(['answer'], ['party', 'due date', '2nd']), compare: pick('number', 'text', 'json'), longest: count() } }),
      })
    })
    const advice = on(files, {
      goal: pick(undefined, undefined, ...situationIds),
      runs: Array.from({ length: random.below(3) }, () => ran(pick('sft', 'dpo', 'kto', 'reward', 'grpo'), { plateau: pick(true, false), forgets: pick(true, false), adapter: pick('lora', 'none') })),
      machine: { memoryMb: pick(100, 2000, 8000, 1e6), cores: 2, cpu: 'x' }, variants: pick(1, 3),
      ...pick({}, { heldOut: { name: 'eval.jsonl', kind: pick('sft', 'pairs', 'labelled', 'prompts'), rows: 20, broken: 0, leaked: 0 } }),
    } as Partial<Facts>)
    for (const { yaml } of advice.runs) {
      const recipe = parseRecipe(yaml, 'advice.yaml', methods)
      if (recipe.method === 'grpo') checkGrader((methodSettings(recipe) as { reward: unknown }).reward)
    }
    assert.ok(advice.runs.length > 0 || advice.decision === null || /no recipe/.test(advice.warnings.join(' ')), JSON.stringify(files))
    assert.doesNotMatch([...advice.reasons, ...advice.warnings].join(' '), /undefined|NaN|null/)
  }
})

describe('files and folders as they are', () => {
  const root = mkdtempSync(join(tmpdir(), 'situation-'))
  after(() => { rmSync(root, { recursive: true }) })
  const model = join(import.meta.dirname, '../models/fixtures/tiny-llama')
  const rows = Array.from({ length: 20 }, (_, i) => ({ prompt: `${i}?`, completion: `${i}!` }))
  const path = join(root, 'rows.jsonl')
  const ask = (runs = runsIn(join(root, 'runs'), model)) => giveAdvice({ files: [{ path, name: path }], model: { name: model, path: model }, runs })

  test('a row that cannot be used leaves the advice without an estimate, not without advice', async () => {
    writeFileSync(path, [...rows, { prompt: 'x' }].map((row) => `${JSON.stringify(row)}\n`).join(''))
    const { advice, estimates } = await ask()
    assert.equal(idOf(advice), 'domain')
    assert.deepEqual(estimates, [null])
    assert.match(advice.warnings.join(' '), /1 rows cannot be used; training refuses the file until they are mended \(the first: .*rows\.jsonl:21/)
  })

  test('runs of other models, and what is no run, say nothing', async () => {
    writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
    const folder = (name: string, recipe: string): void => {
      mkdirSync(join(root, 'runs', name), { recursive: true })
      for (const [file, text] of [['recipe.yaml', recipe], ['report.md', ''], ['events.jsonl', ''], ['metrics.jsonl', name === 'damaged' ? 'no line\n{"step": 2}\n' : '']]) {
        writeFileSync(join(root, 'runs', name, file!), text!)
      }
    }
    folder('other', 'model: another/model\nmethod: sft\ndata: x.jsonl\n')
    folder('unknown', 'model: [')
    folder('damaged', `model: ${model}\nmethod: sft\ndata: x.jsonl\n`)
    folder('mine', `model: ${model}\nmethod: sft\ndata: x.jsonl\n`)
    assert.deepEqual(runsIn(join(root, 'runs'), model).map(({ name }) => name.slice(root.length)).toSorted(), ['/runs/damaged', '/runs/mine'])
    assert.equal(idOf((await ask()).advice), 'domain')
  })
})
