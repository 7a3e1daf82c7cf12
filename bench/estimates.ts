/** What `posttrain advise` says that a run will take, beside what it takes. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { estimateRecipe } from '../src/guide/gather.ts'
import type { RecipeInput } from '../src/train/recipe.ts'
import { jsonLines, run } from './process.ts'
import { markdownTable } from './table.ts'

const example = (path: string): string => join(import.meta.dirname, '../examples', path)

type Part = Omit<RecipeInput, 'model'>

/** Runs that the constants of src/guide/pace.ts and memory.ts were not fitted to. */
const recipes: Readonly<Record<string, Part>> = {
  'SFT, int8, rank 8, 24 steps of 8 rows, complaints': {
    method: 'sft', data: [example('complaints/sft.jsonl'), example('icd10/replay.jsonl')], base: { precision: 'int8' }, steps: 24, max_length: 192,
  },
  'SFT, f32, rank 32 on q and v, 10 steps of 16 rows, medical coding, held-out rows': {
    method: 'sft', data: example('icd10/train.jsonl'), eval: example('icd10/heldout.jsonl'), base: { precision: 'f32' }, batch: 16, steps: 10, max_length: 128,
    adapter: { rank: 32, targets: ['q_proj', 'v_proj'] },
  },
  'DPO, int8, rank 16, 20 steps of 4 pairs, complaints': {
    method: 'dpo', data: example('complaints/heldout-pairs.jsonl'), base: { precision: 'int8' }, batch: 4, steps: 20, max_length: 192, adapter: { rank: 16 },
  },
  'KTO, int8, rank 8, 8 steps of 16 thumbs, complaints': {
    method: 'kto', data: example('complaints/thumbs.jsonl'), base: { precision: 'int8' }, batch: 16, steps: 8, max_length: 192,
  },
  'GRPO, int8, rank 8, 5 steps of 4 × 6 answers, contract clauses': {
    method: 'grpo', data: example('contract-review/prompts.jsonl'), base: { precision: 'int8' }, batch: 4, steps: 5,
    grpo: { reward: example('contract-review/reward.json'), group_size: 6, max_new_tokens: 56 },
  },
}

interface Measured {
  readonly steps: number
  readonly tokens: number
  readonly seconds: number
  readonly cpu_seconds: number
  readonly memory_mb: number
}

/** Estimates and measurements of five runs: by the clock, by the CPU, of memory. */
export async function benchEstimates({ gguf, scratch }: { readonly gguf: string; readonly scratch: string }): Promise<string> {
  const rows: string[][] = []
  for (const [name, part] of Object.entries(recipes)) {
    const recipe: RecipeInput = { ...part, model: gguf, output: join(scratch, 'estimated') } as RecipeInput
    const estimate = await estimateRecipe({ recipe, modelPath: gguf })
    const file = join(scratch, 'estimated.yaml')
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(recipe))
    const [measured] = jsonLines(await run(process.execPath, [join(import.meta.dirname, 'ours/timed-run.ts'), file])) as [Measured]
    process.stderr.write(`${name}  ${JSON.stringify({ estimate, measured })}\n`)
    const pair = (of: (figure: number) => string, estimated: number, found: number): string[] => [`${of(estimated)} / ${of(found)}`, `${(estimated / found).toFixed(2)}x`]
    rows.push([
      name, `${estimate.steps} / ${measured.steps}`,
      ...pair((seconds) => `${seconds.toFixed(0)} s`, estimate.seconds, measured.seconds),
      ...pair((seconds) => `${seconds.toFixed(0)} s`, estimate.cpuSeconds, measured.cpu_seconds),
      ...pair((mb) => `${mb.toFixed(0)} MB`, estimate.memoryMb, measured.memory_mb),
    ])
  }
  const header = ['estimated / measured', 'steps', 'time', 'ratio', 'CPU time', 'ratio', 'peak memory', 'ratio']
  const text = 'What `posttrain advise` and `POST /v1/estimates` say before a run, beside what the whole run took, evaluations included. ' +
    'The constants were fitted to other runs of this model.'
  return `## Estimates\n\n${text}\n\n${markdownTable(header, rows)}`
}
