import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { linearModules, parameterShapes } from '../models/graph/decoder.ts'
import { loraShapes } from '../models/graph/lora.ts'
import { tinyConfig } from '../models/random-model.ts'
import { guide } from './guide.ts'
import { references } from './references.ts'

const root = join(import.meta.dirname, '../..')

test('the decision table is the field guide’s', () => {
  assert.deepEqual(guide.decisions.map(({ situation, recommended, why }) => `${situation} | ${recommended} | ${why}`), [
    'Domain adaptation (medical, legal, e-commerce) | SFT + LoRA | Efficient domain shift without full retraining',
    'Enforce output format or style | SFT + LoRA | Format is a correctness problem: SFT is the right axis',
    'Limited compute / single-GPU fine-tuning | QLoRA | 4-bit quantization fits a 65B model on a single 48 GB GPU',
    'Serving multiple fine-tuned variants | Multi-LoRA | One base, many adapters, shared GPU',
    'Cold start, only binary feedback | KTO | No pairwise data needed, works on thumbs logs',
    'Pairwise preference alignment | DPO | Simpler than RLHF, matches PPO on most tasks',
    'Improve helpfulness or tone from existing logs | KTO | Binary signal is enough; no annotation pipeline',
    'Full safety alignment at scale | RLHF / PPO | Multi-objective optimization, highest ceiling',
    'Reasoning tasks (math, code) | GRPO | Verifiable reward, 40-60% less memory than PPO',
    'Prevent catastrophic forgetting | LoRA / PEFT | Frozen base weights preserve general capabilities',
  ])
})

test('every name that one part of the guide uses is there in another', () => {
  const known = new Set(guide.techniques.map(({ id }) => id))
  const used = [...guide.decisions, ...guide.path, ...guide.claims].flatMap(({ techniques }) => techniques)
  assert.deepEqual(used.filter((id) => !known.has(id)), [])
  const cited = [...guide.techniques.flatMap((technique) => technique.references), ...guide.claims.flatMap(({ sources }) => sources), ...guide.tuning.flatMap((goal) => goal.references)]
  assert.deepEqual(cited.filter((id) => !Object.hasOwn(references, id)), [])
  assert.deepEqual(Object.keys(references).filter((id) => !(cited as string[]).includes(id)), [])
  for (const { id } of guide.techniques) assert.ok(used.includes(id), `nothing speaks of ${id}`)
})

for (const { id, verdict, where, command } of guide.claims) {
  test(`claim ${id}: its figures and its command are there`, () => {
    assert.equal(verdict === 'not measured', where === undefined, 'a verdict has a place where its figures are')
    assert.equal(where === undefined, command === undefined)
    if (where === undefined || command === undefined) return
    const text = readFileSync(join(root, where.file), 'utf8')
    for (const figure of where.figures) assert.ok(text.includes(figure), `${where.file} has no ${figure}`)
    checkCommand(command)
  })
}

/** `npm run bench -- PART` of the bench's parts, or `npx posttrain COMMAND FILE` of files that are there. */
function checkCommand(command: string): void {
  const part = /^npm run bench -- (\w+)$/.exec(command)?.[1]
  if (part !== undefined) {
    assert.match(readFileSync(join(root, 'bench/run.ts'), 'utf8'), new RegExp(`^ {2}${part}: bench\\w+,$`, 'm'))
    return
  }
  const [, name, file] = /^npx posttrain (\w+) (\S+)$/.exec(command) ?? []
  assert.ok(name !== undefined && file !== undefined, `not understood: ${command}`)
  assert.match(readFileSync(join(root, 'src/cli/main.ts'), 'utf8'), new RegExp(`^ {2}${name}: async`, 'm'))
  assert.ok(existsSync(join(root, file)), `there is no ${file}`)
}

test('LoRA’s share of the weights is what the guide says', () => {
  const config = tinyConfig({ hiddenSize: 576, intermediateSize: 1536, layers: 30, heads: 9, kvHeads: 3, headDim: 64, vocabSize: 49152 })
  const count = (shapes: ReadonlyMap<string, readonly number[]>): number =>
    [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b), 0)
  const adapter = count(loraShapes(config, { rank: 8, alpha: 16, rankStabilized: false, modules: linearModules(config) }))
  const model = count(parameterShapes(config))
  const { here } = guide.claims.find(({ id }) => id === 'lora-share')!
  assert.ok(here.includes(`${(adapter / 1e6).toFixed(2)} of ${(model / 1e6).toFixed(1)} million weights (${(100 * adapter / model).toFixed(1)}%)`), `${adapter} of ${model}`)
})
