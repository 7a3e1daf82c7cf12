import { endlessModel, rowsFile, runOurs, runTrl, type MethodBench, type StepFigures } from './method-run.ts'
import { promptRows } from './rows.ts'
import { inTurns, markdownTable, median } from './table.ts'

const reference = 'TRL bf16 (its default)'
const settings = { group: 8, newTokens: 64, steps: 10, lr: 1e-5 }
/** trl_grpo.py has the same. */
const reward = { type: 'length', unit: 'characters', min: 400 }

/** Completion tokens a second over whole steps: sampling, grading, update. */
export async function benchGrpo({ python, model, scratch, rounds }: MethodBench): Promise<string> {
  const { group, newTokens, steps, lr } = settings
  const data = rowsFile(scratch, 'prompts', promptRows(steps))
  const endless = endlessModel(model, scratch)
  const trl = (...more: string[]) => () => runTrl(python, 'trl_grpo.py', [
    '--model', model, '--data', data, '--group', String(group), '--new-tokens', String(newTokens),
    '--steps', String(steps), '--lr', String(lr), ...more,
  ])
  const ours = (precision: string) => () => runOurs(scratch, `grpo-${precision}`, {
    model: endless, method: 'grpo', data, base: { precision }, optimizer: { lr }, batch: 1, steps,
    grpo: { reward, group_size: group, max_new_tokens: newTokens },
  })
  const results = await inTurns(new Map<string, () => Promise<StepFigures>>([
    [reference, trl()],
    ['TRL bf16 without gradient checkpointing', trl('--no-checkpointing')],
    ['posttrain f32', ours('f32')],
    ['posttrain int8', ours('int8')],
  ]), rounds)
  return `## GRPO\n\nLoRA, rank 8 on all linear layers; a group of ${group} completions of exactly ${newTokens} tokens a step, prompts of about 100 tokens, no KL term.\n\n${table(results)}`
}

function table(results: ReadonlyMap<string, readonly StepFigures[]>): string {
  const tokens = settings.group * settings.newTokens
  const rate = (name: string): number => median(results.get(name)!.map(({ step_seconds }) => tokens / step_seconds))
  const memory = (name: string): number => median(results.get(name)!.map(({ peak_mb }) => peak_mb))
  const against = (of: (name: string) => number, name: string): string => `${(of(name) / of(reference)).toFixed(2)}x`
  const header = ['', 'completion tokens/s', 'ratio', 'peak memory', 'ratio']
  return markdownTable(header, [...results.keys()].map((name) => [
    name, rate(name).toFixed(0), against(rate, name), `${memory(name).toFixed(0)} MB`, against(memory, name),
  ]))
}
