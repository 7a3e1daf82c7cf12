import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'

import { jsonLines, posttrain, toJsonLines } from '../process.ts'
import { fixtures as models, worst } from './models.ts'
import type { Programs, Source } from './programs.ts'
import { type Finding, largestRatio } from './table.ts'

const fixtures = join(import.meta.dirname, '..', '..', 'src', 'train', 'fixtures')

/** What make_sft.py, make_dpo.py or make_kto.py wrote of one run of TRL. */
interface Run {
  readonly model: string
  readonly recipe: Readonly<Record<string, unknown>> & { readonly adapter: { readonly type: 'lora' | 'none' } }
  readonly rows: readonly unknown[]
  readonly steps: readonly { readonly loss: number; readonly grad_norm: number }[]
}

/** Repeats every run of TRL with `posttrain train`; what it leaves behind is then read by transformers and PEFT. */
export async function checkTraining(programs: Programs): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const method of ['sft', 'dpo', 'kto']) {
    for (const file of readdirSync(join(fixtures, method)).filter(name => name.endsWith('.json')).sort()) {
      const run = JSON.parse(readFileSync(join(fixtures, method, file), 'utf8')) as Run
      findings.push(...await checkRun(programs, `${method}-${basename(file, '.json')}`, run))
    }
  }
  return findings
}

async function checkRun(programs: Programs, name: string, { model, recipe, rows, steps }: Run): Promise<Finding[]> {
  const base = join(models, model)
  const output = join(programs.folder, name)
  const data = join(programs.folder, `${name}.jsonl`)
  const adapter = recipe.adapter.type === 'lora' ? { ...recipe.adapter, init: join(base, 'adapter') } : recipe.adapter
  writeFileSync(data, toJsonLines(rows))
  // YAML is a superset of JSON.
  writeFileSync(`${output}.yaml`, JSON.stringify({ ...recipe, model: base, data, adapter, output }))
  await posttrain(['train', `${output}.yaml`, '--json'])

  const logged = jsonLines(readFileSync(join(output, 'metrics.jsonl'), 'utf8')) as Run['steps']
  const ratio = (key: 'loss' | 'grad_norm') => largestRatio(logged.map(step => step[key]), steps.map(step => step[key]))
  const trained: Source = existsSync(join(output, 'model')) ? { model: join(output, 'model') } : { model: base, adapter: join(output, 'adapter') }
  const probe = [{ prompt: 'Fever: ', completion: 'R50.9 and some more text' }]
  const ours = await programs.score(trained, probe)
  const theirs = await programs.reference(trained, ours.map(({ ids }) => ({ ids })))
  return [
    { model, what: `loss of each step, ${name}`, reference: 'TRL', difference: ratio('loss'), limit: 1e-4 },
    { model, what: `gradient norm of each step, ${name}`, reference: 'TRL', difference: ratio('grad_norm'), limit: 1e-3 },
    { model, what: `the result as they load it, ${name}`, reference: 'transformers, PEFT', difference: worst(ours, theirs), limit: 1e-4 },
  ]
}
