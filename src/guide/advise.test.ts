import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { datasetBody } from '../feedback/dataset-spec.ts'
import { createDataset, exportSplit } from '../feedback/datasets.ts'
import { importLogs, readLogs } from '../feedback/import.ts'
import { Redactor } from '../feedback/redact.ts'
import { methods } from '../methods/index.ts'
import { openStore, type Store } from '../store/index.ts'
import { parseRecipe, type Recipe } from '../train/recipe.ts'
import { train } from '../train/train.ts'
import { decisionTable } from './decision-table.ts'
import type { DatasetToMake } from './facts.ts'
import { giveAdvice, type AdviceRequest, type FullAdvice } from './gather.ts'
import { runsIn } from './run-facts.ts'
import { storeFacts } from './store-facts.ts'

const root = mkdtempSync(join(tmpdir(), 'advise-'))
after(() => { rmSync(root, { recursive: true }) })
const model = join(import.meta.dirname, '../models/fixtures/tiny-llama')

function write(name: string, rows: readonly object[]): string {
  const path = join(root, name)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return path
}

const ask = (request: Partial<AdviceRequest> & { readonly paths?: readonly string[] } = {}): Promise<FullAdvice> => {
  const { paths = [], ...rest } = request
  return giveAdvice({ files: paths.map((path) => ({ path, name: path })), model: { name: model, path: model }, runs: [], ...rest })
}

const count = 24
const numbered = <Row extends object>(row: (i: number) => Row): Row[] => Array.from({ length: count }, (_, i) => row(i))
const drugs = ['aspirin', 'ibuprofen', 'insulin', 'heparin', 'codeine', 'digoxin']
const drugOf = (i: number): string => drugs[i % drugs.length]!
const conversation = (user: string, assistant: string) => ({ messages: [{ role: 'user', content: user }, { role: 'assistant', content: assistant }] })

const medical = numbered((i) => conversation(`Patient ${i} takes ${drugOf(i)}. What to watch?`, `With ${drugOf(i)}, ask patient ${i} about bleeding, and repeat the test in ${i + 1} weeks.`))
const orders = numbered((i) => conversation(`I want ${i + 1} of the ${drugOf(i)}`, JSON.stringify({ item: drugOf(i), count: i + 1 })))
const pairs = numbered((i) => ({ prompt: `Explain ${drugOf(i)} ${i}`, chosen: `In short: it helps. ${i}`, rejected: `You would not understand. ${i}` }))
const thumbs = numbered((i) => ({ prompt: `Where is order ${i}?`, completion: `It is on its way, number ${i}.`, label: i % 3 === 0 }))
const sums = numbered((i) => ({ prompt: `What is ${i} + ${2 * i}?`, answer: String(3 * i) }))
const prompts = numbered((i) => ({ prompt: `Tell me about ${drugOf(i)}, please, ${i}` }))

/** A run of full fine-tuning that has forgotten what the model knew, and one of KTO that has plateaued, by really training. */
async function trained(): Promise<{ forgetful: string; plateau: string }> {
  const [forgetful, plateau] = [join(root, 'forgetful'), join(root, 'plateau')]
  const data = write('runs-sft.jsonl', medical)
  await train({ model, method: 'sft', data, adapter: { type: 'none' }, optimizer: { lr: 0.03 }, steps: 24, max_length: 128, output: join(forgetful, 'full') })
  const labelled = write('runs-thumbs.jsonl', thumbs)
  await train({
    model, method: 'kto', data: labelled, eval: labelled, base: { precision: 'f32' }, optimizer: { lr: 0.01 }, schedule: { name: 'cosine' }, batch: 8,
    steps: 12, eval_every: 2, max_length: 128, output: join(plateau, 'kto'),
  })
  return { forgetful, plateau }
}

/** A dataset of the store as a file, made as the advice says. */
async function made(store: Store, redactor: Redactor, dataset: DatasetToMake): Promise<string> {
  const { id } = await createDataset(store, datasetBody.parse(dataset), redactor)
  const path = join(root, `${dataset.name}-made.jsonl`)
  for await (const line of exportSplit(store, id, 'train')) appendFileSync(path, line)
  return path
}

describe('ten situations, told from the data alone', async () => {
  const runs = await trained()
  const store = await openStore({ directory: join(root, 'store') })
  const redactor = new Redactor({ enabled: true, patterns: [] })
  after(async () => {
    await redactor.close()
    await store.close()
  })
  const situations: Readonly<Record<string, () => Promise<FullAdvice>>> = {
    'domain': () => ask({ paths: [write('medical.jsonl', medical)] }),
    'format': () => ask({ paths: [write('orders.jsonl', orders)] }),
    'limited-compute': () => ask({ paths: [write('medical.jsonl', medical)], memoryMb: 64 }),
    'variants': () => ask({
      paths: ['formal', 'short', 'warm'].map((tone) => write(`${tone}.jsonl`, numbered((i) => conversation(`Where is order ${i}?`, `${tone}: order ${i} is on its way`)))),
    }),
    'cold-start': () => ask({ paths: [write('thumbs.jsonl', thumbs)] }),
    'pairs': () => ask({ paths: [write('pairs.jsonl', pairs)] }),
    'logs': async () => {
      const log = write('log.jsonl', thumbs.map(({ label, ...row }) => ({ ...row, thumbs: label })))
      await importLogs(store, redactor, (await readLogs([log], { names: {} })).records, {})
      return await ask({ store: await storeFacts(store) })
    },
    'safety': () => ask({ paths: [write('helpful.jsonl', pairs), write('harmless.jsonl', pairs.map((row) => ({ ...row, prompt: `${row.prompt}!` }))), write('prompts.jsonl', prompts)] }),
    'reasoning': () => ask({ paths: [write('sums.jsonl', sums)] }),
    'forgetting': () => ask({ paths: [write('medical.jsonl', medical)], runs: runsIn(runs.forgetful, model) }),
  }

  test('each row of the decision table is one of them', () => {
    assert.deepEqual(Object.keys(situations).toSorted(), decisionTable.map(({ id }) => id).toSorted())
  })

  for (const { id, recommended } of decisionTable) {
    test(`${id}: ${recommended}, with recipes that train`, async () => {
      const { advice, estimates } = await situations[id]!()
      assert.equal(advice.decision?.id, id, advice.reasons.join(' '))
      assert.equal(advice.decision.recommended, recommended)
      assert.match(advice.reasons.join(' '), /\d/, 'reasons have the numbers they come from')
      assert.ok(advice.runs.length > 0, 'there is a recipe')
      process.chdir(mkdtempSync(join(root, 'work-')))
      for (const [i, { yaml, datasets }] of advice.runs.entries()) {
        const recipe = parseRecipe(yaml, 'advice.yaml', methods)
        const [dataset] = datasets
        assert.equal(estimates[i] === null, dataset !== undefined, 'rows that are not there yet have no estimate')
        const data = dataset === undefined ? recipe.data : await made(store, redactor, dataset)
        const { finished, steps } = await train({ ...recipe, data } as Recipe)
        assert.ok(finished)
        if (estimates[i] != null) assert.ok(steps === estimates[i].steps && estimates[i].seconds > 0 && estimates[i].memoryMb > 0)
      }
    })
  }

  test('an offline method that has plateaued calls for reinforcement', async () => {
    const tried = { runs: runsIn(runs.plateau, model) }
    const verified = await ask({ ...tried, paths: [write('thumbs.jsonl', thumbs), write('sums.jsonl', sums)] })
    assert.equal(verified.advice.decision?.recommended, 'GRPO')
    assert.match(verified.advice.reasons.join(' '), /KTO.*plateaued/)
    assert.match(verified.advice.runs[0]!.yaml, /init: .*plateau.kto.adapter/)
    const compared = await ask({ ...tried, paths: [write('pairs.jsonl', pairs)] })
    assert.equal(compared.advice.decision?.recommended, 'RLHF / PPO')
    process.chdir(mkdtempSync(join(root, 'work-')))
    for (const { yaml } of compared.advice.runs) assert.ok((await train(parseRecipe(yaml, 'advice.yaml', methods))).finished)
    assert.deepEqual(compared.advice.runs.map(({ recipe }) => recipe.method), ['reward', 'ppo'])
  })
})
