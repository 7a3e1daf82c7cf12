import { endlessModel, rowsFile, runOurs, type MethodBench, type StepFigures } from './method-run.ts'
import { promptRows } from './rows.ts'
import { markdownTable } from './table.ts'

const settings = { answers: 8, newTokens: 64, steps: 3 }
const reward = { type: 'length', unit: 'characters', min: 400 }

interface Case {
  readonly name: string
  readonly adapter: 'lora' | 'none'
  readonly method: 'grpo' | 'ppo'
  readonly own: Readonly<Record<string, unknown>>
}

/** What the field guide claims: GRPO needs 40 to 60% less memory than PPO. Each case stands below what it is compared with. */
const cases: readonly Case[] = [
  { name: 'PPO, LoRA, a value head on the shared base', adapter: 'lora', method: 'ppo', own: { critic: 'shared' } },
  { name: 'GRPO, LoRA', adapter: 'lora', method: 'grpo', own: {} },
  { name: 'PPO, full fine-tuning, a critic of its own', adapter: 'none', method: 'ppo', own: { critic: 'separate' } },
  { name: 'GRPO, full fine-tuning', adapter: 'none', method: 'grpo', own: {} },
]

/** Peak memory of GRPO and PPO on the same model, with as many answers of the same length in a step. */
export async function benchMemory({ model, scratch }: Pick<MethodBench, 'model' | 'scratch'>): Promise<string> {
  const { answers, newTokens, steps } = settings
  const data = rowsFile(scratch, 'memory-prompts', promptRows(answers))
  const endless = endlessModel(model, scratch)
  const rows: string[][] = []
  let compared: StepFigures | undefined
  for (const [i, { name, adapter, method, own }] of cases.entries()) {
    const sampling = method === 'grpo' ? { batch: 1, grpo: { reward, group_size: answers, max_new_tokens: newTokens, ...own } }
      : { batch: answers, ppo: { reward, max_new_tokens: newTokens, ...own } }
    const figures = await runOurs(scratch, `memory-${i}`, {
      model: endless, method, data, adapter: { type: adapter }, base: { precision: 'f32' }, steps, ...sampling,
    })
    process.stderr.write(`${name}  ${JSON.stringify(figures)}\n`)
    if (method === 'ppo') compared = figures
    rows.push([name, `${figures.peak_mb} MB`, method === 'ppo' ? '' : `${((1 - figures.peak_mb / compared!.peak_mb) * 100).toFixed(0)}% less`])
  }
  return `## Memory of GRPO and PPO\n\nf32; ${answers} answers of ${newTokens} tokens to prompts of about 100 a step: GRPO's to one prompt, PPO's to one each.\n\n${markdownTable(['', 'peak memory', 'than PPO'], rows)}`
}
